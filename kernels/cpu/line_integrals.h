// Line integrals of interleaved channels: values [I, J, K, pitch], C <= pitch of them used, pitch 1, 2 or 4 m.
//
// A packet of rays marches together; each stencil it meets is added to up to four channels at once. More channels than
// four repeat the march. The packets of a bundle (a square of neighbouring tiles) take turns of TURN stencils, so that
// they pass through the volume side by side and share what they bring into the cache. The sum of a turn is formed in
// float and those are added to a total, so that a thousand terms lose no more than a few units in the last place.
#pragma once

#include <vector>

#include "fetch.h"
#include "marches.h"
#include "parallel.h"

namespace deepdrr {

constexpr int TURN = 8;

struct Values {
    const float* DEEPDRR_RESTRICT data;  // [I, J, K, pitch]
    Grid grid;
    int pitch, channels;
};

// sum[l][c] += sum over corners of weight * value: lane by lane, WIDTH channels side by side. `offset` counts floats.
// The copy of a voxel is one vector load; indexed in place, GCC fetches its channels one by one.
template <int WIDTH, class Stencil>
DEEPDRR_FN void add(const Stencil& stencil, const float* values, std::int64_t pitch, const std::int64_t* offset,
                    float (&sum)[LANES][WIDTH]) {
    for (int l = 0; l < LANES; ++l) {
        const float* cell = values + stencil.voxel[l] * pitch;
        for (int corner = 0; corner < Stencil::corners; ++corner) {
            float voxel[WIDTH];
            std::memcpy(voxel, cell + offset[corner], sizeof voxel);
            for (int c = 0; c < WIDTH; ++c) sum[l][c] += stencil.weight[corner][l] * voxel[c];
        }
    }
}

// One channel: two corners at a time, all lanes together. The grid has more than one voxel along k.
DEEPDRR_FN void add(const Stencil8& stencil, const float* values, std::int64_t /*pitch*/, const std::int64_t* offset,
                    float (&sum)[LANES][1]) {
    for (int corner = 0; corner < 8; corner += 2) {
        Pairs pairs;
        fetch_pairs(values + offset[corner], stencil.voxel, pairs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l)
            sum[l][0] += stencil.weight[corner][l] * pairs.low[l] + stencil.weight[corner + 1][l] * pairs.high[l];
    }
}

// Brings the voxels of a later stencil into the cache: those of four lanes spread over the tile, which share their lines
// with the others. It comes a turn ahead, while the other packets of the bundle advance.
DEEPDRR_FN void prefetch(const int* voxel, const float* values, std::int64_t pitch, const std::int64_t* offset) {
    for (int l = 0; l < LANES; l += TILE + 1)
        for (int corner = 0; corner < 8; corner += 2) DEEPDRR_PREFETCH(values + voxel[l] * pitch + offset[corner]);
}

// A packet on its way.
template <int WIDTH, class Stencil, template <class> class March>
struct Traveller {
    Tile tile;
    March<Stencil> march;
    alignas(64) float total[LANES][WIDTH] = {};

    Traveller(const Tile& at, const Chord* chords, const Grid& grid, double step)
        : tile(at), march(chords, grid, step) {}

    // Up to TURN stencils further; false at the end of all its rays.
    bool advance(const float* values, std::int64_t pitch, const std::int64_t* offset) {
        bool more = true;
        Stencil stencil;
        alignas(64) float sum[LANES][WIDTH] = {};
        alignas(64) int later[LANES];
        for (int n = 0; n < TURN && (more = march.next(stencil)); ++n) {
            march.announce(TURN, later);
            prefetch(later, values, pitch, offset);
            add(stencil, values, pitch, offset, sum);
        }
        for (int l = 0; l < LANES; ++l)
            for (int c = 0; c < WIDTH; ++c) total[l][c] += sum[l][c];
        return more;
    }
};

template <int WIDTH, class Stencil, template <class> class March>
void project_bundle(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step,
                    const Image& image, const Bundle& bundle) {
    std::int64_t offset[8];
    corner_offsets(values.grid, values.pitch, offset);
    std::vector<Traveller<WIDTH, Stencil, March>> travellers;
    for (int channel = 0; channel < values.channels; channel += WIDTH) {
        travellers.clear();
        for_each_tile(rays, bundle, [&](const Tile& tile) {
            Chord chords[LANES];
            tile_chords(rays, tile, ijk_from_world, values.grid, chords);
            travellers.emplace_back(tile, chords, values.grid, step);
        });
        for (bool more = true; more;) {
            more = false;
            for (auto& traveller : travellers)
                more |= traveller.advance(values.data + channel, values.pitch, offset);
        }
        for (const auto& traveller : travellers)
            for (int c = 0; c < WIDTH && channel + c < values.channels; ++c)
                write_tile(image, traveller.tile, channel + c, [&](int lane) { return traveller.total[lane][c]; });
    }
}

template <int WIDTH, class Stencil, template <class> class March>
void project_width(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step,
                   const Image& image, int threads) {
    const Bundling bundling(rays);
    parallel_for(bundling.count, threads, [&](std::int64_t index) {
        project_bundle<WIDTH, Stencil, March>(values, ijk_from_world, rays, step, image, bundling.bundle(index));
    });
}

template <class Stencil, template <class> class March>
void project(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step, const Image& image,
             int threads) {
    if (values.pitch == 1 && values.grid.n[2] == 1 && Stencil::corners == 8)
        project_width<1, typename Stencil::Thin, March>(values, ijk_from_world, rays, step, image, threads);
    else if (values.pitch == 1)
        project_width<1, Stencil, March>(values, ijk_from_world, rays, step, image, threads);
    else if (values.pitch == 2)
        project_width<2, Stencil, March>(values, ijk_from_world, rays, step, image, threads);
    else
        project_width<4, Stencil, March>(values, ijk_from_world, rays, step, image, threads);
}

}  // namespace deepdrr

// Line integrals of the channels of a field.
//
// A packet of rays marches together; each stencil it meets is added to up to CHANNELS channels at once. More channels
// repeat the march. The packets of a bundle (a square of neighbouring tiles) take turns of TURN stencils, so that they
// pass through the volume side by side and share what they bring into the cache. The sum of a turn is formed in float
// and those are added to a total, so that a thousand terms lose no more than a few units in the last place.
#pragma once

#include <vector>

#include "fetch.h"
#include "marches.h"
#include "parallel.h"
#include "values.h"

namespace deepdrr {

constexpr int TURN = 8;

// sum[l] += sum over corners of weight * value, for one channel.
template <class Stencil, class T>
DEEPDRR_FN void add(const Stencil& stencil, const T* values, const std::int64_t* offset, float* sum) {
    for (int corner = 0; corner < Stencil::corners; ++corner) {
        const T* at = values + offset[corner];
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) sum[l] += stencil.weight[corner][l] * (float)at[stencil.voxel[l]];
    }
}

// Two corners at a time. The grid has more than one voxel along k.
template <class T>
DEEPDRR_FN void add(const Stencil8& stencil, const T* values, const std::int64_t* offset, float* sum) {
    for (int corner = 0; corner < 8; corner += 2) {
        Pairs pairs;
        fetch_pairs(values + offset[corner], stencil.voxel, pairs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l)
            sum[l] += stencil.weight[corner][l] * pairs.low[l] + stencil.weight[corner + 1][l] * pairs.high[l];
    }
}

// Brings the voxels of a later stencil into the cache: those of four lanes spread over the tile, which share their lines
// with the others. It comes a turn ahead, while the other packets of the bundle advance.
template <class T>
DEEPDRR_FN void prefetch(const int* voxel, const T* values, const std::int64_t* offset) {
    for (int l = 0; l < LANES; l += TILE + 1)
        for (int corner = 0; corner < 8; corner += 2) DEEPDRR_PREFETCH(values + voxel[l] + offset[corner]);
}

// A packet on its way.
template <class Stencil, template <class> class March>
struct Traveller {
    Tile tile;
    March<Stencil> march;
    alignas(64) float total[CHANNELS][LANES] = {};

    Traveller(const Tile& at, const Chord* chords, const Grid& grid, double step)
        : tile(at), march(chords, grid, step) {}

    // Up to TURN stencils further, in `count` channels from `first`; false at the end of all its rays.
    template <class T>
    bool advance(const Values<T>& values, int first, int count, const std::int64_t* offset) {
        bool more = true;
        Stencil stencil;
        alignas(64) float sum[CHANNELS][LANES] = {};
        alignas(64) int later[LANES];
        for (int n = 0; n < TURN && (more = march.next(stencil)); ++n) {
            march.announce(TURN, later);
            for (int c = 0; c < count; ++c) prefetch(later, values.channel(first + c), offset);
            for (int c = 0; c < count; ++c) add(stencil, values.channel(first + c), offset, sum[c]);
        }
        for (int c = 0; c < count; ++c)
            for (int l = 0; l < LANES; ++l) total[c][l] += sum[c][l];
        return more;
    }
};

template <class Stencil, template <class> class March, class T>
void project_bundle(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                    const Image& image, const Bundle& bundle) {
    std::int64_t offset[8];
    corner_offsets(values.grid, offset);
    std::vector<Traveller<Stencil, March>> travellers;
    for (int first = 0; first < values.channels; first += CHANNELS) {
        const int count = lesser(values.channels - first, CHANNELS);
        travellers.clear();
        for_each_tile(rays, bundle, [&](const Tile& tile) {
            Chord chords[LANES];
            tile_chords(rays, tile, ijk_from_world, values.grid, chords);
            travellers.emplace_back(tile, chords, values.grid, step);
        });
        for (bool more = true; more;) {
            more = false;
            for (auto& traveller : travellers) more |= traveller.advance(values, first, count, offset);
        }
        for (const auto& traveller : travellers)
            for (int c = 0; c < count; ++c)
                write_tile(image, traveller.tile, first + c, [&](int lane) {
                    return (float)(values.scale[first + c] * traveller.total[c][lane]);
                });
    }
}

template <class Stencil, template <class> class March, class T>
void project_all(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                 const Image& image, int threads) {
    const Bundling bundling(rays);
    parallel_for(bundling.count, threads, [&](std::int64_t index) {
        project_bundle<Stencil, March>(values, ijk_from_world, rays, step, image, bundling.bundle(index));
    });
}

template <class Stencil, template <class> class March, class T>
void project(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step, const Image& image,
             int threads) {
    if (values.grid.n[2] == 1)
        project_all<typename Stencil::Thin, March>(values, ijk_from_world, rays, step, image, threads);
    else
        project_all<Stencil, March>(values, ijk_from_world, rays, step, image, threads);
}

}  // namespace deepdrr

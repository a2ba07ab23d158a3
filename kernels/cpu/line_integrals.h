// Line integrals of interleaved channels: values [I, J, K, pitch], C <= pitch of them used, pitch 1, 2 or 4 m.
//
// A packet of rays marches together; each stencil it meets is added to up to four channels at once. More channels than
// four repeat the march. Sums run over SEGMENT stencils in float and those into a total, so that a thousand terms lose no
// more than a few units in the last place.
#pragma once

#include <cstring>

#include "marches.h"
#include "parallel.h"

namespace deepdrr {

constexpr int SEGMENT = 32;
constexpr int TILES_PER_TASK = 8;

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

template <int WIDTH, class Stencil, template <class> class March>
void integrate_tile(const Chord* chords, const Values& values, int channel, double step, float (&total)[LANES][WIDTH]) {
    std::int64_t offset[8];
    corner_offsets(values.grid, values.pitch, offset);
    March<Stencil> march(chords, values.grid, step);
    Stencil stencil;
    for (bool more = true; more;) {
        alignas(64) float sum[LANES][WIDTH] = {};
        for (int n = 0; n < SEGMENT && (more = march.next(stencil)); ++n)
            add(stencil, values.data + channel, values.pitch, offset, sum);
        for (int l = 0; l < LANES; ++l)
            for (int c = 0; c < WIDTH; ++c) total[l][c] += sum[l][c];
    }
}

template <int WIDTH, class Stencil, template <class> class March>
void project_width(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step,
                   const Image& image, int threads) {
    const Tiling tiling(rays);
    const std::int64_t tasks = (tiling.count + TILES_PER_TASK - 1) / TILES_PER_TASK;
    parallel_for(tasks, threads, [&](std::int64_t task) {
        const std::int64_t end = lesser(tiling.count, (task + 1) * TILES_PER_TASK);
        for (std::int64_t index = task * TILES_PER_TASK; index < end; ++index) {
            const Tile tile = tiling.tile(index);
            Chord chords[LANES];
            tile_chords(rays, tile, ijk_from_world, values.grid, chords);
            for (int channel = 0; channel < values.channels; channel += WIDTH) {
                alignas(64) float total[LANES][WIDTH] = {};
                integrate_tile<WIDTH, Stencil, March>(chords, values, channel, step, total);
                for (int c = 0; c < WIDTH && channel + c < values.channels; ++c)
                    write_tile(image, tile, channel + c, [&](int lane) { return total[lane][c]; });
            }
        }
    });
}

template <class Stencil, template <class> class March>
void project(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step, const Image& image,
             int threads) {
    if (values.pitch == 1)
        project_width<1, Stencil, March>(values, ijk_from_world, rays, step, image, threads);
    else if (values.pitch == 2)
        project_width<2, Stencil, March>(values, ijk_from_world, rays, step, image, threads);
    else
        project_width<4, Stencil, March>(values, ijk_from_world, rays, step, image, threads);
}

}  // namespace deepdrr

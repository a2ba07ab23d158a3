// Line integrals of a cubic B-spline with midpoint samples: 64 coefficients per sample, in 16 rows of four.
#pragma once

#include "bspline_taps.h"
#include "line_integrals.h"

namespace deepdrr {

// The spline at a node of lane l, WIDTH channels of it.
template <int WIDTH>
DEEPDRR_FN void spline_value(const Taps<WIDTH>& taps, const BSplineWeights& weights, int l, float (&value)[WIDTH]) {
    float sum[4 * WIDTH] = {};
    for (int a = 0; a < 4; ++a)
        for (int b = 0; b < 4; ++b) {
            float row[4 * WIDTH];
            load_row(taps, a, b, row);
            const float w = weights.w[0][a][l] * weights.w[1][b][l];
            for (int c = 0; c < 4 * WIDTH; ++c) sum[c] += w * row[c];
        }
    for (int c = 0; c < WIDTH; ++c) value[c] = 0.0f;
    for (int k = 0; k < 4; ++k)
        for (int c = 0; c < WIDTH; ++c) value[c] += weights.w[2][k][l] * sum[k * WIDTH + c];
}

template <int WIDTH>
void integrate_cubic_tile(const Chord* chords, const Values& values, int channel, double step,
                          float (&total)[LANES][WIDTH]) {
    StepNodes march(chords, values.grid, CellRange::whole(values.grid), step);
    Nodes<1> nodes;
    BSplineWeights weights;
    Taps<WIDTH> taps;
    for (bool more = true; more;) {
        float sum[LANES][WIDTH] = {};
        for (int n = 0; n < SEGMENT && (more = march.next(nodes)); ++n) {
            weigh(nodes, weights);
            for (int l = 0; l < LANES; ++l) {
                float value[WIDTH];
                find_taps<WIDTH>(values.data + channel, values.pitch, values.grid, nodes, l, taps);
                spline_value<WIDTH>(taps, weights, l, value);
                for (int c = 0; c < WIDTH; ++c) sum[l][c] += nodes.weight[0][l] * value[c];
            }
        }
        for (int l = 0; l < LANES; ++l)
            for (int c = 0; c < WIDTH; ++c) total[l][c] += sum[l][c];
    }
}

template <int WIDTH>
void project_cubic_width(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step,
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
                float total[LANES][WIDTH] = {};
                integrate_cubic_tile<WIDTH>(chords, values, channel, step, total);
                for (int c = 0; c < WIDTH && channel + c < values.channels; ++c)
                    write_tile(image, tile, channel + c, [&](int lane) { return total[lane][c]; });
            }
        }
    });
}

inline void project_cubic(const Values& values, const Affine& ijk_from_world, const Rays& rays, double step,
                          const Image& image, int threads) {
    if (values.pitch == 1)
        project_cubic_width<1>(values, ijk_from_world, rays, step, image, threads);
    else if (values.pitch == 2)
        project_cubic_width<2>(values, ijk_from_world, rays, step, image, threads);
    else
        project_cubic_width<4>(values, ijk_from_world, rays, step, image, threads);
}

}  // namespace deepdrr

// Line integrals of a cubic B-spline with midpoint samples: 64 coefficients per sample, in 16 rows of four.
#pragma once

#include "bspline_taps.h"
#include "parallel.h"
#include "values.h"

namespace deepdrr {

// The spline at a node of lane l.
DEEPDRR_FN float spline_value(const Taps& taps, const BSplineWeights& weights, int l) {
    float sum[4] = {};
    for (int a = 0; a < 4; ++a)
        for (int b = 0; b < 4; ++b) {
            float row[4];
            load_row(taps, a, b, row);
            const float w = weights.w[0][a][l] * weights.w[1][b][l];
            for (int k = 0; k < 4; ++k) sum[k] += w * row[k];
        }
    float value = 0.0f;
    for (int k = 0; k < 4; ++k) value += weights.w[2][k][l] * sum[k];
    return value;
}

// Adds to `total` the integrals of `count` channels from `first`.
inline void integrate_cubic_tile(const Chord* chords, const Values<float>& values, int first, int count, double step,
                                 float (*total)[LANES]) {
    StepNodes march(chords, values.grid, CellRange::whole(values.grid), step);
    Nodes<1> nodes;
    BSplineWeights weights;
    Taps taps;
    for (bool more = true; more;) {
        float sum[CHANNELS][LANES] = {};
        for (int n = 0; n < SEGMENT && (more = march.next(nodes)); ++n) {
            weigh(nodes, weights);
            for (int c = 0; c < count; ++c)
                for (int l = 0; l < LANES; ++l) {
                    find_taps(values.channel(first + c), values.grid, nodes, l, taps);
                    sum[c][l] += nodes.weight[0][l] * spline_value(taps, weights, l);
                }
        }
        for (int c = 0; c < count; ++c)
            for (int l = 0; l < LANES; ++l) total[c][l] += sum[c][l];
    }
}

inline void project_cubic(const Values<float>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                          const Image& image, int threads) {
    const Tiling tiling(rays);
    const std::int64_t tasks = (tiling.count + TILES_PER_TASK - 1) / TILES_PER_TASK;
    parallel_for(tasks, threads, [&](std::int64_t task) {
        const std::int64_t end = lesser(tiling.count, (task + 1) * TILES_PER_TASK);
        for (std::int64_t index = task * TILES_PER_TASK; index < end; ++index) {
            const Tile tile = tiling.tile(index);
            Chord chords[LANES];
            tile_chords(rays, tile, ijk_from_world, values.grid, chords);
            for (int first = 0; first < values.channels; first += CHANNELS) {
                const int count = lesser(values.channels - first, CHANNELS);
                float total[CHANNELS][LANES] = {};
                integrate_cubic_tile(chords, values, first, count, step, total);
                for (int c = 0; c < count; ++c)
                    write_tile(image, tile, first + c,
                               [&](int lane) { return (float)(values.scale[first + c] * total[c][lane]); });
            }
        }
    });
}

}  // namespace deepdrr

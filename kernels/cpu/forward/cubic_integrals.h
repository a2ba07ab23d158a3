// Line integrals of a cubic B-spline with midpoint samples: 64 coefficients per sample, in 16 rows of four.
//
// Packets of rays march through the volume side by side, in turns, as in line_integrals.h. A lane sums its rows in a
// register of four, along i and j, and keeps the sum over its samples so; the four are added up at the end of a turn.
// Sheets of rays mix sixteen whole rows, as those of linear interpolation do four.
#pragma once

#include "march/bspline_taps.h"
#include "forward/line_integrals.h"
#include "march/spline_fans.h"
#include "packets/values.h"

namespace deepdrr {

constexpr int SPLINE_TURN = 8;

// Sum over i and j of the rows of lane l.
template <bool THIN>
DEEPDRR_FN Row spline_row(const float* first, const Taps<THIN>& taps, const BSplineWeights& w, int l) {
    Row sum = row_of(0.0f);
    for (int a = 0; a < 4; ++a) {
        const float* at = first + taps.i(a);
        Row plane = w.j[0][l] * taps.load(at);
        for (int b = 1; b < 4; ++b) plane = multiply_add(w.j[b][l], taps.load(at + taps.j(b)), plane);
        sum = multiply_add(w.i[a][l], plane, sum);
    }
    return sum;
}

// sum[l] += the terms along k of the node of lane l, for one channel. The weights along i hold those of the nodes.
template <bool THIN>
DEEPDRR_FN void add_splines(const Nodes<1>& nodes, const BSplineWeights& w, const float* channel,
                            const Taps<THIN>& taps, float (*sum)[4]) {
    for (int l = 0; l < LANES; ++l) {
        const Row row = spline_row(channel + w.first[l], taps, w, l);
        store_row(sum[l], multiply_add(weight_row(nodes, taps.grid, l), row, load_row(sum[l])));
    }
}

// Brings the coefficients of a later node into the cache: those of four lanes spread over the tile.
template <bool THIN>
DEEPDRR_FN void prefetch_taps(const int (*cell)[LANES], const float* channel, const Taps<THIN>& taps) {
    const Grid& grid = taps.grid;
    for (int l = 0; l < LANES; l += TILE + 1) {
        const float* first = channel + grid.voxel(first_tap(cell[0][l], grid.n[0]), first_tap(cell[1][l], grid.n[1]),
                                                  first_tap(cell[2][l], grid.n[2]));
        for (int a = 0; a < 4; ++a)
            for (int b = 0; b < 4; ++b) DEEPDRR_PREFETCH(first + taps.i(a) + taps.j(b));
    }
}

// A packet on its way.
template <bool THIN>
struct SplineTraveller {
    Pixels pixels;
    StepNodes march;
    alignas(64) float total[CHANNELS][LANES] = {};

    SplineTraveller(const Pixels& of, const Chord* chords, const Grid& grid, double step)
        : pixels(of), march(chords, grid, CellRange::whole(grid), step) {}

    double result(int c, int l) const { return total[c][l]; }

    // Up to SPLINE_TURN nodes further, in `count` channels from `first`; false at the end of all its rays.
    bool advance(const Values<float>& values, int first, int count, const std::int64_t* /*offset*/) {
        const Grid grid = values.grid;
        const Taps<THIN> taps{grid};
        bool more = true;
        Nodes<1> nodes;
        BSplineWeights w;
        alignas(64) float sum[CHANNELS][LANES][4];
        alignas(64) int later[3][LANES];
        for (int c = 0; c < count; ++c)
            for (int l = 0; l < LANES; ++l) store_row(sum[c][l], row_of(0.0f));
        for (int n = 0; n < SPLINE_TURN && (more = march.next(nodes)); ++n) {
            weigh<THIN>(nodes, grid, w);
            for (int a = 0; a < 4; ++a) {
                DEEPDRR_LANES
                for (int l = 0; l < LANES; ++l) w.i[a][l] *= nodes.weight[0][l];
            }
            march.announce(SPLINE_TURN, later);
            for (int c = 0; c < count; ++c) prefetch_taps(later, values.channel(first + c), taps);
            for (int c = 0; c < count; ++c) add_splines(nodes, w, values.channel(first + c), taps, sum[c]);
        }
        for (int c = 0; c < count; ++c)
            for (int l = 0; l < LANES; ++l)
                total[c][l] += (sum[c][l][0] + sum[c][l][1]) + (sum[c][l][2] + sum[c][l][3]);
        return more;
    }
};

inline void project_cubic(const Values<float>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                          const Image& image, int threads) {
    if (is_thin(values.grid))
        project_packets<SplineTraveller<true>>(values, ijk_from_world, rays, step, image, threads, false);
    else
        project_packets<SplineTraveller<false>, SplineSheet>(values, ijk_from_world, rays, step, image, threads, true);
}

}  // namespace deepdrr

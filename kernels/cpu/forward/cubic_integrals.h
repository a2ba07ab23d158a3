// Line integrals of a cubic B-spline at midpoint samples: 64 coefficients per sample, in 16 rows of four.
//
// The packets of a region advance in turn, as in line_integrals.h. A lane sums its rows along i and j in a register of
// four and keeps that over the samples of a chunk, at whose end the four are added up. Fans mix sixteen whole rows,
// where those of linear interpolation mix four.
#pragma once

#include "forward/line_integrals.h"
#include "march/bspline_taps.h"
#include "march/spline_fans.h"
#include "packets/values.h"

namespace deepdrr {

constexpr int SPLINE_CHUNK = 8;

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

// A packet of rays, its march and its sums so far.
template <bool THIN>
struct SplinePacketState {
    Pixels pixels;
    StepNodes march;
    alignas(64) float total[CHANNELS][LANES] = {};

    SplinePacketState(const Pixels& of, const Chord* chords, const Grid& grid, double step)
        : pixels(of), march(chords, grid, CellRange::whole(grid), step) {}

    double result(int c, int l) const { return total[c][l]; }

    // Adds up to SPLINE_CHUNK nodes of `count` channels from `first`; false at the end of all its rays.
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
        for (int n = 0; n < SPLINE_CHUNK && (more = march.next(nodes)); ++n) {
            weigh<THIN>(nodes, grid, w);
            for (int a = 0; a < 4; ++a) {
                DEEPDRR_LANES
                for (int l = 0; l < LANES; ++l) w.i[a][l] *= nodes.weight[0][l];
            }
            march.look_ahead(SPLINE_CHUNK, later);
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
        project_packets<SplinePacketState<true>>(values, ijk_from_world, rays, step, image, threads, false);
    else
        project_packets<SplinePacketState<false>, SplineFan>(values, ijk_from_world, rays, step, image, threads, true);
}

}  // namespace deepdrr

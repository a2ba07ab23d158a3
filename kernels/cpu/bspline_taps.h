// The 4 x 4 x 4 coefficients about a node of a cubic B-spline, as 16 rows along k.
//
// Inside the grid they are read where they are. At its border they are collected, mirrored, into a block of their own, so
// that all that follows sees rows of four.
#pragma once

#include <cstring>

#include "deepdrr/bspline.h"
#include "nodes.h"

namespace deepdrr {

struct BSplineWeights {
    alignas(64) float w[3][4][LANES];
};

inline void weigh(const Nodes<1>& nodes, BSplineWeights& out) {
    for (int a = 0; a < 3; ++a) {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l)
            bspline_weights(nodes.at[0][a][l], out.w[a][0][l], out.w[a][1][l], out.w[a][2][l], out.w[a][3][l]);
    }
}

inline void weigh_slopes(const Nodes<1>& nodes, BSplineWeights& out) {
    for (int a = 0; a < 3; ++a) {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l)
            bspline_slopes(nodes.at[0][a][l], out.w[a][0][l], out.w[a][1][l], out.w[a][2][l], out.w[a][3][l]);
    }
}

// 64 voxels of one channel; `next` floats apart along i and j.
struct Taps {
    const float* first;
    std::int64_t next_i, next_j;
    float block[64];

    const float* row(int a, int b) const { return first + a * next_i + b * next_j; }
};

DEEPDRR_FN bool in_the_interior(const Nodes<1>& nodes, const Grid& grid, int l) {
    bool inside = true;
    for (int a = 0; a < 3; ++a) inside &= (nodes.low[a][l] >= 1) & (nodes.low[a][l] + 2 < grid.n[a]);
    return inside;
}

// The voxel of tap (a, b, c) of lane l.
DEEPDRR_FN std::int64_t tap_voxel(const Nodes<1>& nodes, const Grid& grid, int l, int a, int b, int c) {
    const int i = mirrored(nodes.low[0][l] - 1 + a, grid.n[0]), j = mirrored(nodes.low[1][l] - 1 + b, grid.n[1]);
    const int k = mirrored(nodes.low[2][l] - 1 + c, grid.n[2]);
    return grid.voxel(i, j, k);
}

DEEPDRR_FN std::int64_t first_tap(const Nodes<1>& nodes, const Grid& grid, int l) {
    return (std::int64_t)nodes.voxel[l] - grid.plane - grid.row - 1;
}

inline void find_taps(const float* channel, const Grid& grid, const Nodes<1>& nodes, int l, Taps& taps) {
    if (in_the_interior(nodes, grid, l)) {
        taps.first = channel + first_tap(nodes, grid, l);
        taps.next_i = grid.plane, taps.next_j = grid.row;
        return;
    }
    for (int tap = 0; tap < 64; ++tap)
        taps.block[tap] = channel[tap_voxel(nodes, grid, l, tap >> 4, tap >> 2 & 3, tap & 3)];
    taps.first = taps.block, taps.next_i = 16, taps.next_j = 4;
}

DEEPDRR_FN void load_row(const Taps& taps, int a, int b, float (&row)[4]) {
    std::memcpy(row, taps.row(a, b), sizeof row);
}

}  // namespace deepdrr

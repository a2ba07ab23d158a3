// The 4 x 4 x 4 coefficients about the nodes of a packet, as 16 rows along k for every lane, and their weights.
//
// THIN is a grid with fewer than four voxels along an axis: the missing taps have weight 0 and read its first voxel.
#pragma once

#include "deepdrr/bspline.h"
#include "march/nodes.h"
#include "packets/row.h"

namespace deepdrr {

inline bool is_thin(const Grid& grid) { return (grid.n[0] < 4) | (grid.n[1] < 4) | (grid.n[2] < 4); }

// Where the taps of a lane are, from its first.
template <bool THIN>
struct Taps {
    Grid grid;

    DEEPDRR_FN std::int64_t i(int t) const { return THIN && t >= grid.n[0] ? 0 : t * (std::int64_t)grid.plane; }
    DEEPDRR_FN std::int64_t j(int t) const { return THIN && t >= grid.n[1] ? 0 : t * (std::int64_t)grid.row; }
    DEEPDRR_FN int k(int t) const { return THIN && t >= grid.n[2] ? 0 : t; }

    DEEPDRR_FN Row load(const float* at) const {
        return THIN ? row_of(at[k(0)], at[k(1)], at[k(2)], at[k(3)]) : load_row(at);
    }

    DEEPDRR_FN void add(float* at, float weight, Row row) const {
        if (!THIN) return store_row(at, multiply_add(weight, row, load_row(at)));
        float terms[4];
        store_row(terms, row);
        for (int t = 0; t < 4; ++t) at[k(t)] += weight * terms[t];
    }
};

// The voxel of a lane's first tap, and the weights along i and j; those along k come as rows.
struct BSplineWeights {
    alignas(64) int first[LANES];
    alignas(64) float i[4][LANES], j[4][LANES];
};

template <bool THIN>
DEEPDRR_FN void fold(const int* cell, int n, int l, float (*w)[LANES]) {
    if (THIN)
        fold_few_weights(cell[l], n, w[0][l], w[1][l], w[2][l], w[3][l]);
    else
        fold_weights(cell[l], n, w[0][l], w[1][l], w[2][l], w[3][l]);
}

template <bool THIN>
DEEPDRR_FN void weigh(const Nodes<1>& nodes, const Grid& grid, BSplineWeights& w) {
    DEEPDRR_LANES
    for (int l = 0; l < LANES; ++l) {
        w.first[l] = grid.voxel(first_tap(nodes.low[0][l], grid.n[0]), first_tap(nodes.low[1][l], grid.n[1]),
                                first_tap(nodes.low[2][l], grid.n[2]));
        bspline_weights(nodes.at[0][0][l], w.i[0][l], w.i[1][l], w.i[2][l], w.i[3][l]);
        bspline_weights(nodes.at[0][1][l], w.j[0][l], w.j[1][l], w.j[2][l], w.j[3][l]);
        fold<THIN>(nodes.low[0], grid.n[0], l, w.i), fold<THIN>(nodes.low[1], grid.n[1], l, w.j);
    }
}

// The derivatives of the weights.
template <bool THIN>
DEEPDRR_FN void weigh_slopes(const Nodes<1>& nodes, const Grid& grid, BSplineWeights& d) {
    DEEPDRR_LANES
    for (int l = 0; l < LANES; ++l) {
        bspline_slopes(nodes.at[0][0][l], d.i[0][l], d.i[1][l], d.i[2][l], d.i[3][l]);
        bspline_slopes(nodes.at[0][1][l], d.j[0][l], d.j[1][l], d.j[2][l], d.j[3][l]);
        fold<THIN>(nodes.low[0], grid.n[0], l, d.i), fold<THIN>(nodes.low[1], grid.n[1], l, d.j);
    }
}

DEEPDRR_FN Row folded(Row row, int cell, int n) {
    if (!is_outer_cell(cell, n)) return row;
    float w[4];
    store_row(w, row);
    fold_few_weights(cell, n, w[0], w[1], w[2], w[3]);
    return load_row(w);
}

// The four weights along k, the polynomials of `bspline_weights`, and their derivatives.
DEEPDRR_FN Row weight_row(const Nodes<1>& nodes, const Grid& grid, int l) {
    const float sixth = 1.0f / 6.0f, half = 0.5f;
    const Row at = row_of(nodes.at[0][2][l]), cubic = row_of(-sixth, half, -half, sixth);
    const Row square = row_of(half, -1.0f, half, 0.0f), linear = row_of(-half, 0.0f, half, 0.0f);
    const Row constant = row_of(sixth, 4.0f * sixth, sixth, 0.0f);
    const Row row = multiply_add(multiply_add(multiply_add(cubic, at, square), at, linear), at, constant);
    return folded(row, nodes.low[2][l], grid.n[2]);
}

DEEPDRR_FN Row slope_row(const Nodes<1>& nodes, const Grid& grid, int l) {
    const Row at = row_of(nodes.at[0][2][l]), square = row_of(-0.5f, 1.5f, -1.5f, 0.5f);
    const Row linear = row_of(1.0f, -2.0f, 1.0f, 0.0f), constant = row_of(-0.5f, 0.0f, 0.5f, 0.0f);
    return folded(multiply_add(multiply_add(square, at, linear), at, constant), nodes.low[2][l], grid.n[2]);
}

}  // namespace deepdrr

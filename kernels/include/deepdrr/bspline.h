// The uniform cubic B-spline: its four weights at a position t = 0..1 between knots, and their derivatives.
//
//     f(i + t) = sum over a = 0..3 of w_a(t) c[i - 1 + a]
//
// Coefficients outside the grid mirror those inside about the first and the last voxel's center, c[-i] = c[i], without
// repeating it: the derivative is 0 there.
#pragma once

#include "deepdrr/scalar.h"

namespace deepdrr {

DEEPDRR_FN void bspline_weights(float t, float& w0, float& w1, float& w2, float& w3) {
    const float s = 1.0f - t, sixth = 1.0f / 6.0f;
    w0 = sixth * s * s * s;
    w3 = sixth * t * t * t;
    w1 = 2.0f / 3.0f - 0.5f * t * t * (2.0f - t);
    w2 = 2.0f / 3.0f - 0.5f * s * s * (2.0f - s);
}

DEEPDRR_FN void bspline_slopes(float t, float& d0, float& d1, float& d2, float& d3) {
    const float s = 1.0f - t;
    d0 = -0.5f * s * s;
    d3 = 0.5f * t * t;
    d1 = t * (1.5f * t - 2.0f);
    d2 = -s * (1.5f * s - 2.0f);
}

// The voxel that stands for index i = -1 .. n; an axis of one voxel has only that.
DEEPDRR_FN int mirrored(int i, int n) {
    if (n == 1) return 0;
    return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

// At the border the mirrored coefficients are some of the others: their weights are folded onto those, and the four
// taps of a cell i = 0 .. n-2 are the voxels first_tap .. first_tap + 3, all inside the grid. An axis of fewer voxels
// has fewer taps, the weights of the others are 0.
DEEPDRR_FN int first_tap(int cell, int n) { return clamp(cell - 1, 0, greater(n - 4, 0)); }

DEEPDRR_FN bool is_outer_cell(int cell, int n) { return (cell < 1) | (cell + 2 >= n); }

// For n of 4 or more, with selections in place of indices.
DEEPDRR_FN void fold_weights(int cell, int n, float& w0, float& w1, float& w2, float& w3) {
    const bool first = cell == 0, last = cell == n - 2;
    const float a = first ? w1 : last ? 0.0f : w0, b = first ? w0 + w2 : last ? w0 : w1;
    const float c = first ? w3 : last ? w1 + w3 : w2, d = first ? 0.0f : last ? w2 : w3;
    w0 = a, w1 = b, w2 = c, w3 = d;
}

// For any n.
DEEPDRR_FN void fold_few_weights(int cell, int n, float& w0, float& w1, float& w2, float& w3) {
    const float w[4] = {w0, w1, w2, w3};
    float folded[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int t = 0; t < 4; ++t) folded[mirrored(cell - 1 + t, n) - first_tap(cell, n)] += w[t];
    w0 = folded[0], w1 = folded[1], w2 = folded[2], w3 = folded[3];
}

}  // namespace deepdrr

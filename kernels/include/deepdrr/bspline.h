// The uniform cubic B-spline: its four weights at a position t = 0..1 between knots, and their derivatives.
//
//     f(i + t) = sum over a = 0..3 of w_a(t) c[i - 1 + a]
//
// Coefficients outside the grid mirror those inside about the first and the last voxel's centre, c[-i] = c[i], without
// repeating it: the derivative is 0 there.
#pragma once

#include "deepdrr/target.h"

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

}  // namespace deepdrr

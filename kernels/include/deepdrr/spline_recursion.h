// The recursions for the coefficients of a cubic B-spline along one axis of n > 1 values f, with the pole
// z = sqrt(3) - 2 (Unser 1999, IEEE Signal Processing Magazine 16(6):22, box 2), the values mirrored about both ends:
//
//   s[k] = gain f[k] + z s[k-1],   begun with s[0] = the sum of first_weight(n, k) gain f[k]
//   c[k] = z (c[k+1] - s[k]),      begun with c[n-1] = z / (z^2 - 1) (s[n-1] + z s[n-2])
//
// The transpose: B is symmetric but for its first and its last row. With W = diag(1/2, 1 .. 1, 1/2), W B is, so that
// the transposed inverse is W B^-1 W^-1: other gains, and shares of c, at the ends.
#pragma once

#include <cstdint>

#include "deepdrr/target.h"

namespace deepdrr {

constexpr double POLE = -0.26794919243112270647, LAST = POLE / (POLE * POLE - 1.0);
constexpr int HORIZON = 32;  // POLE^32 < 1e-18: values further away are below the rounding of double

struct SplineAxis {
    std::int64_t n;
    bool transposed;

    DEEPDRR_FN bool outer(std::int64_t k) const { return k == 0 || k == n - 1; }
    DEEPDRR_FN double gain(std::int64_t k) const { return transposed && outer(k) ? 12.0 : 6.0; }
    DEEPDRR_FN double share(std::int64_t k) const { return transposed && outer(k) ? 0.5 : 1.0; }
};

DEEPDRR_FN double power_of_pole(std::int64_t exponent) {
    double power = 1.0;
    for (std::int64_t k = 0; k < exponent; ++k) power *= POLE;
    return power;
}

// How much value k < HORIZON weighs in the causal sum at the first value, over all mirrored values.
DEEPDRR_FN double first_weight(std::int64_t n, std::int64_t k) {
    const std::int64_t period = 2 * n - 2;
    const bool twice = k > 0 && k < n - 1 && period - k < HORIZON;
    const double around = period < 2 * HORIZON ? power_of_pole(period) : 0.0;
    return (power_of_pole(k) + (twice ? power_of_pole(period - k) : 0.0)) / (1.0 - around);
}

}  // namespace deepdrr

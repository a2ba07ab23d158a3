// Logarithm, exponential and cosine in double, with the same bits on every processor: sums, products, quotients and
// square roots are rounded alike everywhere, if no product is fused into a sum (target.h). Series of Taylor, cut where
// their next term is below 1e-17; accurate to some 1e-15, which is more than random numbers need.
#pragma once

#include <cstdint>
#include <cstring>

#include "deepdrr/target.h"

namespace deepdrr {

// (atanh(x) / x - 1) / x^2 = 1/3 + x^2/5 + x^4/7 ..., of x^2 < 0.0295, that is |x| <= 3 - 2 sqrt(2).
DEEPDRR_FN double atanh_tail(double square) {
    double sum = 0.0;
    for (int n = 23; n >= 3; n -= 2) sum = product(sum, square) + 1.0 / n;
    return sum;
}

// 2 atanh(x) = log((1 + x) / (1 - x)), for the same x.
DEEPDRR_FN double log_of_ratio(double x) {
    const double square = product(x, x);
    return 2.0 * x + product(product(2.0 * x, square), atanh_tail(square));
}

// Natural logarithm of x > 0, not subnormal: x = 2^e m, 1/sqrt(2) < m <= sqrt(2).
DEEPDRR_FN double log_of(double x) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    double m;
    std::memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) m *= 0.5, ++e;
    return product((double)e, 0.6931471805599453) + log_of_ratio((m - 1.0) / (m + 1.0));
}

// exp(-x) for 0 <= x <= 10, as the 64th power of exp(-x / 64).
DEEPDRR_FN double exp_of_minus(double x) {
    const double y = x * (-1.0 / 64.0);
    double sum = 1.0;
    for (int n = 10; n >= 1; --n) sum = 1.0 + product(product(sum, y), 1.0 / n);
    for (int i = 0; i < 6; ++i) sum = product(sum, sum);
    return sum;
}

// cos(2 pi u) for 0 <= u <= 1, as 2 sin^2(pi (u - 1/2)) - 1.
DEEPDRR_FN double cos_of_turns(double u) {
    const double angle = product(3.141592653589793, u - 0.5), square = product(angle, angle);
    double sum = 1.0;
    for (int n = 22; n >= 2; n -= 2) sum = 1.0 - product(product(sum, square), 1.0 / (n * (n + 1)));
    const double sine = product(sum, angle);
    return product(2.0 * sine, sine) - 1.0;
}

}  // namespace deepdrr

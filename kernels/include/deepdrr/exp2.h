// 2^t in float32, the exponential of all attenuation: exp(-x) is 2^(-x log2 e), with log2 e folded into a table once.
//
//   t = n + f,  n the nearest whole number,  |f| <= 1/2:      2^t = 2^n (1 + f q(f))
//
// q is the polynomial of degree 5 with the least relative error (Remez exchange; 2e-9, coefficients rounded to
// float32); 2^n is made in the bits of the exponent. Within 1 ulp, exact at whole numbers. Below t = -126.5 it is zero,
// above 127.5 infinite, of NaN it is NaN. Branch-free, so that a loop over it becomes vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "deepdrr/scalar.h"
#include "deepdrr/target.h"

namespace deepdrr {

DEEPDRR_FN float exp2_of(float t) {
    const float shift = 12582912.0f;  // 1.5 * 2^23: a sum with it holds the nearest whole number in its lowest bits
    t = lesser(128.0f, greater(-127.0f, t));  // in this order of arguments NaN stays NaN
    const float shifted = t + shift;
    const float f = t - (shifted - shift);
    float q = 0x1.41fbbcp-13f;
    q = q * f + 0x1.5f3e52p-10f;
    q = q * f + 0x1.3b2d4cp-7f;
    q = q * f + 0x1.c6aee8p-5f;
    q = q * f + 0x1.ebfbdcp-3f;
    q = q * f + 0x1.62e430p-1f;
    std::uint32_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return power * (1.0f + f * q);
}

}  // namespace deepdrr

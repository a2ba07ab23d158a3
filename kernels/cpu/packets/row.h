// Four floats side by side: a row of B-spline coefficients, one 128-bit register on x86.
#pragma once

#include "deepdrr/target.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace deepdrr {

#if defined(__x86_64__) || defined(_M_X64)

struct Row {
    __m128 v;
};

DEEPDRR_FN Row row_of(float a, float b, float c, float d) { return {_mm_setr_ps(a, b, c, d)}; }
DEEPDRR_FN Row row_of(float all) { return {_mm_set1_ps(all)}; }
DEEPDRR_FN Row load_row(const float* from) { return {_mm_loadu_ps(from)}; }
DEEPDRR_FN void store_row(float* to, Row row) { _mm_storeu_ps(to, row.v); }
DEEPDRR_FN Row operator*(Row a, Row b) { return {_mm_mul_ps(a.v, b.v)}; }

// a b + c
DEEPDRR_FN Row multiply_add(Row a, Row b, Row c) {
#if defined(__FMA__)
    return {_mm_fmadd_ps(a.v, b.v, c.v)};
#else
    return {_mm_add_ps(_mm_mul_ps(a.v, b.v), c.v)};
#endif
}

#else

struct Row {
    float v[4];
};

DEEPDRR_FN Row row_of(float a, float b, float c, float d) { return {{a, b, c, d}}; }
DEEPDRR_FN Row row_of(float all) { return {{all, all, all, all}}; }
DEEPDRR_FN Row load_row(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
DEEPDRR_FN void store_row(float* to, Row row) {
    for (int k = 0; k < 4; ++k) to[k] = row.v[k];
}
DEEPDRR_FN Row operator*(Row a, Row b) {
    for (int k = 0; k < 4; ++k) a.v[k] *= b.v[k];
    return a;
}
DEEPDRR_FN Row multiply_add(Row a, Row b, Row c) {
    for (int k = 0; k < 4; ++k) c.v[k] += a.v[k] * b.v[k];
    return c;
}

#endif

DEEPDRR_FN Row operator*(float a, Row b) { return row_of(a) * b; }
DEEPDRR_FN Row multiply_add(float a, Row b, Row c) { return multiply_add(row_of(a), b, c); }

}  // namespace deepdrr

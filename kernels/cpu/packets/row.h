// Four floats side by side: a row of B-spline coefficients, one 128-bit register on x86.
#pragma once

#include <cstdint>

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
// a[0], a[1], b[0], b[1]
DEEPDRR_FN Row load_pairs(const float* a, const float* b) {
    return {_mm_loadh_pi(_mm_castpd_ps(_mm_load_sd((const double*)a)), (const __m64*)b)};
}
DEEPDRR_FN Row operator*(Row a, Row b) { return {_mm_mul_ps(a.v, b.v)}; }
DEEPDRR_FN Row operator+(Row a, Row b) { return {_mm_add_ps(a.v, b.v)}; }

// Corners v00, v01, v10, v11 of a square as coefficients of 1, y, x, x y.
DEEPDRR_FN Row bilinear(Row v) {
    const __m128 zero = _mm_setzero_ps();
    const __m128 lower = _mm_shuffle_ps(v.v, v.v, _MM_SHUFFLE(2, 2, 0, 0));
    const __m128 odd = _mm_castsi128_ps(_mm_setr_epi32(0, -1, 0, -1));
    const __m128 along = _mm_sub_ps(v.v, _mm_and_ps(lower, odd));
    return {_mm_sub_ps(along, _mm_movelh_ps(zero, along))};
}

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
DEEPDRR_FN Row load_pairs(const float* a, const float* b) { return {{a[0], a[1], b[0], b[1]}}; }
DEEPDRR_FN void store_row(float* to, Row row) {
    for (int k = 0; k < 4; ++k) to[k] = row.v[k];
}
DEEPDRR_FN Row operator*(Row a, Row b) {
    for (int k = 0; k < 4; ++k) a.v[k] *= b.v[k];
    return a;
}
DEEPDRR_FN Row operator+(Row a, Row b) {
    for (int k = 0; k < 4; ++k) a.v[k] += b.v[k];
    return a;
}
DEEPDRR_FN Row bilinear(Row v) {
    return {{v.v[0], v.v[1] - v.v[0], v.v[2] - v.v[0], v.v[3] - v.v[2] - (v.v[1] - v.v[0])}};
}
DEEPDRR_FN Row multiply_add(Row a, Row b, Row c) {
    for (int k = 0; k < 4; ++k) c.v[k] += a.v[k] * b.v[k];
    return c;
}

#endif

DEEPDRR_FN Row load_pairs(const std::int16_t* a, const std::int16_t* b) {
    return row_of((float)a[0], (float)a[1], (float)b[0], (float)b[1]);
}
DEEPDRR_FN Row operator*(float a, Row b) { return row_of(a) * b; }
DEEPDRR_FN Row multiply_add(float a, Row b, Row c) { return multiply_add(row_of(a), b, c); }

}  // namespace deepdrr

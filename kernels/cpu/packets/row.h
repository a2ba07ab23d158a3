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
DEEPDRR_FN Row operator*(Row a, Row b) { return {_mm_mul_ps(a.v, b.v)}; }
DEEPDRR_FN Row operator+(Row a, Row b) { return {_mm_add_ps(a.v, b.v)}; }

// Replaces four rows by their columns.
DEEPDRR_FN void transpose(Row* rows) { _MM_TRANSPOSE4_PS(rows[0].v, rows[1].v, rows[2].v, rows[3].v); }

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
DEEPDRR_FN Row operator+(Row a, Row b) {
    for (int k = 0; k < 4; ++k) a.v[k] += b.v[k];
    return a;
}
DEEPDRR_FN void transpose(Row* rows) {
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < i; ++j) {
            const float below = rows[i].v[j];
            rows[i].v[j] = rows[j].v[i], rows[j].v[i] = below;
        }
}
DEEPDRR_FN Row multiply_add(Row a, Row b, Row c) {
    for (int k = 0; k < 4; ++k) c.v[k] += a.v[k] * b.v[k];
    return c;
}

#endif

// Two rows side by side, one 256-bit register where there is one.
#if defined(__AVX__)

struct RowPair {
    __m256 v;
};

DEEPDRR_FN RowPair pair_of(float a, float b) {
    return {_mm256_blend_ps(_mm256_set1_ps(a), _mm256_set1_ps(b), 0xf0)};
}
DEEPDRR_FN RowPair load_row_pair(const float* from) { return {_mm256_loadu_ps(from)}; }
DEEPDRR_FN RowPair operator*(RowPair a, RowPair b) { return {_mm256_mul_ps(a.v, b.v)}; }
DEEPDRR_FN RowPair operator+(RowPair a, RowPair b) { return {_mm256_add_ps(a.v, b.v)}; }
DEEPDRR_FN RowPair multiply_add(RowPair a, RowPair b, RowPair c) {
#if defined(__FMA__)
    return {_mm256_fmadd_ps(a.v, b.v, c.v)};
#else
    return {_mm256_add_ps(_mm256_mul_ps(a.v, b.v), c.v)};
#endif
}
DEEPDRR_FN Row first_of(RowPair pair) { return {_mm256_castps256_ps128(pair.v)}; }
DEEPDRR_FN Row second_of(RowPair pair) { return {_mm256_extractf128_ps(pair.v, 1)}; }
DEEPDRR_FN Row sum_of(RowPair pair) {
    return {_mm_add_ps(_mm256_castps256_ps128(pair.v), _mm256_extractf128_ps(pair.v, 1))};
}

#else

struct RowPair {
    Row a, b;
};

DEEPDRR_FN RowPair pair_of(float a, float b) { return {row_of(a), row_of(b)}; }
DEEPDRR_FN RowPair load_row_pair(const float* from) { return {load_row(from), load_row(from + 4)}; }
DEEPDRR_FN RowPair operator*(RowPair a, RowPair b) { return {a.a * b.a, a.b * b.b}; }
DEEPDRR_FN RowPair operator+(RowPair a, RowPair b) { return {a.a + b.a, a.b + b.b}; }
DEEPDRR_FN Row first_of(RowPair pair) { return pair.a; }
DEEPDRR_FN Row second_of(RowPair pair) { return pair.b; }
DEEPDRR_FN RowPair multiply_add(RowPair a, RowPair b, RowPair c) {
    return {multiply_add(a.a, b.a, c.a), multiply_add(a.b, b.b, c.b)};
}
DEEPDRR_FN Row sum_of(RowPair pair) { return pair.a + pair.b; }

#endif

DEEPDRR_FN Row load_row(const std::int16_t* from) {
    return row_of((float)from[0], (float)from[1], (float)from[2], (float)from[3]);
}
DEEPDRR_FN Row operator*(float a, Row b) { return row_of(a) * b; }
DEEPDRR_FN Row multiply_add(float a, Row b, Row c) { return multiply_add(row_of(a), b, c); }
DEEPDRR_FN RowPair operator*(float a, RowPair b) { return pair_of(a, a) * b; }
DEEPDRR_FN RowPair multiply_add(float a, RowPair b, RowPair c) { return multiply_add(pair_of(a, a), b, c); }

}  // namespace deepdrr

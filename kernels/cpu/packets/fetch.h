// Pairs of neighbouring voxels for the lanes of a packet: low[l] = base[index[l]], high[l] = base[index[l] + 1].
//
// One load fetches both. AVX-512 gathers sixteen pairs of int16 with one instruction and of float with two. Any other
// x86 loads them one by one, straight into the halves of registers: gathers are no faster on processors of the AVX2
// generation. `look_up` does the same where `base` is a row of ROWS * LANES floats that were just computed; AVX2 and
// AVX-512 keep such a row in registers.
#pragma once

#include <cstdint>
#include <cstring>

#include "packets/image.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace deepdrr {

struct alignas(64) Pairs {
    float low[LANES], high[LANES];
};

#if defined(__AVX512F__)

static_assert(LANES == 16, "one 512-bit register holds one number per lane");

DEEPDRR_FN void fetch_pairs(const float* base, const int* index, Pairs& pairs) {
    const __m512i at = _mm512_load_si512(index);
    const __m512i first = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), base, 4);
    const __m512i second = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), base, 4);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    _mm512_store_si512(pairs.low, _mm512_permutex2var_epi32(first, even, second));
    _mm512_store_si512(pairs.high, _mm512_permutex2var_epi32(first, odd, second));
}

DEEPDRR_FN void fetch_pairs(const std::int16_t* base, const int* index, Pairs& pairs) {
    const __m512i word = _mm512_i32gather_epi32(_mm512_load_si512(index), base, 2);
    _mm512_store_ps(pairs.low, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(word, 16), 16)));
    _mm512_store_ps(pairs.high, _mm512_cvtepi32_ps(_mm512_srai_epi32(word, 16)));
}

DEEPDRR_FN __m512 load(const float* from) { return _mm512_loadu_ps(from); }

DEEPDRR_FN __m512 load(const std::int16_t* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i*)from)));
}

template <class T>
DEEPDRR_FN void mix(const T* a, const T* b, const T* c, const T* d, const float* weight, float* sum) {
    __m512 s = _mm512_mul_ps(load(a), _mm512_set1_ps(weight[0]));
    s = _mm512_fmadd_ps(load(b), _mm512_set1_ps(weight[1]), s);
    s = _mm512_fmadd_ps(load(c), _mm512_set1_ps(weight[2]), s);
    _mm512_store_ps(sum, _mm512_fmadd_ps(load(d), _mm512_set1_ps(weight[3]), s));
}

// The numbers of up to four registers, by index.
template <int ROWS>
DEEPDRR_FN __m512 pick(const float* row, __m512i index) {
    if (ROWS == 1) return _mm512_permutexvar_ps(index, _mm512_load_ps(row));
    const __m512 near = _mm512_permutex2var_ps(_mm512_load_ps(row), index, _mm512_load_ps(row + 16));
    if (ROWS == 2) return near;
    const __m512 far = ROWS == 3 ? _mm512_permutexvar_ps(index, _mm512_load_ps(row + 32))
                                 : _mm512_permutex2var_ps(_mm512_load_ps(row + 32), index,
                                                          _mm512_load_ps(row + 48 * (ROWS > 3)));
    return _mm512_mask_mov_ps(near, _mm512_test_epi32_mask(index, _mm512_set1_epi32(32)), far);
}

template <int ROWS>
DEEPDRR_FN void look_up(const float* row, const int* index, Pairs& pairs) {
    const __m512i low = _mm512_load_si512(index), high = _mm512_add_epi32(low, _mm512_set1_epi32(1));
    _mm512_store_ps(pairs.low, pick<ROWS>(row, low));
    _mm512_store_ps(pairs.high, pick<ROWS>(row, high));
}

#elif defined(__x86_64__) || defined(_M_X64)

DEEPDRR_FN void fetch_pairs(const float* base, const int* index, Pairs& pairs) {
    const auto two = [&](int l) {  // the pairs of lanes l and l + 1
        const __m128 one = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)(base + index[l])));
        return _mm_loadh_pi(one, (const __m64*)(base + index[l + 1]));
    };
    for (int l = 0; l < LANES; l += 4) {
        const __m128 first = two(l), second = two(l + 2);
        _mm_store_ps(pairs.low + l, _mm_shuffle_ps(first, second, _MM_SHUFFLE(2, 0, 2, 0)));
        _mm_store_ps(pairs.high + l, _mm_shuffle_ps(first, second, _MM_SHUFFLE(3, 1, 3, 1)));
    }
}

DEEPDRR_FN void fetch_pairs(const std::int16_t* base, const int* index, Pairs& pairs) {
    const auto word = [&](int l) {
        std::int32_t pair;
        std::memcpy(&pair, base + index[l], sizeof pair);
        return pair;
    };
    for (int l = 0; l < LANES; l += 4) {
        const __m128i words = _mm_setr_epi32(word(l), word(l + 1), word(l + 2), word(l + 3));
        _mm_store_ps(pairs.low + l, _mm_cvtepi32_ps(_mm_srai_epi32(_mm_slli_epi32(words, 16), 16)));
        _mm_store_ps(pairs.high + l, _mm_cvtepi32_ps(_mm_srai_epi32(words, 16)));
    }
}

#else

template <class T>
DEEPDRR_FN void fetch_pairs(const T* base, const int* index, Pairs& pairs) {
    for (int l = 0; l < LANES; ++l) {
        T pair[2];
        std::memcpy(pair, base + index[l], sizeof pair);
        pairs.low[l] = (float)pair[0], pairs.high[l] = (float)pair[1];
    }
}

#endif

#if defined(__AVX2__) && !defined(__AVX512F__)

// The numbers of ROWS * 16, by eight indices: eight at a time, of which the index's higher bits choose.
template <int ROWS>
DEEPDRR_FN __m256 pick(const float* row, __m256i index) {
    __m256 found = _mm256_permutevar8x32_ps(_mm256_load_ps(row), index);
    for (int eight = 1; eight < 2 * ROWS; ++eight) {
        const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(8 * eight), index);
        const __m256 here = _mm256_permutevar8x32_ps(_mm256_load_ps(row + 8 * eight), index);
        found = _mm256_blendv_ps(here, found, _mm256_castsi256_ps(below));
    }
    return found;
}

template <int ROWS>
DEEPDRR_FN void look_up(const float* row, const int* index, Pairs& pairs) {
    for (int l = 0; l < LANES; l += 8) {
        const __m256i low = _mm256_load_si256((const __m256i*)(index + l));
        _mm256_store_ps(pairs.low + l, pick<ROWS>(row, low));
        _mm256_store_ps(pairs.high + l, pick<ROWS>(row, _mm256_add_epi32(low, _mm256_set1_epi32(1))));
    }
}

#elif !defined(__AVX512F__)

template <int ROWS>
DEEPDRR_FN void look_up(const float* row, const int* index, Pairs& pairs) {
    fetch_pairs(row, index, pairs);
}

#endif

#if !defined(__AVX512F__)

template <class T>
DEEPDRR_FN void mix(const T* a, const T* b, const T* c, const T* d, const float* weight, float* sum) {
    DEEPDRR_LANES
    for (int l = 0; l < LANES; ++l)
        sum[l] = weight[0] * (float)a[l] + weight[1] * (float)b[l] + weight[2] * (float)c[l] + weight[3] * (float)d[l];
}

#endif

}  // namespace deepdrr

// Vector types: one number per lane, for as many lanes as a vector register holds, with the arithmetic of a number.
//
// GCC and Clang have such types; for any other compiler a group is one lane and the types are float and int. The LANES
// of a packet are a whole number of groups. Comparisons give masks for `where`.
#pragma once

#include <cstring>

#include "packets/image.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

namespace deepdrr {

#if defined(__AVX512F__)
constexpr int GROUP = 16;
#elif defined(__AVX2__)
constexpr int GROUP = 8;
#elif defined(__GNUC__)
constexpr int GROUP = 4;
#else
constexpr int GROUP = 1;
#endif

static_assert(LANES % GROUP == 0, "a packet is a whole number of groups");

#if defined(__GNUC__)

using Floats = float __attribute__((vector_size(4 * GROUP)));
using Ints = int __attribute__((vector_size(4 * GROUP)));

DEEPDRR_FN Floats to_float(Ints v) { return __builtin_convertvector(v, Floats); }
DEEPDRR_FN Ints to_int(Floats v) { return __builtin_convertvector(v, Ints); }  // toward 0

DEEPDRR_FN int lane(Ints v, int l) { return v[l]; }
DEEPDRR_FN float lane(Floats v, int l) { return v[l]; }

#else

using Floats = float;
using Ints = int;

DEEPDRR_FN Floats to_float(Ints v) { return (float)v; }
DEEPDRR_FN Ints to_int(Floats v) { return (int)v; }

DEEPDRR_FN int lane(Ints v, int) { return v; }
DEEPDRR_FN float lane(Floats v, int) { return v; }

#endif

// A bit per lane: whether its number is not 0.
DEEPDRR_FN unsigned bits_of(Ints mask) {
#if defined(__AVX512F__) && defined(__GNUC__)
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#elif defined(__AVX2__) && defined(__GNUC__)
    return (unsigned)_mm256_movemask_ps((__m256)(mask != 0));
#else
    unsigned bits = 0;
    for (int l = 0; l < GROUP; ++l) bits |= (unsigned)(lane(mask, l) != 0) << l;
    return bits;
#endif
}

DEEPDRR_FN bool any(Ints mask) { return bits_of(mask) != 0; }

DEEPDRR_FN bool any_less(Floats a, Floats b) {
#if defined(__AVX512F__) && defined(__GNUC__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ) != 0;
#else
    return any(a < b);
#endif
}

template <class Mask, class T>
DEEPDRR_FN T where(Mask mask, T a, T b) { return mask ? a : b; }

template <class T, class Number>
DEEPDRR_FN T load(const Number* from) {
    T group;
    std::memcpy(&group, from, sizeof group);
    return group;
}

template <class T, class Number>
DEEPDRR_FN void store(T group, Number* to) { std::memcpy(to, &group, sizeof group); }

DEEPDRR_FN Ints lane_numbers() {
    int numbers[GROUP];
    for (int l = 0; l < GROUP; ++l) numbers[l] = l;
    return load<Ints>(numbers);
}

// from[index], lane by lane.
DEEPDRR_FN Floats gather(const float* from, Ints index) {
#if defined(__AVX512F__) && defined(__GNUC__)
    return (Floats)_mm512_i32gather_ps((__m512i)index, from, 4);
#else
    float found[GROUP];
    for (int l = 0; l < GROUP; ++l) found[l] = from[lane(index, l)];
    return load<Floats>(found);
#endif
}

DEEPDRR_FN Ints gather(const std::uint32_t* from, Ints index) {
#if defined(__AVX512F__) && defined(__GNUC__)
    return (Ints)_mm512_i32gather_epi32((__m512i)index, from, 4);
#else
    std::uint32_t found[GROUP];
    for (int l = 0; l < GROUP; ++l) found[l] = from[lane(index, l)];
    return load<Ints>(found);
#endif
}

// The lanes of a group from `first` on that lie on the diagonal of a tile: the first of them, the others DIAGONAL
// apart.
constexpr int DIAGONAL = TILE + 1;
DEEPDRR_FN int on_diagonal(int first) { return (TILE * DIAGONAL - first) % DIAGONAL; }

template <class T>
DEEPDRR_FN void add_to(float* sum, T group) { store(load<T>(sum) + group, sum); }

}  // namespace deepdrr

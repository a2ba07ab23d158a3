// A number per lane, for as many lanes at a time as one vector register holds, with the arithmetic of a number.
//
// GCC and Clang know such types; for any other compiler a group is one lane and the types are float and int. A packet's
// LANES are a whole number of groups. Comparisons give masks for `where`.
#pragma once

#include <cstring>

#include "image.h"

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

DEEPDRR_FN int lane(Ints v, int l) { return v[l]; }

#else

using Floats = float;
using Ints = int;

DEEPDRR_FN Floats to_float(Ints v) { return (float)v; }

DEEPDRR_FN int lane(Ints v, int) { return v; }

#endif

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

template <class T>
DEEPDRR_FN void add_to(float* sum, T group) { store(load<T>(sum) + group, sum); }

}  // namespace deepdrr

// Minimum, maximum and clamp by value: std::min takes references, which keeps GCC from vectorising.
#pragma once

#include "deepdrr/target.h"

namespace deepdrr {

template <class T>
DEEPDRR_FN T lesser(T a, T b) { return a < b ? a : b; }

template <class T>
DEEPDRR_FN T greater(T a, T b) { return a > b ? a : b; }

template <class T>
DEEPDRR_FN T clamp(T x, T low, T high) { return lesser(greater(x, low), high); }

template <class T>
DEEPDRR_FN T magnitude(T x) { return x < 0 ? -x : x; }

}  // namespace deepdrr

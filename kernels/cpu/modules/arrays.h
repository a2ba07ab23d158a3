// What both parts of the Python module take: dense arrays of numpy, and a condition that guards memory.
#pragma once

#include <pybind11/numpy.h>

#include <stdexcept>

namespace deepdrr {

template <class T>
using Packed = pybind11::array_t<T, pybind11::array::c_style>;

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

}  // namespace deepdrr

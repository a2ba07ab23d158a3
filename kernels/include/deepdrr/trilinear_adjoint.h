// Value and derivative of the trilinear interpolant in one cell, from the values at its eight corners.
//
// T is a number, or a number in each of many lanes.
#pragma once

#include "deepdrr/target.h"

namespace deepdrr {

// Corner (a, b, c) of the cell is vabc.
template <class T>
struct Cell {
    T v000, v001, v010, v011, v100, v101, v110, v111;
};

template <class T>
struct Slope {
    T value, x, y, z;  // f; df/dx, df/dy, df/dz per voxel
};

// At position x, y, z in 0..1.
template <class T>
DEEPDRR_FN Slope<T> trilinear_slope(const Cell<T>& v, T x, T y, T z) {
    const T z00 = v.v001 - v.v000, z01 = v.v011 - v.v010, z10 = v.v101 - v.v100, z11 = v.v111 - v.v110;
    const T a00 = v.v000 + z * z00, a01 = v.v010 + z * z01, a10 = v.v100 + z * z10, a11 = v.v110 + z * z11;
    const T y0 = a01 - a00, y1 = a11 - a10;
    const T b0 = a00 + y * y0, b1 = a10 + y * y1;
    const T d0 = z00 + y * (z01 - z00), d1 = z10 + y * (z11 - z10);
    return {b0 + x * (b1 - b0), b1 - b0, y0 + x * (y1 - y0), d0 + x * (d1 - d0)};
}

}  // namespace deepdrr

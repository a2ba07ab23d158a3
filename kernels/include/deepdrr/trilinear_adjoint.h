// Value and derivative of the trilinear interpolant in one cell, from the values at its eight corners.
#pragma once

#include "deepdrr/target.h"

namespace deepdrr {

struct Slope {
    float value;   // f
    float x, y, z;  // df/dx, df/dy, df/dz, per voxel
};

DEEPDRR_FN float mix(float a, float b, float t) { return a + t * (b - a); }

// corner (a, b, c) of the cell at v[4 a + 2 b + c]; position x, y, z in 0..1.
DEEPDRR_FN Slope trilinear_slope(const float* v, float x, float y, float z) {
    const float a00 = mix(v[0], v[1], z), a01 = mix(v[2], v[3], z), a10 = mix(v[4], v[5], z), a11 = mix(v[6], v[7], z);
    const float b0 = mix(a00, a01, y), b1 = mix(a10, a11, y);
    const float d0 = mix(v[1] - v[0], v[3] - v[2], y), d1 = mix(v[5] - v[4], v[7] - v[6], y);
    return {mix(b0, b1, x), b1 - b0, mix(a01 - a00, a11 - a10, x), mix(d0, d1, x)};
}

}  // namespace deepdrr

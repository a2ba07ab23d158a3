// Trilinear interpolation as eight weights on the corners of a cell.
//
// A cell is named by its lowest corner i0 = 0 .. n-2 and the position x in 0..1 between i0 and i0 + 1. Positions in the
// outer half voxel are clamped to the nearest face; an axis of one voxel has i0 = 0 and a step of 0 to the "next"
// corner. The weights do not depend on the channel: they are formed once and applied to all channels of the eight
// voxels.
#pragma once

#include "deepdrr/scalar.h"

namespace deepdrr {

struct Corner {
    int low;     // i0
    float part;  // x
};

DEEPDRR_FN int lowest_corner(int cell, int n) { return greater(lesser(cell, n - 2), 0); }

// A point at voxel coordinate p, inside [-1/2, n - 1/2].
DEEPDRR_FN Corner locate(float p, int n) {
    const float inner = clamp(p, 0.0f, (float)(n - 1));
    Corner corner;
    corner.low = lowest_corner((int)inner, n);
    corner.part = inner - (float)corner.low;
    return corner;
}

struct Weights {
    float at[8];  // corner (a, b, c) of (i, j, k) at 4 a + 2 b + c
};

DEEPDRR_FN Weights corner_weights(float x, float y, float z, float weight) {
    const float x1 = weight * x, x0 = weight - x1;
    const float x1y1 = x1 * y, x1y0 = x1 - x1y1, x0y1 = x0 * y, x0y0 = x0 - x0y1;
    Weights w;
    w.at[1] = x0y0 * z, w.at[0] = x0y0 - w.at[1];
    w.at[3] = x0y1 * z, w.at[2] = x0y1 - w.at[3];
    w.at[5] = x1y0 * z, w.at[4] = x1y0 - w.at[5];
    w.at[7] = x1y1 * z, w.at[6] = x1y1 - w.at[7];
    return w;
}

// Integral over one cell: two-point Gauss-Legendre, exact for the cubic that a trilinear field is along a line.
// `enter` is the position in the cell at s = 0, `slope` cells per mm, the piece runs from s0 to s1 (mm).
struct Point {
    float x, y, z;
};

DEEPDRR_FN Weights gauss_weights(Point enter, Point slope, float s0, float s1) {
    const float middle = 0.5f * (s0 + s1), half = 0.5f * (s1 - s0), offset = 0.577350269f * half;
    const float a = middle - offset, b = middle + offset;
    const Weights wa = corner_weights(clamp(enter.x + a * slope.x, 0.0f, 1.0f), clamp(enter.y + a * slope.y, 0.0f, 1.0f),
                                      clamp(enter.z + a * slope.z, 0.0f, 1.0f), half);
    const Weights wb = corner_weights(clamp(enter.x + b * slope.x, 0.0f, 1.0f), clamp(enter.y + b * slope.y, 0.0f, 1.0f),
                                      clamp(enter.z + b * slope.z, 0.0f, 1.0f), half);
    Weights w;
    for (int c = 0; c < 8; ++c) w.at[c] = wa.at[c] + wb.at[c];
    return w;
}

}  // namespace deepdrr

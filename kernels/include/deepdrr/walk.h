// A walk along a chord from cell to cell (Amanatides and Woo 1987), in float, without branches.
//
// Cells are the unit cubes between integer planes of a coordinate q: the voxels themselves for q = p + 1/2 (nearest),
// the cubes between eight voxel centres for q = p (linear). Each axis counts from the cell of entry, so numbers stay
// small: after `walked` cells the ray leaves its cell along this axis at
//
//     s = (walked + [slope >= 0] - entry) / slope      mm from the entry,
//
// computed afresh from integers at every plane, so that no error accumulates.
#pragma once

#include "deepdrr/scalar.h"

namespace deepdrr {

// What a walk counts along each axis: voxels, the cells between their centres, or the halves of those (half_cells.h).
enum class Cells { VOXELS, BETWEEN, HALVES };

struct Axis {
    float entry;    // position of the entry in its cell, 0..1
    float slope;    // cells per mm
    float inverse;  // mm per cell, signed; huge where the ray runs parallel to the planes
    int first;      // the cell of entry
};

DEEPDRR_FN float mm_per_cell(double slope) {
    const double huge = 1e30, steep = slope < 0 ? -slope : slope;
    return (float)(steep * huge > 1.0 ? 1.0 / slope : huge);
}

DEEPDRR_FN Axis make_axis(double q, double slope, float inverse, int lowest, int highest) {
    const int floor_q = (int)q - (q < (double)(int)q);
    Axis axis;
    axis.first = clamp(floor_q, lowest, highest);
    axis.entry = (float)(q - axis.first);
    axis.slope = (float)slope;
    axis.inverse = inverse;
    return axis;
}

DEEPDRR_FN Axis make_axis(double q, double slope, int lowest, int highest) {
    return make_axis(q, slope, mm_per_cell(slope), lowest, highest);
}

DEEPDRR_FN float leaves_at(float entry, float slope, float inverse, int walked) {
    return ((float)(walked + (slope >= 0.0f)) - entry) * inverse;
}

struct CellStep {
    float stop;      // mm from the entry to where the current cell ends
    int di, dj, dk;  // to the next cell, one of the three being +-1; all 0 where the chord ends
};

// The step from `at` to the nearest of the three planes, or to the chord's end.
DEEPDRR_FN CellStep next_cell(float at, float length, float si, float sj, float sk, float gi, float gj, float gk) {
    const float nearest = lesser(si, lesser(sj, sk));
    const int go = nearest < length;
    const int crosses_i = si == nearest;
    const int crosses_j = (sj == nearest) & (crosses_i ^ 1);
    const int crosses_k = (crosses_i | crosses_j) ^ 1;
    CellStep step;
    step.stop = greater(at, lesser(nearest, length));
    step.di = (go & crosses_i) * (gi >= 0.0f ? 1 : -1);
    step.dj = (go & crosses_j) * (gj >= 0.0f ? 1 : -1);
    step.dk = (go & crosses_k) * (gk >= 0.0f ? 1 : -1);
    return step;
}

}  // namespace deepdrr

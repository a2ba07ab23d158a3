// The part of a ray inside the volume, found in double.
//
// A ray runs from source to target (world mm); its integral is wanted for t in [start, stop]. In voxel coordinates it
// is p(t) = o + t d, and the volume is the box [-1/2, n - 1/2) of its voxels, whose centres are the integers. What
// follows marches in float from the point of entry: the millimetres from a distant source never meet float's 24 bits.
#pragma once

#include "deepdrr/scalar.h"

namespace deepdrr {

struct Grid {
    int n[3];        // voxels along i, j, k; k is the fastest in memory
    int plane, row;  // voxels in memory from (i, j, k) to (i + 1, j, k) and to (i, j + 1, k), padding included

    DEEPDRR_FN int voxel(int i, int j, int k) const { return i * plane + j * row + k; }
};

struct Affine {
    double m[3][4];  // ijk_from_world, without its last row
};

struct Chord {
    double entry[3];  // where the ray enters, voxel coordinates
    double slope[3];  // voxels per mm along the ray
    double length;    // mm inside; 0 for a ray that misses
};

// One axis of the box: shortens [start, stop] to where -1/2 <= o + t d <= n - 1/2.
DEEPDRR_FN void clip_axis(double o, double d, int n, double& start, double& stop) {
    const double low = -0.5, high = n - 0.5;
    if (d == 0.0) {
        if (!(o >= low && o < high)) stop = start;
        return;
    }
    const double a = (low - o) / d, b = (high - o) / d;
    start = greater(start, lesser(a, b));
    stop = lesser(stop, greater(a, b));
}

// source, target [3]; length_mm is the distance between them.
DEEPDRR_FN Chord clip(const Affine& ijk_from_world, const double* source, const double* target, double length_mm,
                      double start, double stop, const Grid& grid) {
    double o[3], d[3];
    start = clamp(start, 0.0, 1.0);
    stop = clamp(stop, 0.0, 1.0);
    for (int a = 0; a < 3; ++a) {
        const double* row = ijk_from_world.m[a];
        o[a] = row[0] * source[0] + row[1] * source[1] + row[2] * source[2] + row[3];
        d[a] = row[0] * (target[0] - source[0]) + row[1] * (target[1] - source[1]) + row[2] * (target[2] - source[2]);
        clip_axis(o[a], d[a], grid.n[a], start, stop);
    }
    Chord chord;
    const bool hit = start < stop && length_mm > 0.0;
    for (int a = 0; a < 3; ++a) {
        chord.entry[a] = hit ? o[a] + start * d[a] : 0.0;
        chord.slope[a] = hit ? d[a] / length_mm : 0.0;
    }
    chord.length = hit ? (stop - start) * length_mm : 0.0;
    return chord;
}

}  // namespace deepdrr

// The midpoint rule: n samples of a chord of length l, at (k + 1/2) l / n.
//
// step > 0: n = ceil(l / step). 1e-6 is taken off l / step first, so that a chord of a whole number of steps has that
// number whatever its rounding.
// step < 0: n = -step, a whole number, on every chord.
#pragma once

#include "deepdrr/chord.h"
#include "deepdrr/scalar.h"

namespace deepdrr {

DEEPDRR_FN int sample_count(double length, double step) {
    if (step < 0.0) return length > 0.0 ? (int)-step : 0;
    const double parts = length / step - 1e-6;
    const int whole = (int)parts;
    return greater(whole + (parts > (double)whole), length > 0.0 ? 1 : 0);
}

// The samples of a chord in float: sample k = 0 .. count - 1 is at entry + k pace, in voxel coordinates.
struct Midpoints {
    float entry[3], pace[3], weight;  // weight: mm
    int count;

    DEEPDRR_FN Midpoints(const Chord& chord, double step) : count(sample_count(chord.length, step)) {
        const double mm = count > 0 ? chord.length / count : 0.0;
        for (int a = 0; a < 3; ++a) {
            entry[a] = (float)(chord.entry[a] + 0.5 * mm * chord.slope[a]);
            pace[a] = (float)(mm * chord.slope[a]);
        }
        weight = (float)mm;
    }
};

}  // namespace deepdrr

// The midpoint rule: n samples of a chord of length l, at (k + 1/2) l / n.
//
// step > 0: n = ceil(l / step). 1e-6 is taken off l / step first, so that a chord of a whole number of steps has that
// number whatever its rounding.
// step < 0: n = -step, a whole number, on every chord.
#pragma once

#include "deepdrr/scalar.h"

namespace deepdrr {

DEEPDRR_FN int sample_count(double length, double step) {
    if (step < 0.0) return length > 0.0 ? (int)-step : 0;
    const double parts = length / step - 1e-6;
    const int whole = (int)parts;
    return greater(whole + (parts > (double)whole), length > 0.0 ? 1 : 0);
}

}  // namespace deepdrr

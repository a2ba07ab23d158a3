// The midpoint rule: a chord of length l gets n = ceil(l / step) samples at (k + 1/2) l / n.
//
// 1e-6 is taken off l / step first, so that a chord of a whole number of steps has that number whatever its rounding.
#pragma once

#include "deepdrr/scalar.h"

namespace deepdrr {

DEEPDRR_FN int sample_count(double length, double step) {
    const double parts = length / step - 1e-6;
    const int whole = (int)parts;
    return greater(whole + (parts > (double)whole), length > 0.0 ? 1 : 0);
}

}  // namespace deepdrr

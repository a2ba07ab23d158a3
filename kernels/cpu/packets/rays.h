// The rays of a batch of images.
#pragma once

#include <cmath>
#include <cstdint>

#include "deepdrr/target.h"

namespace deepdrr {

// A [B, H, W] or [B, H, W, 3] array of doubles with any strides (in elements); those of a broadcast axis are 0.
struct Strided {
    const double* data;
    std::int64_t view, row, column;

    const double* at(std::int64_t b, std::int64_t r, std::int64_t c) const {
        return data + b * view + r * row + c * column;
    }
};

struct PointWorld {
    double mm[3];
};

DEEPDRR_FN double distance_mm(const PointWorld& a, const PointWorld& b) {
    double square = 0;
    for (int x = 0; x < 3; ++x) square += (b.mm[x] - a.mm[x]) * (b.mm[x] - a.mm[x]);
    return std::sqrt(square);
}

// The ends of rays as sums of two arrays: the pixels of a camera are the sums of one vector per row and one per column,
// so that no array holds a point per pixel.
struct Ends {
    Strided first, second;

    DEEPDRR_FN PointWorld at(std::int64_t b, std::int64_t r, std::int64_t c) const {
        const double *p = first.at(b, r, c), *q = second.at(b, r, c);
        return {{p[0] + q[0], p[1] + q[1], p[2] + q[2]}};
    }
};

struct Rays {
    Ends source, target;
    Strided start, stop;
    std::int64_t views, height, width;
};

}  // namespace deepdrr

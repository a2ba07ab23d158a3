// The rays of a batch of images.
#pragma once

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
    double mm[3];  // world
};

// The ends of rays as sums of two arrays: the pixels of a camera are the sums of one vector per row and one per column, so
// that no array holds a point per pixel.
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

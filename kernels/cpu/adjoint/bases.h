// What an adjoint needs of an interpolation: the field's value and derivative at the nodes of a packet, and how an
// upstream gradient spreads over the coefficients about them.
//
//   Linear: eight voxels. Cubic: 64 coefficients of a B-spline.
//
// `weights` [C, LANES] is the upstream gradient of every lane's channels; the channels add up to one field.
#pragma once

#include "packets/image.h"

namespace deepdrr {

struct Slopes {
    alignas(64) float value[LANES], x[LANES], y[LANES], z[LANES];
};

// The gradient with respect to the values, to be added to: each channel is a grid of its own.
struct Gradient {
    float* DEEPDRR_RESTRICT data;  // [C, I, J, K], zero at first
    Grid grid;
    std::int64_t channel_stride;
    int channels;
};

}  // namespace deepdrr

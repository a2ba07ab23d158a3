// The values on a grid: each channel is a grid of its own, all of one shape and padding.
#pragma once

#include <cstdint>

#include "deepdrr/chord.h"

namespace deepdrr {

// How many channels march together: a cell's index and weights are formed once for all of them.
constexpr int CHANNELS = 4;

// T is float or std::int16_t; the field is scale[c] * value.
template <class T>
struct Values {
    const T* DEEPDRR_RESTRICT data;  // [C, I, J, K]
    Grid grid;
    std::int64_t channel_stride;
    int channels;
    const double* scale;  // [C]
    const std::uint32_t* blocks = nullptr;  // see blocks.h; null where no map is known

    const T* channel(int c) const { return data + c * channel_stride; }
};

}  // namespace deepdrr

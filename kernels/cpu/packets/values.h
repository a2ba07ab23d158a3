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

// Offsets of a cell's eight corners from its lowest; an axis of one voxel has no next corner.
inline void corner_offsets(const Grid& grid, std::int64_t* offset) {
    const std::int64_t di = grid.n[0] > 1 ? grid.plane : 0, dj = grid.n[1] > 1 ? grid.row : 0;
    const std::int64_t dk = grid.n[2] > 1 ? 1 : 0;
    for (int c = 0; c < 8; ++c) offset[c] = (c >> 2 & 1) * di + (c >> 1 & 1) * dj + (c & 1) * dk;
}

}  // namespace deepdrr

// What an adjoint has to know of linear interpolation, see bases.h.
#pragma once

#include <cstring>

#include "bases.h"
#include "deepdrr/trilinear_adjoint.h"
#include "line_integrals.h"
#include "nodes.h"

namespace deepdrr {

// The field of a lane: all channels, weighted by its upstream gradient, at the corners of a cell.
template <int WIDTH>
DEEPDRR_FN void weighted_corners(const Values& values, const float* weights, int voxel, const std::int64_t* offset,
                                 float* corners, int stride) {
    const float* cell = values.data + (std::int64_t)voxel * values.pitch;
    for (int corner = 0; corner < 8; ++corner) {
        float sum = 0.0f;
        for (int first = 0; first < values.pitch; first += WIDTH) {
            float channel[WIDTH];
            std::memcpy(channel, cell + offset[corner] + first, sizeof channel);
            for (int c = 0; c < WIDTH; ++c) sum += weights[first + c] * channel[c];
        }
        corners[corner * stride] = sum;
    }
}

// The same for one channel, two corners at a time, all lanes together. The grid has more than one voxel along k.
DEEPDRR_FN void weighted_pairs(const Values& values, const float* weights, const int* voxel, const std::int64_t* offset,
                               float (*corners)[LANES]) {
    for (int corner = 0; corner < 8; corner += 2) {
        Pairs pairs;
        fetch_pairs(values.data + offset[corner], voxel, pairs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            corners[corner][l] = weights[l] * pairs.low[l];
            corners[corner + 1][l] = weights[l] * pairs.high[l];
        }
    }
}

template <class Packet>
DEEPDRR_FN void total_weights(const Packet& nodes, float (*weight)[LANES]) {
    DEEPDRR_LANES
    for (int l = 0; l < LANES; ++l) {
        Weights sum = corner_weights(nodes.at[0][0][l], nodes.at[0][1][l], nodes.at[0][2][l], nodes.weight[0][l]);
        for (int n = 1; n < Packet::count; ++n) {
            const Weights w =
                corner_weights(nodes.at[n][0][l], nodes.at[n][1][l], nodes.at[n][2][l], nodes.weight[n][l]);
            for (int c = 0; c < 8; ++c) sum.at[c] += w.at[c];
        }
        for (int c = 0; c < 8; ++c) weight[c][l] = sum.at[c];
    }
}

struct Linear {
    template <int WIDTH, class Packet>
    static void slopes(const Values& values, const float* weights, const Packet& nodes, Slopes* out) {
        std::int64_t offset[8];
        corner_offsets(values.grid, values.pitch, offset);
        alignas(64) float corners[8][LANES];
        if (WIDTH == 1 && values.grid.n[2] > 1)
            weighted_pairs(values, weights, nodes.voxel, offset, corners);
        else
            for (int l = 0; l < LANES; ++l)
                weighted_corners<WIDTH>(values, weights + l * values.pitch, nodes.voxel[l], offset, &corners[0][l],
                                        LANES);
        for (int n = 0; n < Packet::count; ++n) {
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) {
                float v[8];
                for (int corner = 0; corner < 8; ++corner) v[corner] = corners[corner][l];
                const Slope f = trilinear_slope(v, nodes.at[n][0][l], nodes.at[n][1][l], nodes.at[n][2][l]);
                out[n].value[l] = f.value, out[n].x[l] = f.x, out[n].y[l] = f.y, out[n].z[l] = f.z;
            }
        }
    }

    // A lane without weight may name a voxel that another thread writes to: it is passed over.
    template <int WIDTH, class Packet>
    static void spread(const Packet& nodes, const float* weights, int pitch, const Grid& grid, float* gradient) {
        std::int64_t offset[8];
        corner_offsets(grid, pitch, offset);
        alignas(64) float weight[8][LANES];
        total_weights(nodes, weight);
        for (int l = 0; l < LANES; ++l) {
            if (nodes.weight[0][l] == 0.0f) continue;
            for (int first = 0; first < pitch; first += WIDTH) {
                float* cell = gradient + (std::int64_t)nodes.voxel[l] * pitch + first;
                for (int corner = 0; corner < 8; ++corner) {
                    float voxel[WIDTH];
                    std::memcpy(voxel, cell + offset[corner], sizeof voxel);
                    for (int c = 0; c < WIDTH; ++c) voxel[c] += weight[corner][l] * weights[l * pitch + first + c];
                    std::memcpy(cell + offset[corner], voxel, sizeof voxel);
                }
            }
        }
    }
};

}  // namespace deepdrr

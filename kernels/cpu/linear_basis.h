// What an adjoint has to know of linear interpolation, see bases.h.
#pragma once

#include "bases.h"
#include "deepdrr/trilinear_adjoint.h"
#include "line_integrals.h"
#include "nodes.h"

namespace deepdrr {

// The field of lane l: all channels, weighted by its upstream gradient, at the corners of a cell.
template <class T>
DEEPDRR_FN void weighted_corners(const Values<T>& values, const float* weights, int l, int voxel,
                                 const std::int64_t* offset, float* corners, int stride) {
    for (int corner = 0; corner < 8; ++corner) {
        float sum = 0.0f;
        for (int c = 0; c < values.channels; ++c)
            sum += weights[c * LANES + l] * (float)values.channel(c)[voxel + offset[corner]];
        corners[corner * stride] = sum;
    }
}

// The same two corners at a time, all lanes together. The grid has more than one voxel along k.
template <class T>
DEEPDRR_FN void weighted_pairs(const Values<T>& values, const float* weights, const int* voxel,
                               const std::int64_t* offset, float (*corners)[LANES]) {
    for (int c = 0; c < values.channels; ++c)
        for (int corner = 0; corner < 8; corner += 2) {
            Pairs pairs;
            fetch_pairs(values.channel(c) + offset[corner], voxel, pairs);
            const float* weight = weights + c * LANES;
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) {
                const float low = weight[l] * pairs.low[l], high = weight[l] * pairs.high[l];
                corners[corner][l] = c == 0 ? low : corners[corner][l] + low;
                corners[corner + 1][l] = c == 0 ? high : corners[corner + 1][l] + high;
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
    template <class T, class Packet>
    static void slopes(const Values<T>& values, const float* weights, const Packet& nodes, Slopes* out) {
        std::int64_t offset[8];
        corner_offsets(values.grid, offset);
        alignas(64) float corners[8][LANES];
        if (values.grid.n[2] > 1)
            weighted_pairs(values, weights, nodes.voxel, offset, corners);
        else
            for (int l = 0; l < LANES; ++l)
                weighted_corners(values, weights, l, nodes.voxel[l], offset, &corners[0][l], LANES);
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
    template <class Packet>
    static void spread(const Packet& nodes, const float* weights, const Gradient& gradient) {
        std::int64_t offset[8];
        corner_offsets(gradient.grid, offset);
        alignas(64) float weight[8][LANES];
        total_weights(nodes, weight);
        for (int l = 0; l < LANES; ++l) {
            if (nodes.weight[0][l] == 0.0f) continue;
            for (int c = 0; c < gradient.channels; ++c) {
                float* cell = gradient.data + c * gradient.channel_stride + nodes.voxel[l];
                for (int corner = 0; corner < 8; ++corner)
                    cell[offset[corner]] += weight[corner][l] * weights[c * LANES + l];
            }
        }
    }
};

}  // namespace deepdrr

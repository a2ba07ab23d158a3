// Linear interpolation for the gradient with respect to the values, see bases.h.
#pragma once

#include "adjoint/bases.h"
#include "deepdrr/trilinear.h"
#include "march/nodes.h"
#include "packets/values.h"

namespace deepdrr {

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
    // Lanes without weight are skipped: their voxel may be one that another thread writes to.
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

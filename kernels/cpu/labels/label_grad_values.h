// Gradients of linear integrals routed by label with respect to the values: each corner of a cell receives the upstream
// gradient of the channel that it goes to, see label_grad_rays.h.
#pragma once

#include "adjoint/grad_values.h"
#include "adjoint/linear_basis.h"
#include "labels/labels.h"
#include "march/half_nodes.h"

namespace deepdrr {

// A position in the cell whose nearest voxel is that of the nodes.
using CellPositions = const float (*)[LANES];
inline CellPositions side_of(const Nodes<1>& nodes) { return nodes.at[0]; }
inline CellPositions side_of(const HalfNodes& nodes) { return nodes.center; }

// Calls spread(lane, first corner of its cell, weights of its corners) for every lane with a weight. The voxel of the
// others may be one that another thread writes to.
template <class Packet, class Spread>
DEEPDRR_FN void for_each_cell(const Packet& nodes, const Spread& spread) {
    alignas(64) float weight[8][LANES];
    total_weights(nodes, weight);
    for (int l = 0; l < LANES; ++l) {
        if (nodes.weight[0][l] == 0.0f) continue;
        float corner[8];
        for (int c = 0; c < 8; ++c) corner[c] = weight[c][l];
        spread(l, nodes.voxel[l], corner);
    }
}

struct HardSpread {
    const Labels& labels;

    template <class Packet>
    void spread(const Packet& nodes, const float* weights, const Gradient& gradient) const {
        std::int64_t offset[8];
        corner_offsets(gradient.grid, offset);
        const CellPositions at = side_of(nodes);
        for_each_cell(nodes, [&](int l, int voxel, const float* corner) {
            const std::int64_t nearest = voxel + (at[0][l] >= 0.5f ? offset[4] : 0) + (at[1][l] >= 0.5f ? offset[2] : 0) +
                                         (at[2][l] >= 0.5f ? offset[1] : 0);
            const float w = weights[lesser<int>(labels.data[nearest], labels.count) * LANES + l];
            for (int c = 0; c < 8; ++c) gradient.data[voxel + offset[c]] += w * corner[c];
        });
    }
};

struct SoftSpread {
    const Labels& labels;

    template <class Packet>
    void spread(const Packet& nodes, const float* weights, const Gradient& gradient) const {
        std::int64_t offset[8];
        corner_offsets(gradient.grid, offset);
        for_each_cell(nodes, [&](int l, int voxel, const float* corner) {
            for (int c = 0; c < 8; ++c) {
                const int label = lesser<int>(labels.data[voxel + offset[c]], labels.count);
                gradient.data[voxel + offset[c]] += weights[label * LANES + l] * corner[c];
            }
        });
    }
};

}  // namespace deepdrr

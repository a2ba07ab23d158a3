// Gradients of linear integrals routed by label with respect to the rays: those of one field, in which the upstream
// gradient of the channel that a value goes to weights that value.
//
//   HardCells: the weight of the nearest voxel's label.     SoftCells: each corner has the weight of its own label.
//
// `weights` [labels + 1, LANES], the last of which are 0.
#pragma once

#include <vector>

#include "adjoint/grad_rays.h"
#include "labels/label_integrals.h"
#include "march/half_nodes.h"

namespace deepdrr {

// The weights of labels, one per lane.
DEEPDRR_FN Floats weights_of(const float* weights, Ints label, int first) {
    return gather(weights + first, label * LANES + lane_numbers());
}

template <class T, bool THIN>
struct HardCells {
    const LabeledField<T>& field;
    const float* weights;

    DEEPDRR_FN Cell<Floats> plain(Ints voxel) const { return fetch_cell<THIN>(field, voxel); }

    DEEPDRR_FN Floats weight(Ints voxel, Floats x, Floats y, Floats z, int first) const {
        return weights_of(weights, nearest_label(field, voxel, x, y, z), first);
    }

    DEEPDRR_FN Cell<Floats> cell(Ints voxel, Floats x, Floats y, Floats z, int first) const {
        const Floats w = weight(voxel, x, y, z, first);
        const Cell<Floats> v = plain(voxel);
        return {w * v.v000, w * v.v001, w * v.v010, w * v.v011, w * v.v100, w * v.v101, w * v.v110, w * v.v111};
    }

    DEEPDRR_FN void prefetch(int voxel) const { prefetch_cell(field, voxel); }
};

template <class T, bool THIN>
struct SoftCells {
    const LabeledField<T>& field;
    const float* weights;

    DEEPDRR_FN Cell<Floats> cell(Ints voxel, Floats, Floats, Floats, int first) const {
        Ints bytes[4];
        for (int row = 0; row < 4; ++row) bytes[row] = fetch_row(field, voxel, row);
        const Ints same = (bytes[0] & 0xff) * 0x101;
        const bool mixed = any((bytes[0] ^ same) | (bytes[1] ^ same) | (bytes[2] ^ same) | (bytes[3] ^ same));
        const Floats only = weights_of(weights, label_of(field.labels, bytes[0]), first);
        Pair rows[4];
        for (int row = 0; row < 4; ++row) {
            rows[row] = fetch_values<THIN>(field, voxel, row);
            rows[row].low *= mixed ? weights_of(weights, label_of(field.labels, bytes[row]), first) : only;
            rows[row].high *= mixed ? weights_of(weights, label_of(field.labels, bytes[row] >> 8), first) : only;
        }
        return {rows[0].low, rows[0].high, rows[1].low, rows[1].high,
                rows[2].low, rows[2].high, rows[3].low, rows[3].high};
    }

    DEEPDRR_FN void prefetch(int voxel) const { prefetch_cell(field, voxel); }
};

// HardCells through half cells: the field jumps where the label changes.
struct JumpingIntegrand {
    alignas(64) float before[LANES] = {};  // the weight of the piece before; the first piece crossed nothing

    template <class Field>
    DEEPDRR_FN void add(const Field& field, const HalfNodes& nodes, int first, ChunkSums& chunk) {
        const auto of = [&](const float(*axes)[LANES], int a) { return load<Floats>(axes[a] + first); };
        const Ints voxel = load<Ints>(nodes.voxel + first);
        const Cell<Floats> cell = field.plain(voxel);
        const Floats weight = field.weight(voxel, of(nodes.center, 0), of(nodes.center, 1), of(nodes.center, 2), first);
        const Floats there = trilinear_slope(cell, of(nodes.enter, 0), of(nodes.enter, 1), of(nodes.enter, 2)).value;
        const Floats jump = (weight - load<Floats>(before + first)) * there, passed = load<Floats>(nodes.before + first);
        store(weight, before + first);
        for (int a = 0; a < 3; ++a) {
            const Floats pulse = jump * of(nodes.crossed, a);
            add_to(chunk.slope[a] + first, pulse), add_to(chunk.first_moment[a] + first, passed * pulse);
        }
        for (int n = 0; n < 2; ++n) {
            const Slope<Floats> f = trilinear_slope(cell, of(nodes.at[n], 0), of(nodes.at[n], 1), of(nodes.at[n], 2));
            const Floats w = weight * load<Floats>(nodes.weight[n] + first);
            const Floats u = load<Floats>(nodes.fraction[n] + first);
            const Floats slope[3] = {w * f.x, w * f.y, w * f.z};
            add_to(chunk.value + first, w * f.value);
            for (int a = 0; a < 3; ++a) {
                const Floats moved = slope[a] * of(nodes.moves, a);
                add_to(chunk.slope[a] + first, moved), add_to(chunk.first_moment[a] + first, u * moved);
            }
        }
    }
};

using HalfPieceMarch = ExactMarch<HalfPieceNodes, JumpingIntegrand>;

template <class March, template <class, bool> class Cells, bool THIN, class T>
MatrixGradient march_routed_grad_rays(const RayTask& task, const LabeledField<T>& field, double step,
                                      const Image& upstream, int threads) {
    const std::vector<double> scale((std::size_t)field.labels.count, field.values.scale[0]);
    const auto cells = [&](const float* weights) { return Cells<T, THIN>{field, weights}; };
    return march_weighted<March>(task, scale.data(), step, upstream, threads, cells);
}

// The gradients with respect to the rays, upstream [B, labels, H, W].
template <class March, template <class, bool> class Cells, class T>
MatrixGradient routed_grad_rays(const RayTask& task, const LabeledField<T>& field, double step, const Image& upstream,
                         int threads) {
    if (task.grid.n[2] > 1) return march_routed_grad_rays<March, Cells, false>(task, field, step, upstream, threads);
    return march_routed_grad_rays<March, Cells, true>(task, field, step, upstream, threads);
}

}  // namespace deepdrr

// Gradients of linear integrals routed by label with respect to the rays: those of one field, in which the upstream gradient
// of the channel that a value goes to weights that value.
//
//   HardCells: the weight of the nearest voxel's label.     SoftCells: each corner has the weight of its own label.
//
// `weights` [labels + 1, LANES], the last of which are 0.
#pragma once

#include <vector>

#include "march/half_nodes.h"
#include "labels/label_integrals.h"
#include "adjoint/grad_rays.h"

namespace deepdrr {

// The weights of labels, one per lane.
DEEPDRR_FN Floats weights_of(const float* weights, Ints label, int first) {
    return gather(weights + first, label * LANES + lane_numbers());
}

template <class T, bool THIN>
struct HardCells {
    const LabelledField<T>& field;
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
    const LabelledField<T>& field;
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

// PieceMarch through half cells, for HardCells.
class HalfPieceMarch {
   public:
    static constexpr bool exact = true;

    HalfPieceMarch(const Chord* chords, const Grid& grid, double step)
        : nodes_(chords, grid, CellRange::whole(grid), step), grid_(grid) {
        for (int l = 0; l < LANES; ++l) chords_[l] = chords[l];
    }

    // One turn; false where it was the last.
    template <class Field>
    bool advance(const Field& field) {
        if (!started_) add_ends(field, chords_, grid_, sums_);
        started_ = true;
        HalfNodes nodes;
        Sums turn = {};
        bool more = true;
        for (int n = 0; n < CHUNK && (more = nodes_.next(nodes)); ++n)
            for (int first = 0; first < LANES; first += GROUP) add(field, nodes, first, turn);
        for (int l = 0; l < LANES; ++l) {
            sums_[l].integral += turn.value[l];
            for (int a = 0; a < 3; ++a) sums_[l].slope[a] += turn.slope[a][l], sums_[l].first_moment[a] += turn.first_moment[a][l];
        }
        return more;
    }

    const RaySums& sums(int l) const { return sums_[l]; }

   private:
    static constexpr int CHUNK = 8;

    struct Sums {
        alignas(64) float value[LANES], slope[3][LANES], first_moment[3][LANES];
    };

    template <class Field>
    DEEPDRR_FN void add(const Field& field, const HalfNodes& nodes, int first, Sums& turn) {
        const auto of = [&](const float(*axes)[LANES], int a) { return load<Floats>(axes[a] + first); };
        const Ints voxel = load<Ints>(nodes.voxel + first);
        const Cell<Floats> cell = field.plain(voxel);
        const Floats weight = field.weight(voxel, of(nodes.centre, 0), of(nodes.centre, 1), of(nodes.centre, 2), first);
        const Floats there =
            trilinear_slope(cell, of(nodes.enter, 0), of(nodes.enter, 1), of(nodes.enter, 2)).value;
        const Floats jump = (weight - load<Floats>(weight_ + first)) * there, before = load<Floats>(nodes.before + first);
        store(weight, weight_ + first);
        for (int a = 0; a < 3; ++a) {
            const Floats pulse = jump * of(nodes.crossed, a);
            add_to(turn.slope[a] + first, pulse), add_to(turn.first_moment[a] + first, before * pulse);
        }
        for (int n = 0; n < 2; ++n) {
            const Slope<Floats> f = trilinear_slope(cell, of(nodes.at[n], 0), of(nodes.at[n], 1), of(nodes.at[n], 2));
            const Floats w = weight * load<Floats>(nodes.weight[n] + first);
            const Floats u = load<Floats>(nodes.fraction[n] + first);
            const Floats slope[3] = {w * f.x, w * f.y, w * f.z};
            add_to(turn.value + first, w * f.value);
            for (int a = 0; a < 3; ++a) {
                const Floats moved = slope[a] * of(nodes.moves, a);
                add_to(turn.slope[a] + first, moved), add_to(turn.first_moment[a] + first, u * moved);
            }
        }
    }

    HalfPieceNodes nodes_;
    Grid grid_;
    bool started_ = false;
    Chord chords_[LANES];
    alignas(64) float weight_[LANES] = {};  // of the piece before; the first one crossed nothing
    RaySums sums_[LANES] = {};
};

template <class March, template <class, bool> class Cells, bool THIN, class T>
MatrixGradient march_routed_grad_rays(const RayTask& task, const LabelledField<T>& field, double step, const Image& upstream,
                               int threads) {
    const std::vector<double> scale((std::size_t)field.labels.count, field.values.scale[0]);
    const Bundling bundling(task.rays);
    return sum_matrix_gradients(bundling.count, threads, [&](std::int64_t index, MatrixGradient& grad_matrix) {
        const Bundle bundle = bundling.bundle(index);
        std::vector<std::vector<float>> weights;
        std::vector<Cells<T, THIN>> cells;
        for_each_tile(task.rays, bundle, [&](const Tile& tile) {
            weights.emplace_back((std::size_t)LANES * (field.labels.count + 1));
            read_tile(upstream, tile, scale.data(), weights.back().data());
            cells.push_back({field, weights.back().data()});
        });
        const auto finish = [&](const Tile& tile, const March& march) {
            TracedChord traced[LANES];
            trace_tile(task.rays, tile, task.ijk_from_world, task.grid, traced);
            finish_tile(task, tile, traced, March::exact, [&](int l) { return march.sums(l); }, grad_matrix);
        };
        const auto own = [&](std::size_t n) -> const Cells<T, THIN>& { return cells[n]; };
        march_bundle<March>(task.rays, task.ijk_from_world, task.grid, step, bundle, own, finish);
    });
}

// The gradients with respect to the rays, upstream [B, labels, H, W].
template <class March, template <class, bool> class Cells, class T>
MatrixGradient routed_grad_rays(const RayTask& task, const LabelledField<T>& field, double step, const Image& upstream,
                         int threads) {
    if (task.grid.n[2] > 1) return march_routed_grad_rays<March, Cells, false>(task, field, step, upstream, threads);
    return march_routed_grad_rays<March, Cells, true>(task, field, step, upstream, threads);
}

}  // namespace deepdrr

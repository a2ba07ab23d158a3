// Quadrature nodes of a linear field that is routed to the label of the nearest voxel.
//
// The nearest voxel changes in the middle of a cell, so the walk goes through half cells, like that of NearStencil8. Where
// the label changes, the routed field jumps, and the jump moves with the ray: the derivative with respect to the position
// has a pulse there. Its integral along the ray is the jump times the millimetres per voxel of the crossed axis.
#pragma once

#include "deepdrr/half_cells.h"
#include "march/nodes.h"

namespace deepdrr {

struct HalfNodes : Nodes<2> {
    alignas(64) float centre[3][LANES];   // of the half cell: 1/4 or 3/4 of the cell
    alignas(64) float enter[3][LANES];    // where the piece starts, position in the cell
    alignas(64) float before[LANES];      // the fraction of the chord before that
    alignas(64) float crossed[3][LANES];  // signed mm per voxel of the axis whose half cells changed there, else 0
};

class HalfPieceNodes {
   public:
    using Packet = HalfNodes;

    HalfPieceNodes(const Chord* chords, const Grid& grid, const CellRange& range, double /*step*/)
        : grid_(grid), range_(range), left_(0.0f) {
        for (int a = 0; a < 3; ++a)
            for (int l = 0; l < LANES; ++l) {
                const Axis axis = make_axis(2.0 * chords[l].entry[a], 2.0 * chords[l].slope[a], -1, 2 * grid.n[a] - 2);
                first_[a][l] = axis.first, walked_[a][l] = 0;
                entry_[a][l] = axis.entry, slope_[a][l] = axis.slope, inverse_[a][l] = axis.inverse;
                crossed_[a][l] = 0.0f;
            }
        for (int l = 0; l < LANES; ++l) {
            at_[l] = 0.0f, length_[l] = (float)chords[l].length;
            inverse_length_[l] = length_[l] > 0.0f ? 1.0f / length_[l] : 0.0f;
            left_ = greater(left_, length_[l]);
        }
    }

    bool next(Packet& nodes) {
        if (!(left_ > 0.0f)) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float at = at_[l];
            const CellStep step = next_cell(at, length_[l], leaves(0, l), leaves(1, l), leaves(2, l), slope_[0][l],
                                            slope_[1][l], slope_[2][l]);
            const float middle = 0.5f * (at + step.stop), half = 0.5f * (step.stop - at);
            const int i = place(nodes, 0, l, at, middle, half), j = place(nodes, 1, l, at, middle, half);
            const int k = place(nodes, 2, l, at, middle, half);
            nodes.voxel[l] = grid_.voxel(i, j, k);
            nodes.weight[0][l] = nodes.weight[1][l] = half;
            nodes.before[l] = at * inverse_length_[l];
            nodes.fraction[0][l] = (middle - GAUSS * half) * inverse_length_[l];
            nodes.fraction[1][l] = (middle + GAUSS * half) * inverse_length_[l];
            pass(0, l, step.di), pass(1, l, step.dj), pass(2, l, step.dk);
            at_[l] = step.stop, left_in_lane_[l] = length_[l] - step.stop;
        }
        left_ = 0.0f;
        for (int l = 0; l < LANES; ++l) left_ = greater(left_, left_in_lane_[l]);
        return true;
    }

   private:
    static constexpr float GAUSS = 0.577350269f;

    DEEPDRR_FN float leaves(int a, int l) const {
        return leaves_at(entry_[a][l], slope_[a][l], inverse_[a][l], walked_[a][l]);
    }

    DEEPDRR_FN void pass(int a, int l, int step) {
        walked_[a][l] += step;
        crossed_[a][l] = step != 0 ? 2.0f * inverse_[a][l] : 0.0f;
    }

    DEEPDRR_FN int place(Packet& nodes, int a, int l, float at, float middle, float half) const {
        const int cell = first_[a][l] + walked_[a][l];  // a half one
        const int low = clamp(cell_of_half(cell), range_.low[a], range_.high[a]);
        const float enter = enter_from_half(entry_[a][l], first_[a][l], low), slope = 0.5f * slope_[a][l];
        nodes.at[0][a][l] = clamp(enter + (middle - GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.at[1][a][l] = clamp(enter + (middle + GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.enter[a][l] = clamp(enter + at * slope, 0.0f, 1.0f);
        nodes.centre[a][l] = cell > 2 * low ? 0.75f : 0.25f;
        nodes.crossed[a][l] = crossed_[a][l];
        nodes.low[a][l] = low;
        nodes.moves[a][l] = half_moves(cell, grid_.n[a]) ? 1.0f : 0.0f;
        return low;
    }

    Grid grid_;
    CellRange range_;
    float left_;
    alignas(64) float left_in_lane_[LANES];
    alignas(64) float at_[LANES], length_[LANES], inverse_length_[LANES];
    alignas(64) float entry_[3][LANES], slope_[3][LANES], inverse_[3][LANES], crossed_[3][LANES];
    alignas(64) int first_[3][LANES], walked_[3][LANES];
};

}  // namespace deepdrr

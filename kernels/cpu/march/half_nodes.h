// Quadrature nodes of a linear field that is routed to the label of the nearest voxel.
//
// The nearest voxel changes in the middle of a cell, so the walk goes through half cells, like that of NearStencil8.
// Where the label changes, the routed field jumps, and the jump moves with the ray: the derivative with respect to the
// position has a pulse there. Its integral along the ray is the jump times the millimetres per voxel of the crossed
// axis.
#pragma once

#include "deepdrr/half_cells.h"
#include "march/nodes.h"

namespace deepdrr {

struct HalfNodes : Nodes<2> {
    alignas(64) float center[3][LANES];   // of the half cell: 1/4 or 3/4 of the cell
    alignas(64) float enter[3][LANES];    // where the piece starts, position in the cell
    alignas(64) float before[LANES];      // the fraction of the chord before that
    alignas(64) float crossed[3][LANES];  // signed mm per voxel of the axis whose half cells changed there, else 0
};

class HalfPieceNodes {
   public:
    using Packet = HalfNodes;

    HalfPieceNodes(const Chord* chords, const Grid& grid, const CellRange& range, double /*step*/)
        : grid_(grid), range_(range), walk_(chords, grid) {
        for (int l = 0; l < LANES; ++l) inverse_length_[l] = walk_.length[l] > 0.0f ? 1.0f / walk_.length[l] : 0.0f;
    }

    bool next(Packet& nodes) {
        if (!walk_.going()) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float at = walk_.at[l];
            const CellStep step = walk_.next(l);
            const float middle = 0.5f * (at + step.stop), half = 0.5f * (step.stop - at);
            const int i = place(nodes, 0, l, at, middle, half), j = place(nodes, 1, l, at, middle, half);
            const int k = place(nodes, 2, l, at, middle, half);
            nodes.voxel[l] = grid_.voxel(i, j, k);
            nodes.weight[0][l] = nodes.weight[1][l] = half;
            nodes.before[l] = at * inverse_length_[l];
            nodes.fraction[0][l] = (middle - GAUSS * half) * inverse_length_[l];
            nodes.fraction[1][l] = (middle + GAUSS * half) * inverse_length_[l];
            cross(0, l, step.di), cross(1, l, step.dj), cross(2, l, step.dk);
            walk_.go(l, step.stop, step.di, step.dj, step.dk);
        }
        walk_.find_left();
        return true;
    }

   private:
    DEEPDRR_FN void cross(int a, int l, int cells) { crossed_[a][l] = cells != 0 ? 2.0f * walk_.inverse[a][l] : 0.0f; }

    DEEPDRR_FN int place(Packet& nodes, int a, int l, float at, float middle, float half) const {
        const int cell = walk_.cell(a, l);  // a half one
        const int low = clamp(cell_of_half(cell), range_.low[a], range_.high[a]);
        const float enter = enter_from_half(walk_.entry[a][l], walk_.first[a][l], low);
        const float slope = 0.5f * walk_.slope[a][l];
        nodes.at[0][a][l] = clamp(enter + (middle - GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.at[1][a][l] = clamp(enter + (middle + GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.enter[a][l] = clamp(enter + at * slope, 0.0f, 1.0f);
        nodes.center[a][l] = cell > 2 * low ? 0.75f : 0.25f;
        nodes.crossed[a][l] = crossed_[a][l];
        nodes.low[a][l] = low;
        nodes.moves[a][l] = half_moves(cell, grid_.n[a]) ? 1.0f : 0.0f;
        return low;
    }

    Grid grid_;
    CellRange range_;
    PacketWalk<Cells::HALVES> walk_;
    alignas(64) float inverse_length_[LANES], crossed_[3][LANES] = {};
};

}  // namespace deepdrr

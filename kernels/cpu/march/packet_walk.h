// The walk of walk.h for all lanes of a packet: the state that all marches from cell to cell share.
//
// `next` and `go` are called in loops over the lanes (DEEPDRR_LANES). `go` takes the numbers of a step, not the struct: a
// local struct that is passed on whole in such a loop becomes an array of lanes in GCC, which then makes no vectors of it.
#pragma once

#include "deepdrr/walk.h"
#include "packets/image.h"

namespace deepdrr {

template <Cells CELLS>
struct PacketWalk {
    static constexpr int PER_VOXEL = CELLS == Cells::HALVES ? 2 : 1;

    float left;                                  // mm to the end of the longest chord
    alignas(64) float at[LANES], length[LANES];  // mm from the entry; of the chord
    alignas(64) float entry[3][LANES], slope[3][LANES], inverse[3][LANES];  // see Axis
    alignas(64) int first[3][LANES], walked[3][LANES];                      // cell of entry, and cells walked since

    PacketWalk(const Chord* chords, const Grid& grid) : left(0.0f) {
        constexpr bool voxels = CELLS == Cells::VOXELS;
        for (int a = 0; a < 3; ++a)
            for (int l = 0; l < LANES; ++l) {
                const double q = PER_VOXEL * chords[l].entry[a] + (voxels ? 0.5 : 0.0);
                const Axis axis =
                    make_axis(q, PER_VOXEL * chords[l].slope[a], voxels ? 0 : -1, PER_VOXEL * (grid.n[a] - 1));
                first[a][l] = axis.first, walked[a][l] = 0;
                entry[a][l] = axis.entry, slope[a][l] = axis.slope, inverse[a][l] = axis.inverse;
            }
        for (int l = 0; l < LANES; ++l) {
            at[l] = 0.0f, length[l] = (float)chords[l].length;
            left = greater(left, length[l]);
        }
    }

    bool going() const { return left > 0.0f; }

    DEEPDRR_FN int cell(int a, int l) const { return first[a][l] + walked[a][l]; }

    // The step that ends in the current cell of a lane.
    DEEPDRR_FN CellStep next(int l) const {
        return next_cell(at[l], length[l], leaves(0, l), leaves(1, l), leaves(2, l), slope[0][l], slope[1][l],
                         slope[2][l]);
    }

    DEEPDRR_FN void go(int l, float stop, int di, int dj, int dk) {
        walked[0][l] += di, walked[1][l] += dj, walked[2][l] += dk;
        at[l] = stop, left_in_lane_[l] = length[l] - stop;
    }

    // After all lanes have gone one step.
    DEEPDRR_FN void find_left() {
        float most = 0.0f;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) most = greater(most, left_in_lane_[l]);
        left = most;
    }

   private:
    DEEPDRR_FN float leaves(int a, int l) const {
        return leaves_at(entry[a][l], slope[a][l], inverse[a][l], walked[a][l]);
    }

    alignas(64) float left_in_lane_[LANES];
};

}  // namespace deepdrr

// Rays as functions of the coordinate along one axis of the grid, slab by slab.
//
// A slab lies between two consecutive planes of voxel centers of the main axis; slab m holds the main coordinates m .. m + 1.
// The main coordinate is the parameter: across it a ray's two other coordinates u, v are linear. Positions in a block of
// slabs start in double and count from a plane and a cell nearby, so that in float they are small: they are off by some
// 1e-6 voxels, whatever the size of the grid.
#pragma once

#include <cmath>

#include "deepdrr/walk.h"
#include "packets/lanes.h"

namespace deepdrr {

// The axes of a grid as a ray sees them: the main one and the two across.
struct SlabAxes {
    int main, across[2];

    static SlabAxes along(int main) { return {main, {main == 0 ? 1 : 0, main == 2 ? 1 : 2}}; }
};

// The axis of the grid that the rays of a bundle have in common.
class CommonAxis {
   public:
    void add(const Chord& chord) {
        if (!(chord.length > 0.0)) return;
        for (int a = 0; a < 3; ++a) speed_[a] += magnitude(chord.slope[a]);
    }

    // The axis that they follow most.
    int main() const {
        int axis = 0;
        for (int a = 1; a < 3; ++a) axis = speed_[a] > speed_[axis] ? a : axis;
        return axis;
    }

   private:
    double speed_[3] = {0.0, 0.0, 0.0};
};

// Voxels that a ray may move across the main axis in one slab.
constexpr double STEEPEST = 2.0;

// Whether a ray can be followed along an axis.
inline bool follows(const Chord& chord, const SlabAxes& axes) {
    const double most = STEEPEST * magnitude(chord.slope[axes.main]);
    return magnitude(chord.slope[axes.across[0]]) <= most && magnitude(chord.slope[axes.across[1]]) <= most;
}

// The rays of a packet in one block of slabs. `at` counts from `origin`, `enter` and `leave` from the first plane.
struct SlabPlaces {
    int origin[2];
    alignas(64) float at[2][LANES], pace[2][LANES];  // u, v at the first plane, and per slab
    alignas(64) float slabs_per_cell[2][LANES];      // from one plane of u or v to the next, signed; huge for a parallel ray
    alignas(64) float enter[LANES], leave[LANES];    // the part of the chord in the block; enter >= leave for none

    // Whether a chord begins or ends in the block.
    DEEPDRR_FN bool any_ends(int slabs) const {
        Ints found{};
        for (int g = 0; g < LANES; g += GROUP) {
            const Floats from = load<Floats>(enter + g), to = load<Floats>(leave + g);
            found |= (from < to) & ((from > Floats{}) | (to < Floats{} + (float)slabs));
        }
        return any(found);
    }
};

// The rays of a packet that follow an axis.
class SlabRays {
   public:
    // chords [LANES]; those without a length are never seen, the others follow the axis.
    SlabRays(const Chord* chords, const SlabAxes& axes) {
        int live = 0;
        while (live < LANES - 1 && !(chords[live].length > 0.0)) ++live;
        for (int l = 0; l < LANES; ++l) {
            const bool hits = chords[l].length > 0.0;
            const Chord& chord = chords[hits ? l : live];
            const double slope = chord.slope[axes.main], entry = chord.entry[axes.main];
            const double exit = entry + chord.length * slope;
            for (int c = 0; c < 2; ++c) {
                pace_[c][l] = slope != 0.0 ? chord.slope[axes.across[c]] / slope : 0.0;
                start_[c][l] = chord.entry[axes.across[c]] - entry * pace_[c][l];
                slabs_per_cell_[c][l] = mm_per_cell(pace_[c][l]);
            }
            enter_[l] = hits ? lesser(entry, exit) : 1e9, leave_[l] = hits ? greater(entry, exit) : -1e9;
            mm_[l] = hits ? (float)(1.0 / magnitude(slope)) : 0.0f;
        }
    }

    // mm per slab, 0 for a lane without a chord.
    float mm(int l) const { return mm_[l]; }
    double enter(int l) const { return enter_[l]; }
    double leave(int l) const { return leave_[l]; }
    double pace(int c, int l) const { return pace_[c][l]; }

    // Where the lanes are in the slabs from `first`.
    void place(int first, int slabs, SlabPlaces& places) const {
        for (int c = 0; c < 2; ++c) {
            const double origin = std::floor(start_[c][0] + first * pace_[c][0]);
            places.origin[c] = (int)origin;
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) places.at[c][l] = (float)(start_[c][l] + first * pace_[c][l] - origin);
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) places.pace[c][l] = (float)pace_[c][l];
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) places.slabs_per_cell[c][l] = slabs_per_cell_[c][l];
        }
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) places.enter[l] = (float)clamp(enter_[l] - first, 0.0, (double)slabs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) places.leave[l] = (float)clamp(leave_[l] - first, 0.0, (double)slabs);
    }

   private:
    double start_[2][LANES], pace_[2][LANES];  // u, v where the main coordinate is 0, and per slab
    double enter_[LANES], leave_[LANES];       // main coordinates of the chord's ends
    float slabs_per_cell_[2][LANES], mm_[LANES];
};

// The cells of a block of slabs that rays touch across the main axis, both ends included.
struct CellBox {
    int low[2] = {1 << 30, 1 << 30}, high[2] = {-(1 << 30), -(1 << 30)};

    bool empty() const { return low[0] > high[0]; }

    void add(const SlabPlaces& places) {
        constexpr float rounding = 1e-3f;  // more than positions are off
        const Floats far_away = Floats{} + 1e9f;
        for (int c = 0; c < 2; ++c) {
            Floats least = far_away, most = -far_away;
            for (int g = 0; g < LANES; g += GROUP) {
                const Floats at = load<Floats>(places.at[c] + g), pace = load<Floats>(places.pace[c] + g);
                const Floats enter = load<Floats>(places.enter + g), leave = load<Floats>(places.leave + g);
                const Floats near = at + enter * pace, far = at + leave * pace;
                least = lesser(least, where(enter < leave, lesser(near, far), far_away));
                most = greater(most, where(enter < leave, greater(near, far), -far_away));
            }
            float lowest = 1e9f, highest = -1e9f;
            for (int l = 0; l < GROUP; ++l) lowest = lesser(lowest, lane(least, l)), highest = greater(highest, lane(most, l));
            if (lowest > highest) return;
            low[c] = lesser(low[c], places.origin[c] + (int)std::floor(lowest - rounding));
            high[c] = greater(high[c], places.origin[c] + (int)std::floor(highest + rounding));
        }
    }

    // Cells -1 and n - 1 are the outer half voxels.
    void clip(int c, int n) { low[c] = clamp(low[c], -1, n - 1), high[c] = clamp(high[c], -1, n - 1); }

    std::int64_t columns() const { return (std::int64_t)(high[0] - low[0] + 2) * (high[1] - low[1] + 2); }
};

}  // namespace deepdrr

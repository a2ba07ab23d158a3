// Slab by slab along the axis that a packet's rays follow most, so that all of its lanes are in the same few cells.
//
// A slab lies between two consecutive planes of voxel centers of the main axis; slab m holds the main coordinates m .. m + 1.
// The main coordinate is the parameter: across a slab every lane runs from 0 to 1, and its two other coordinates u, v are
// linear with the same slope for all slabs. Slabs come in blocks. A block's positions start in double and count from a
// cell nearby, so that in float they are small: they are off by some 1e-6 voxels, whatever the size of the grid.
//
// Which cells the lanes touch in a slab is read from bounds: the least position of all lanes is a concave function of the
// slab, the largest a convex one, so straight lines between their values at the ends of the block enclose them.
#pragma once

#include <cmath>

#include "deepdrr/walk.h"
#include "packets/lanes.h"

namespace deepdrr {

// The axes of a grid as a packet sees them: the main one and the two across.
struct SlabAxes {
    int main, across[2];

    static SlabAxes along(int main) { return {main, {main == 0 ? 1 : 0, main == 2 ? 1 : 2}}; }
};

constexpr int SLABS = 32;

// Up to SLABS slabs as the WIDTH lanes of a packet pass through them.
template <int WIDTH>
struct SlabBlock {
    static constexpr int GROUPS = WIDTH / GROUP;
    int first, count;
    int origin[2];             // the cell that u and v count from
    alignas(64) float at[2][WIDTH], pace[2][WIDTH];  // u, v at the first plane, and per slab
    alignas(64) float per_cell[2][WIDTH];  // slabs from one plane of u or v to the next, signed; huge for a parallel lane
    alignas(64) float enter[WIDTH], leave[WIDTH];  // where the chords begin and end, in slabs from the first
    int whole_from, whole_to;  // the slabs that all lanes cross from plane to plane
    int from[2][SLABS], to[2][SLABS];  // the cells of a slab, both included, that its lanes may touch

    // u or v of a group of lanes at a plane, counted from a cell.
    DEEPDRR_FN Floats place(int c, int g, int slab, int cell) const {
        return load<Floats>(at[c] + g * GROUP) + ((float)slab * speed(c, g) - (float)(cell - origin[c]));
    }
    DEEPDRR_FN Floats speed(int c, int g) const { return load<Floats>(pace[c] + g * GROUP); }
    DEEPDRR_FN Floats slabs_per_cell(int c, int g) const { return load<Floats>(per_cell[c] + g * GROUP); }
};

// The rays of a packet on their way.
template <int WIDTH>
class SlabMarch {
   public:
    // chords [WIDTH] along an axis that suits them; lanes without a chord go with the first that has one.
    SlabMarch(const Chord* chords, const SlabAxes& axes, const Grid& grid) : mm_{}, slab_(0), last_(-1) {
        int live = 0;
        while (live < WIDTH && !(chords[live].length > 0.0)) ++live;
        if (live == WIDTH) return;
        double begin = 1e300, end = -1e300;
        for (int l = 0; l < WIDTH; ++l) {
            const Chord& chord = chords[chords[l].length > 0.0 ? l : live];
            const double slope = chord.slope[axes.main], entry = chord.entry[axes.main];
            const double exit = entry + chord.length * slope;
            for (int c = 0; c < 2; ++c) {
                pace_[c][l] = chord.slope[axes.across[c]] / slope;
                start_[c][l] = chord.entry[axes.across[c]] - entry * pace_[c][l];
                per_cell_[c][l] = mm_per_cell(pace_[c][l]);
            }
            enter_[l] = lesser(entry, exit), leave_[l] = greater(entry, exit);
            mm_[l] = chords[l].length > 0.0 ? (float)(1.0 / magnitude(slope)) : 0.0f;
            begin = lesser(begin, enter_[l]), end = greater(end, leave_[l]);
        }
        slab_ = (int)std::floor(begin), last_ = (int)std::ceil(end) - 1;
        for (int c = 0; c < 2; ++c) n_[c] = grid.n[axes.across[c]];
    }

    // mm per slab, 0 for a lane without a chord.
    float mm(int l) const { return mm_[l]; }

    // The next block; false where there is none.
    bool next(SlabBlock<WIDTH>& block) {
        if (slab_ > last_) return false;
        block.first = slab_, block.count = lesser(SLABS, last_ - slab_ + 1);
        for (int c = 0; c < 2; ++c) place(block, c);
        limit(block);
        slab_ += block.count;
        return true;
    }

   private:
    void place(SlabBlock<WIDTH>& block, int c) const {
        alignas(64) float low[WIDTH], high[WIDTH], end_low[WIDTH], end_high[WIDTH];
        const double origin = std::floor(start_[c][0] + slab_ * pace_[c][0]);
        const float count = (float)block.count;
        DEEPDRR_LANES
        for (int l = 0; l < WIDTH; ++l) block.at[c][l] = (float)(start_[c][l] + slab_ * pace_[c][l] - origin);
        DEEPDRR_LANES
        for (int l = 0; l < WIDTH; ++l) block.pace[c][l] = (float)pace_[c][l];
        DEEPDRR_LANES
        for (int l = 0; l < WIDTH; ++l) {
            low[l] = high[l] = block.at[c][l], block.per_cell[c][l] = per_cell_[c][l];
            end_low[l] = end_high[l] = block.at[c][l] + count * block.pace[c][l];
        }
        reduce(low, end_low, [](float a, float b) { return lesser(a, b); });
        reduce(high, end_high, [](float a, float b) { return greater(a, b); });
        block.origin[c] = (int)origin;
        const float share = 1.0f / count;
        find_cells(block, c, low[0], share * (end_low[0] - low[0]), high[0], share * (end_high[0] - high[0]));
    }

    // Leaves what is least, or most, of both arrays in their first numbers.
    template <class Choose>
    DEEPDRR_FN static void reduce(float* a, float* b, const Choose& choose) {
        for (int rest = WIDTH / 2; rest > 0; rest /= 2)
            for (int l = 0; l < rest; ++l) a[l] = choose(a[l], a[l + rest]), b[l] = choose(b[l], b[l + rest]);
    }

    // Cells -1 and n - 1 are the outer half voxels; an axis of one voxel has cell 0 alone.
    void find_cells(SlabBlock<WIDTH>& block, int c, float low, float low_pace, float high, float high_pace) const {
        const int first = n_[c] > 1 ? -1 : 0, last = n_[c] > 1 ? n_[c] - 1 : 0, origin = block.origin[c];
        const float down = lesser(low_pace, 0.0f), up = greater(high_pace, 0.0f);
        DEEPDRR_LANES
        for (int slab = 0; slab < SLABS; ++slab) {
            const float least = low + (float)slab * low_pace + down, most = high + (float)slab * high_pace + up;
            block.from[c][slab] = clamp(origin + floor_of(least), first, last);
            block.to[c][slab] = clamp(origin + floor_of(most), first, last);
        }
    }

    DEEPDRR_FN static int floor_of(float x) { return (int)x - (x < (float)(int)x); }

    void limit(SlabBlock<WIDTH>& block) const {
        alignas(64) float latest[WIDTH], earliest[WIDTH];
        DEEPDRR_LANES
        for (int l = 0; l < WIDTH; ++l) latest[l] = block.enter[l] = (float)(enter_[l] - slab_);
        DEEPDRR_LANES
        for (int l = 0; l < WIDTH; ++l) earliest[l] = block.leave[l] = (float)(leave_[l] - slab_);
        for (int rest = WIDTH / 2; rest > 0; rest /= 2)
            for (int l = 0; l < rest; ++l) {
                latest[l] = greater(latest[l], latest[l + rest]);
                earliest[l] = lesser(earliest[l], earliest[l + rest]);
            }
        block.whole_from = (int)std::ceil(latest[0]), block.whole_to = (int)std::floor(earliest[0]);
    }

    double start_[2][WIDTH], pace_[2][WIDTH];  // u, v where the main coordinate is 0, and per slab
    double enter_[WIDTH], leave_[WIDTH];       // main coordinates of the chord's ends
    float per_cell_[2][WIDTH], mm_[WIDTH];
    int n_[2], slab_, last_;
};

// How many cells of a slab the lanes of a packet touch together, against how many one lane touches. The main axis is where
// the rays run fastest; -1 where they do not share one.
struct Coherence {
    int main = -1;
    double shared = 0.0, own = 0.0;

    Coherence(const Chord* chords, int width) {
        double speed[3] = {0.0, 0.0, 0.0}, net[3] = {0.0, 0.0, 0.0};
        for (int l = 0; l < width; ++l)
            if (chords[l].length > 0.0)
                for (int a = 0; a < 3; ++a) speed[a] += magnitude(chords[l].slope[a]), net[a] += chords[l].slope[a];
        int axis = 0;
        for (int a = 1; a < 3; ++a) axis = speed[a] > speed[axis] ? a : axis;
        const SlabAxes axes = SlabAxes::along(axis);
        double middle = 0.0;
        int live = 0;
        for (int l = 0; l < width; ++l)
            if (chords[l].length > 0.0)
                middle += chords[l].entry[axis] + 0.5 * chords[l].length * chords[l].slope[axis], ++live;
        if (live == 0) return;
        middle /= live, shared = own = 1.0;
        for (int c = 0; c < 2; ++c) {
            double low = 1e300, high = -1e300, pace = 0.0;
            for (int l = 0; l < width; ++l) {
                if (!(chords[l].length > 0.0)) continue;
                const double slope = chords[l].slope[axis], side = chords[l].slope[axes.across[c]];
                if (!(slope * net[axis] > 0.0) || magnitude(side) > STEEPEST * magnitude(slope)) return;
                const double at = chords[l].entry[axes.across[c]] + (middle - chords[l].entry[axis]) * side / slope;
                low = lesser(low, at), high = greater(high, at), pace = greater(pace, magnitude(side / slope));
            }
            shared *= 1.0 + (high - low) + pace, own += pace;
        }
        main = axis;
    }

   private:
    static constexpr double STEEPEST = 2.0;  // cells per slab; neighbors of a ray that follows the main axis
};

}  // namespace deepdrr

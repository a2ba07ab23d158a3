// Quadrature nodes along the chords of a packet. Adjoints need positions where forward marches need only weights.
//
// Each `next` gives every lane one cell and COUNT nodes in it: the position in the cell, the weight in mm, and the fraction
// of the chord before the node. Nodes in cells outside `CellRange` get weight 0, so that the work can be divided among
// threads by the voxels that it writes to.
//
//   StepNodes: midpoint samples, one node each, at positions in double: a derivative jumps where a sample changes cell.
//   PieceNodes: a walk from cell to cell with two Gauss-Legendre nodes in each.
#pragma once

#include "deepdrr/midpoints.h"
#include "deepdrr/trilinear.h"
#include "deepdrr/walk.h"
#include "packets/image.h"

namespace deepdrr {

constexpr int SEGMENT = 32;  // nodes whose terms are summed in float before they go into a total

// Lowest corners of cells, both ends included, along each axis.
struct CellRange {
    int low[3], high[3];

    static CellRange whole(const Grid& grid) {
        return {{0, 0, 0}, {greater(grid.n[0] - 2, 0), greater(grid.n[1] - 2, 0), greater(grid.n[2] - 2, 0)}};
    }
};

template <int COUNT>
struct Nodes {
    static constexpr int count = COUNT;
    alignas(64) int low[3][LANES];          // the cell's lowest corner
    alignas(64) int voxel[LANES];           // the same, as an index
    alignas(64) float moves[3][LANES];      // 0 where the position is clamped to a face, and its derivative 0
    alignas(64) float at[COUNT][3][LANES];  // position in the cell, 0..1
    alignas(64) float weight[COUNT][LANES];  // mm
    alignas(64) float fraction[COUNT][LANES];   // fraction of the chord, 0..1
};

class StepNodes {
   public:
    using Packet = Nodes<1>;

    StepNodes(const Chord* chords, const Grid& grid, const CellRange& range, double step)
        : grid_(grid), range_(range), sample_(0), samples_(0) {
        for (int l = 0; l < LANES; ++l) {
            const int count = sample_count(chords[l].length, step);
            const double part = count > 0 ? chords[l].length / count : 0.0;
            for (int a = 0; a < 3; ++a) {
                pace_[a][l] = part * chords[l].slope[a];
                entry_[a][l] = chords[l].entry[a] + 0.5 * pace_[a][l];
            }
            count_[l] = count, part_[l] = (float)part, inverse_count_[l] = count > 0 ? 1.0f / (float)count : 0.0f;
            samples_ = greater(samples_, count);
        }
    }

    // Starts later and ends earlier: only samples whose position along `axis` may lie in the range remain.
    void narrow(int axis) {
        if (range_.low[axis] == 0 && range_.high[axis] >= grid_.n[axis] - 2) return;
        double first = samples_, last = 0;
        for (int l = 0; l < LANES; ++l) {
            if (count_[l] == 0) continue;
            const double low = range_.low[axis] == 0 ? -1.0 : range_.low[axis];
            const double high = range_.high[axis] >= grid_.n[axis] - 2 ? grid_.n[axis] : range_.high[axis] + 1;
            const bool moving = pace_[axis][l] != 0.0;
            const double a = moving ? (low - entry_[axis][l]) / pace_[axis][l] : 0.0;
            const double b = moving ? (high - entry_[axis][l]) / pace_[axis][l] : (double)count_[l];
            first = lesser(first, greater(lesser(a, b), 0.0));
            last = greater(last, lesser(greater(a, b) + 2.0, (double)count_[l]));
        }
        sample_ = greater((int)first - 1, 0), samples_ = lesser((int)last + 1, samples_);
    }

    bool next(Packet& nodes) {
        if (sample_ >= samples_) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const int i = place(nodes, 0, l), j = place(nodes, 1, l), k = place(nodes, 2, l);
            const int inside = (i >= range_.low[0]) & (i <= range_.high[0]) & (j >= range_.low[1]) &
                               (j <= range_.high[1]) & (k >= range_.low[2]) & (k <= range_.high[2]);
            nodes.voxel[l] = grid_.voxel(i, j, k);
            nodes.weight[0][l] = inside & (sample_ < count_[l]) ? part_[l] : 0.0f;
            nodes.fraction[0][l] = ((float)sample_ + 0.5f) * inverse_count_[l];
        }
        ++sample_;
        return true;
    }

    // The cells [3, LANES] about where the packet will be so many samples later: what to fetch into the cache by then.
    void look_ahead(int samples, int (*cell)[LANES]) const {
        for (int a = 0; a < 3; ++a) {
            const double last = (double)(grid_.n[a] - 1);
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) {
                const double k = (double)lesser(sample_ + samples, count_[l]);
                cell[a][l] = (int)clamp(entry_[a][l] + k * pace_[a][l], 0.0, last);
            }
        }
    }

   private:
    DEEPDRR_FN int place(Packet& nodes, int a, int l) const {
        const double p = entry_[a][l] + (double)sample_ * pace_[a][l], last = (double)(grid_.n[a] - 1);
        const double inner = clamp(p, 0.0, last);
        const int low = lowest_corner((int)inner, grid_.n[a]);
        nodes.at[0][a][l] = (float)(inner - (double)low);
        nodes.low[a][l] = low;
        nodes.moves[a][l] = (p >= 0.0) & (p <= last) ? 1.0f : 0.0f;
        return low;
    }

    Grid grid_;
    CellRange range_;
    int sample_, samples_;
    alignas(64) double entry_[3][LANES], pace_[3][LANES];
    alignas(64) float part_[LANES], inverse_count_[LANES];
    alignas(64) int count_[LANES];
};

class PieceNodes {
   public:
    using Packet = Nodes<2>;

    PieceNodes(const Chord* chords, const Grid& grid, const CellRange& range, double /*step*/)
        : grid_(grid), range_(range), left_(0.0f) {
        for (int a = 0; a < 3; ++a)
            for (int l = 0; l < LANES; ++l) {
                const Axis axis = make_axis(chords[l].entry[a], chords[l].slope[a], -1, grid.n[a] - 1);
                first_[a][l] = axis.first, walked_[a][l] = 0;
                entry_[a][l] = axis.entry, slope_[a][l] = axis.slope, inverse_[a][l] = axis.inverse;
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
            const int i = place(nodes, 0, l, middle, half), j = place(nodes, 1, l, middle, half);
            const int k = place(nodes, 2, l, middle, half);
            nodes.voxel[l] = grid_.voxel(i, j, k);
            nodes.weight[0][l] = nodes.weight[1][l] = half;
            nodes.fraction[0][l] = (middle - GAUSS * half) * inverse_length_[l];
            nodes.fraction[1][l] = (middle + GAUSS * half) * inverse_length_[l];
            walked_[0][l] += step.di, walked_[1][l] += step.dj, walked_[2][l] += step.dk;
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

    DEEPDRR_FN int place(Packet& nodes, int a, int l, float middle, float half) const {
        const int cell = first_[a][l] + walked_[a][l];
        const int low = clamp(cell, range_.low[a], range_.high[a]);
        const float enter = entry_[a][l] + (float)(first_[a][l] - low), slope = slope_[a][l];
        nodes.at[0][a][l] = clamp(enter + (middle - GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.at[1][a][l] = clamp(enter + (middle + GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.low[a][l] = low;
        nodes.moves[a][l] = (cell >= 0) & (cell <= grid_.n[a] - 2) ? 1.0f : 0.0f;
        return low;
    }

    Grid grid_;
    CellRange range_;
    float left_;
    alignas(64) float left_in_lane_[LANES];
    alignas(64) float at_[LANES], length_[LANES], inverse_length_[LANES];
    alignas(64) float entry_[3][LANES], slope_[3][LANES], inverse_[3][LANES];
    alignas(64) int first_[3][LANES], walked_[3][LANES];
};

}  // namespace deepdrr

// Quadrature nodes along the chords of a packet. Adjoints need positions where forward marches need only weights.
//
// Each `next` gives every lane one cell and COUNT nodes in it: the position in the cell, the weight in mm, and the
// fraction of the chord before the node. Nodes in cells outside `CellRange` get weight 0, so that the work can be
// divided among threads by the voxels that it writes to.
//
//   StepNodes: midpoint samples, one node each, at positions in double: a derivative jumps where a sample changes cell.
//   PieceNodes: a walk from cell to cell with two Gauss-Legendre nodes in each.
#pragma once

#include "deepdrr/trilinear.h"
#include "march/packet_samples.h"
#include "march/packet_walk.h"

namespace deepdrr {

constexpr int SEGMENT = 32;  // nodes whose terms are summed in float before they go into a total

// The nodes of the two-point Gauss-Legendre rule on [-1, 1] are +-GAUSS.
constexpr float GAUSS = 0.577350269f;

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

class StepNodes : PacketSamples {
   public:
    using Packet = Nodes<1>;

    StepNodes(const Chord* chords, const Grid& grid, const CellRange& range, double step)
        : PacketSamples(chords, step), grid_(grid), range_(range) {
        for (int l = 0; l < LANES; ++l) {
            weight_[l] = (float)part_[l];
            inverse_count_[l] = count_[l] > 0 ? 1.0f / (float)count_[l] : 0.0f;
        }
    }

    // Starts later and ends earlier: only samples whose position along `axis` may lie in the range remain.
    void narrow(int axis) {
        const Span span = span_within(axis, range_.low[axis], range_.high[axis], grid_.n[axis]);
        sample_ = span.first, samples_ = span.last;
    }

    bool next(Packet& nodes) {
        if (sample_ >= samples_) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const int i = place(nodes, 0, l), j = place(nodes, 1, l), k = place(nodes, 2, l);
            const int inside = (i >= range_.low[0]) & (i <= range_.high[0]) & (j >= range_.low[1]) &
                               (j <= range_.high[1]) & (k >= range_.low[2]) & (k <= range_.high[2]);
            nodes.voxel[l] = grid_.voxel(i, j, k);
            nodes.weight[0][l] = inside & (sample_ < count_[l]) ? weight_[l] : 0.0f;
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
    alignas(64) float weight_[LANES], inverse_count_[LANES];
};

class PieceNodes {
   public:
    using Packet = Nodes<2>;

    PieceNodes(const Chord* chords, const Grid& grid, const CellRange& range, double /*step*/)
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
            const int i = place(nodes, 0, l, middle, half), j = place(nodes, 1, l, middle, half);
            const int k = place(nodes, 2, l, middle, half);
            nodes.voxel[l] = grid_.voxel(i, j, k);
            nodes.weight[0][l] = nodes.weight[1][l] = half;
            nodes.fraction[0][l] = (middle - GAUSS * half) * inverse_length_[l];
            nodes.fraction[1][l] = (middle + GAUSS * half) * inverse_length_[l];
            walk_.go(l, step.stop, step.di, step.dj, step.dk);
        }
        walk_.find_left();
        return true;
    }

   private:
    DEEPDRR_FN int place(Packet& nodes, int a, int l, float middle, float half) const {
        const int cell = walk_.cell(a, l);
        const int low = clamp(cell, range_.low[a], range_.high[a]);
        const float enter = walk_.entry[a][l] + (float)(walk_.first[a][l] - low), slope = walk_.slope[a][l];
        nodes.at[0][a][l] = clamp(enter + (middle - GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.at[1][a][l] = clamp(enter + (middle + GAUSS * half) * slope, 0.0f, 1.0f);
        nodes.low[a][l] = low;
        nodes.moves[a][l] = (cell >= 0) & (cell <= grid_.n[a] - 2) ? 1.0f : 0.0f;
        return low;
    }

    Grid grid_;
    CellRange range_;
    PacketWalk<Cells::BETWEEN> walk_;
    alignas(64) float inverse_length_[LANES];
};

}  // namespace deepdrr

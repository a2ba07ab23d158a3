// Marches that give stencils: how a packet of LANES rays moves through the volume.
//
// Each `next` fills one stencil per lane (the voxels to add up and their weights in mm) and says whether any was left.
//
//   Stencil1: one voxel (nearest).            Stencil8: the eight corners of a cell (linear).
//   CellWalk<Stencil>: exact integration.     StepMarch<Stencil>: midpoint samples.
//   NearStencil8: Stencil8 with the nearest of the eight; a CellWalk stops wherever the nearest changes.
//
// `look_ahead` estimates where the packet will be some stencils later: the voxels to bring into the cache by then.
#pragma once

#include "deepdrr/half_cells.h"
#include "deepdrr/midpoints.h"
#include "deepdrr/trilinear.h"
#include "deepdrr/walk.h"
#include "packets/image.h"
#include "packets/values.h"

namespace deepdrr {

struct Stencil1 {
    using Thin = Stencil1;
    static constexpr int corners = 1, parts = 1;
    alignas(64) int voxel[LANES];
    alignas(64) float weight[1][LANES];
};

struct ThinStencil8;

struct Stencil8 {
    using Thin = ThinStencil8;  // for a grid of one voxel along k, where the corners do not come in pairs
    static constexpr int corners = 8, parts = 1;
    alignas(64) int voxel[LANES];  // of the lowest corner
    alignas(64) float weight[8][LANES];
};

struct ThinStencil8 : Stencil8 {};

struct ThinNearStencil8;

struct NearStencil8 : Stencil8 {
    using Thin = ThinNearStencil8;
    static constexpr int parts = 2;  // of a cell along each axis, in which the nearest is one
    alignas(64) int nearest[LANES];
};

struct ThinNearStencil8 : NearStencil8 {};

inline float longest(const float* length) {
    float most = 0.0f;
    DEEPDRR_LANES
    for (int l = 0; l < LANES; ++l) most = greater(most, length[l]);
    return most;
}

// The lowest corner of the cell about a point, wherever that is.
DEEPDRR_FN int nearby(float x, float y, float z, const Grid& grid) {
    return grid.voxel(locate(x, grid.n[0]).low, locate(y, grid.n[1]).low, locate(z, grid.n[2]).low);
}

template <class Stencil>
class CellWalk {
   public:
    CellWalk(const Chord* chords, const Grid& grid, double /*step*/) : grid_(grid) {
        constexpr bool linear = Stencil::corners == 8;
        constexpr int parts = Stencil::parts;
        for (int a = 0; a < 3; ++a)
            for (int l = 0; l < LANES; ++l) {
                const double q = parts * chords[l].entry[a] + (linear ? 0.0 : 0.5);
                const Axis axis = make_axis(q, parts * chords[l].slope[a], linear ? -1 : 0, parts * (grid.n[a] - 1));
                first_[a][l] = axis.first, walked_[a][l] = 0;
                entry_[a][l] = axis.entry, slope_[a][l] = axis.slope, inverse_[a][l] = axis.inverse;
            }
        for (int l = 0; l < LANES; ++l) at_[l] = 0.0f, length_[l] = (float)chords[l].length;
        left_ = longest(length_);
    }

    bool next(Stencil& stencil) {
        if (!(left_ > 0.0f)) return false;
        float left = 0.0f;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float at = at_[l];
            const CellStep step = next_cell(at, length_[l], leaves(0, l), leaves(1, l), leaves(2, l), slope_[0][l],
                                            slope_[1][l], slope_[2][l]);
            fill(stencil, l, at, step.stop);
            walked_[0][l] += step.di, walked_[1][l] += step.dj, walked_[2][l] += step.dk;
            at_[l] = step.stop;
            left_in_lane_[l] = length_[l] - step.stop;
        }
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) left = greater(left, left_in_lane_[l]);
        left_ = left;
        return true;
    }

    void look_ahead(int stencils, int* voxel) const {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float x = slope_[0][l], y = slope_[1][l], z = slope_[2][l];
            const float cells = magnitude(x) + magnitude(y) + magnitude(z);  // that the ray crosses per mm
            const float at = lesser(at_[l] + (float)stencils / greater(cells, 1e-6f), length_[l]);
            constexpr float size = 1.0f / Stencil::parts;
            voxel[l] = nearby(size * (first_[0][l] + entry_[0][l] + at * x), size * (first_[1][l] + entry_[1][l] + at * y),
                              size * (first_[2][l] + entry_[2][l] + at * z), grid_);
        }
    }

   private:
    DEEPDRR_FN float leaves(int a, int l) const {
        return leaves_at(entry_[a][l], slope_[a][l], inverse_[a][l], walked_[a][l]);
    }

    DEEPDRR_FN void fill(Stencil1& stencil, int l, float at, float stop) const {
        const int i = clamp(first_[0][l] + walked_[0][l], 0, grid_.n[0] - 1);
        const int j = clamp(first_[1][l] + walked_[1][l], 0, grid_.n[1] - 1);
        const int k = clamp(first_[2][l] + walked_[2][l], 0, grid_.n[2] - 1);
        stencil.voxel[l] = grid_.voxel(i, j, k);
        stencil.weight[0][l] = stop - at;
    }

    DEEPDRR_FN void fill(Stencil8& stencil, int l, float at, float stop) const {
        const int i = lowest_corner(first_[0][l] + walked_[0][l], grid_.n[0]);
        const int j = lowest_corner(first_[1][l] + walked_[1][l], grid_.n[1]);
        const int k = lowest_corner(first_[2][l] + walked_[2][l], grid_.n[2]);
        const Point enter{entry_[0][l] + (float)(first_[0][l] - i), entry_[1][l] + (float)(first_[1][l] - j),
                          entry_[2][l] + (float)(first_[2][l] - k)};
        const Weights w = gauss_weights(enter, Point{slope_[0][l], slope_[1][l], slope_[2][l]}, at, stop);
        stencil.voxel[l] = grid_.voxel(i, j, k);
        for (int c = 0; c < 8; ++c) stencil.weight[c][l] = w.at[c];
    }

    DEEPDRR_FN void fill(NearStencil8& stencil, int l, float at, float stop) const {
        int low[3], near[3];
        float enter[3];
        for (int a = 0; a < 3; ++a) {
            const int half = first_[a][l] + walked_[a][l];
            low[a] = lowest_corner(cell_of_half(half), grid_.n[a]);
            near[a] = voxel_of_half(half, grid_.n[a]);
            enter[a] = enter_from_half(entry_[a][l], first_[a][l], low[a]);
        }
        const Point slope{0.5f * slope_[0][l], 0.5f * slope_[1][l], 0.5f * slope_[2][l]};
        const Weights w = gauss_weights(Point{enter[0], enter[1], enter[2]}, slope, at, stop);
        stencil.voxel[l] = grid_.voxel(low[0], low[1], low[2]);
        stencil.nearest[l] = grid_.voxel(near[0], near[1], near[2]);
        for (int c = 0; c < 8; ++c) stencil.weight[c][l] = w.at[c];
    }

    Grid grid_;
    float left_;
    alignas(64) float left_in_lane_[LANES];
    alignas(64) float at_[LANES], length_[LANES];
    alignas(64) float entry_[3][LANES], slope_[3][LANES], inverse_[3][LANES];
    alignas(64) int first_[3][LANES], walked_[3][LANES];
};

template <class Stencil>
class StepMarch {
   public:
    StepMarch(const Chord* chords, const Grid& grid, double step) : grid_(grid), sample_(0), samples_(0) {
        for (int l = 0; l < LANES; ++l) {
            const int count = sample_count(chords[l].length, step);
            const double part = count > 0 ? chords[l].length / count : 0.0;
            for (int a = 0; a < 3; ++a) {
                entry_[a][l] = (float)(chords[l].entry[a] + 0.5 * part * chords[l].slope[a]);
                pace_[a][l] = (float)(part * chords[l].slope[a]);
            }
            count_[l] = count, part_[l] = (float)part;
            samples_ = greater(samples_, count);
        }
    }

    bool next(Stencil& stencil) {
        if (sample_ >= samples_) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float k = (float)sample_;
            const float weight = sample_ < count_[l] ? part_[l] : 0.0f;
            fill(stencil, l, entry_[0][l] + k * pace_[0][l], entry_[1][l] + k * pace_[1][l],
                 entry_[2][l] + k * pace_[2][l], weight);
        }
        ++sample_;
        return true;
    }

    void look_ahead(int stencils, int* voxel) const {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float k = (float)lesser(sample_ + stencils, count_[l]);
            voxel[l] = nearby(entry_[0][l] + k * pace_[0][l], entry_[1][l] + k * pace_[1][l],
                              entry_[2][l] + k * pace_[2][l], grid_);
        }
    }

   private:
    DEEPDRR_FN void fill(Stencil1& stencil, int l, float x, float y, float z, float weight) const {
        const int i = (int)clamp(x + 0.5f, 0.0f, (float)(grid_.n[0] - 1));
        const int j = (int)clamp(y + 0.5f, 0.0f, (float)(grid_.n[1] - 1));
        const int k = (int)clamp(z + 0.5f, 0.0f, (float)(grid_.n[2] - 1));
        stencil.voxel[l] = grid_.voxel(i, j, k);
        stencil.weight[0][l] = weight;
    }

    DEEPDRR_FN void fill(Stencil8& stencil, int l, float x, float y, float z, float weight) const {
        const Corner i = locate(x, grid_.n[0]), j = locate(y, grid_.n[1]), k = locate(z, grid_.n[2]);
        const Weights w = corner_weights(i.part, j.part, k.part, weight);
        stencil.voxel[l] = grid_.voxel(i.low, j.low, k.low);
        for (int c = 0; c < 8; ++c) stencil.weight[c][l] = w.at[c];
    }

    Grid grid_;
    int sample_, samples_;
    alignas(64) float entry_[3][LANES], pace_[3][LANES], part_[LANES];
    alignas(64) int count_[LANES];
};

}  // namespace deepdrr

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
#include "march/packet_walk.h"
#include "packets/image.h"
#include "packets/values.h"

namespace deepdrr {

struct Stencil1 {
    using Thin = Stencil1;
    static constexpr int corners = 1;
    static constexpr Cells cells = Cells::VOXELS;
    alignas(64) int voxel[LANES];
    alignas(64) float weight[1][LANES];
};

struct ThinStencil8;

struct Stencil8 {
    using Thin = ThinStencil8;  // for a grid of one voxel along k, where the corners do not come in pairs
    static constexpr int corners = 8;
    static constexpr Cells cells = Cells::BETWEEN;
    alignas(64) int voxel[LANES];  // of the lowest corner
    alignas(64) float weight[8][LANES];
};

struct ThinStencil8 : Stencil8 {};

struct ThinNearStencil8;

struct NearStencil8 : Stencil8 {
    using Thin = ThinNearStencil8;
    static constexpr Cells cells = Cells::HALVES;  // within one, the nearest voxel is the same
    alignas(64) int nearest[LANES];
};

struct ThinNearStencil8 : NearStencil8 {};

// The lowest corner of the cell about a point, wherever that is.
DEEPDRR_FN int nearby(float x, float y, float z, const Grid& grid) {
    return grid.voxel(locate(x, grid.n[0]).low, locate(y, grid.n[1]).low, locate(z, grid.n[2]).low);
}

template <class Stencil>
class CellWalk {
   public:
    CellWalk(const Chord* chords, const Grid& grid, double /*step*/) : grid_(grid), walk_(chords, grid) {}

    bool next(Stencil& stencil) {
        if (!walk_.going()) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const CellStep step = walk_.next(l);
            fill(stencil, l, walk_.at[l], step.stop);
            walk_.go(l, step.stop, step.di, step.dj, step.dk);
        }
        walk_.find_left();
        return true;
    }

    void look_ahead(int stencils, int* voxel) const {
        constexpr float size = 1.0f / Walk::PER_VOXEL;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float x = walk_.slope[0][l], y = walk_.slope[1][l], z = walk_.slope[2][l];
            const float cells = magnitude(x) + magnitude(y) + magnitude(z);  // that the ray crosses per mm
            const float at = lesser(walk_.at[l] + (float)stencils / greater(cells, 1e-6f), walk_.length[l]);
            voxel[l] = nearby(size * (walk_.first[0][l] + walk_.entry[0][l] + at * x),
                              size * (walk_.first[1][l] + walk_.entry[1][l] + at * y),
                              size * (walk_.first[2][l] + walk_.entry[2][l] + at * z), grid_);
        }
    }

   private:
    using Walk = PacketWalk<Stencil::cells>;

    DEEPDRR_FN void fill(Stencil1& stencil, int l, float at, float stop) const {
        const int i = clamp(walk_.cell(0, l), 0, grid_.n[0] - 1);
        const int j = clamp(walk_.cell(1, l), 0, grid_.n[1] - 1);
        const int k = clamp(walk_.cell(2, l), 0, grid_.n[2] - 1);
        stencil.voxel[l] = grid_.voxel(i, j, k);
        stencil.weight[0][l] = stop - at;
    }

    DEEPDRR_FN void fill(Stencil8& stencil, int l, float at, float stop) const {
        const int i = lowest_corner(walk_.cell(0, l), grid_.n[0]);
        const int j = lowest_corner(walk_.cell(1, l), grid_.n[1]);
        const int k = lowest_corner(walk_.cell(2, l), grid_.n[2]);
        const Point enter{walk_.entry[0][l] + (float)(walk_.first[0][l] - i),
                          walk_.entry[1][l] + (float)(walk_.first[1][l] - j),
                          walk_.entry[2][l] + (float)(walk_.first[2][l] - k)};
        const Point slope{walk_.slope[0][l], walk_.slope[1][l], walk_.slope[2][l]};
        const Weights w = gauss_weights(enter, slope, at, stop);
        stencil.voxel[l] = grid_.voxel(i, j, k);
        for (int c = 0; c < 8; ++c) stencil.weight[c][l] = w.at[c];
    }

    DEEPDRR_FN void fill(NearStencil8& stencil, int l, float at, float stop) const {
        int low[3], near[3];
        float enter[3];
        for (int a = 0; a < 3; ++a) {
            const int half = walk_.cell(a, l);
            low[a] = lowest_corner(cell_of_half(half), grid_.n[a]);
            near[a] = voxel_of_half(half, grid_.n[a]);
            enter[a] = enter_from_half(walk_.entry[a][l], walk_.first[a][l], low[a]);
        }
        const Point slope{0.5f * walk_.slope[0][l], 0.5f * walk_.slope[1][l], 0.5f * walk_.slope[2][l]};
        const Weights w = gauss_weights(Point{enter[0], enter[1], enter[2]}, slope, at, stop);
        stencil.voxel[l] = grid_.voxel(low[0], low[1], low[2]);
        stencil.nearest[l] = grid_.voxel(near[0], near[1], near[2]);
        for (int c = 0; c < 8; ++c) stencil.weight[c][l] = w.at[c];
    }

    Grid grid_;
    Walk walk_;
};

template <class Stencil>
class StepMarch {
   public:
    StepMarch(const Chord* chords, const Grid& grid, double step) : grid_(grid), sample_(0), samples_(0) {
        for (int l = 0; l < LANES; ++l) {
            const Midpoints midpoints(chords[l], step);
            for (int a = 0; a < 3; ++a) entry_[a][l] = midpoints.entry[a], pace_[a][l] = midpoints.pace[a];
            count_[l] = midpoints.count, weight_[l] = midpoints.weight;
            samples_ = greater(samples_, midpoints.count);
        }
    }

    bool next(Stencil& stencil) {
        if (sample_ >= samples_) return false;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float k = (float)sample_;
            const float weight = sample_ < count_[l] ? weight_[l] : 0.0f;
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
    alignas(64) float entry_[3][LANES], pace_[3][LANES], weight_[LANES];
    alignas(64) int count_[LANES];
};

}  // namespace deepdrr

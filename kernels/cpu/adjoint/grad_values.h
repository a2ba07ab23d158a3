// Gradients of line integrals with respect to the values: every ray spreads its upstream gradient over the voxels it
// met.
//
// No two threads may write to one voxel, and the order of the sums must not depend on the number of threads. So the
// grid is cut into slabs of cells across its longest axis, always the same ones; one thread adds all rays, in order, to
// a slab. A cell touches voxels of the next slab (a cubic one those of both neighbours), but none of the one after: the
// even slabs are done first, then the odd ones. This needs no memory beside the gradient and two numbers per tile and
// view.
#pragma once

#include <vector>

#include "adjoint/bases.h"
#include "adjoint/ray_gradients.h"
#include "adjoint/spread_march.h"

namespace deepdrr {

constexpr int MOST_SLABS = 32;
constexpr int LEAST_CELLS_PER_SLAB = 4;

struct Slabs {
    Grid grid;
    int axis, cells, count;

    explicit Slabs(const Grid& g) : grid(g), axis(0) {
        for (int a = 1; a < 3; ++a)
            if (g.n[a] > g.n[axis]) axis = a;
        cells = greater(g.n[axis] - 1, 1);
        count = clamp(cells / LEAST_CELLS_PER_SLAB, 1, MOST_SLABS);
    }

    CellRange range(int slab) const {
        CellRange range = CellRange::whole(grid);
        range.low[axis] = (int)((std::int64_t)slab * cells / count);
        range.high[axis] = (int)((std::int64_t)(slab + 1) * cells / count) - 1;
        return range;
    }

    // The slab's extent along the axis; the outer slabs include the outer half voxels.
    double low(int slab) const { return slab == 0 ? -1.0 : range(slab).low[axis]; }
    double high(int slab) const { return slab == count - 1 ? grid.n[axis] : range(slab).high[axis] + 1; }
};

// The part of a chord between two planes of one axis.
DEEPDRR_FN Chord cut(const Chord& chord, int axis, double low, double high) {
    const double slope = chord.slope[axis], at = chord.entry[axis];
    double first = 0.0, last = chord.length;
    if (slope == 0.0) {
        if (!(at >= low && at < high)) last = 0.0;
    } else {
        const double a = (low - at) / slope, b = (high - at) / slope;
        first = greater(first, lesser(a, b));
        last = lesser(last, greater(a, b));
    }
    Chord part = chord;
    for (int a = 0; a < 3; ++a) part.entry[a] += first * chord.slope[a];
    part.length = greater(last - first, 0.0);
    return part;
}

// A march over a packet's part in one slab: samples keep their positions, exact integrals are split at the slab's
// planes.
inline StepNodes march_in(Chord* chords, const Slabs& slabs, int slab, double step, StepNodes*) {
    StepNodes march(chords, slabs.grid, slabs.range(slab), step);
    march.narrow(slabs.axis);
    return march;
}

template <class Pieces>
Pieces march_in(Chord* chords, const Slabs& slabs, int slab, double step, Pieces*) {
    for (int l = 0; l < LANES; ++l) chords[l] = cut(chords[l], slabs.axis, slabs.low(slab), slabs.high(slab));
    return Pieces(chords, slabs.grid, slabs.range(slab), step);
}

struct Extent {
    float low, high;
};

inline Extent extent(const Chord* chords, int axis) {
    Extent extent{1e30f, -1e30f};
    for (int l = 0; l < LANES; ++l) {
        if (!(chords[l].length > 0.0)) continue;
        const double a = chords[l].entry[axis], b = a + chords[l].length * chords[l].slope[axis];
        extent.low = lesser(extent.low, (float)lesser(a, b));
        extent.high = greater(extent.high, (float)greater(a, b));
    }
    return extent;
}

struct Adjoint {
    Affine ijk_from_world;
    Rays rays;
    Image upstream;
    double step;
    Gradient gradient;
};

// The extent of each tile along the slabs' axis: a slab looks only at the tiles that reach it.
inline std::vector<Extent> tile_extents(const Adjoint& job, const Tiling& tiling, int axis, int threads) {
    std::vector<Extent> extents((std::size_t)tiling.count);
    const std::int64_t tasks = (tiling.count + TILES_PER_TASK - 1) / TILES_PER_TASK;
    parallel_for(tasks, threads, [&](std::int64_t task) {
        const std::int64_t end = lesser(tiling.count, (task + 1) * TILES_PER_TASK);
        for (std::int64_t index = task * TILES_PER_TASK; index < end; ++index) {
            Chord chords[LANES];
            tile_chords(job.rays, tiling.at(index), job.ijk_from_world, job.gradient.grid, chords);
            extents[(std::size_t)index] = extent(chords, axis);
        }
    });
    return extents;
}

// Spreads a packet's rays, weights [C, LANES], over a slab: from node to node, or chunk by chunk of midpoint samples.
template <class Marching, class Basis>
struct NodeSpread {
    Basis basis;

    void spread(Chord* chords, const Slabs& slabs, int slab, const Adjoint& job, const float* weights) const {
        Marching march = march_in(chords, slabs, slab, job.step, (Marching*)nullptr);
        typename Marching::Packet nodes;
        while (march.next(nodes)) basis.spread(nodes, weights, job.gradient);
    }
};

struct LinearStepSpread {
    void spread(Chord* chords, const Slabs& slabs, int slab, const Adjoint& job, const float* weights) const {
        const CellRange range = slabs.range(slab);
        SpreadMarch march(chords, slabs.grid, job.step, slabs.axis, range.low[slabs.axis], range.high[slabs.axis]);
        march.spread(weights, job.gradient);
    }
};

template <class Spread>
void spread_slab(const Adjoint& job, const Spread& spread, const Slabs& slabs, int slab,
                 const std::vector<Extent>& extents) {
    const Tiling tiling(job.rays);
    std::vector<float> weights((std::size_t)LANES * (job.upstream.channels + 1));  // the last are 0
    const std::vector<double> ones((std::size_t)job.upstream.channels, 1.0);
    const float low = (float)slabs.low(slab), high = (float)slabs.high(slab);
    for (std::int64_t index = 0; index < tiling.count; ++index) {
        const Extent extent = extents[(std::size_t)index];
        if (extent.high < low - 0.5f || extent.low > high) continue;  // half a voxel for nearest interpolation
        const Tile tile = tiling.at(index);
        Chord chords[LANES];
        tile_chords(job.rays, tile, job.ijk_from_world, job.gradient.grid, chords);
        read_tile(job.upstream, tile, ones.data(), weights.data());
        spread.spread(chords, slabs, slab, job, weights.data());
    }
}

template <class Spread>
void spread_upstream(const Adjoint& job, const Spread& spread, int threads) {
    const Slabs slabs(job.gradient.grid);
    const std::vector<Extent> extents = tile_extents(job, Tiling(job.rays), slabs.axis, threads);
    for (int parity = 0; parity < 2; ++parity)
        parallel_for((slabs.count + 1 - parity) / 2, threads, [&](std::int64_t task) {
            spread_slab(job, spread, slabs, 2 * (int)task + parity, extents);
        });
}

}  // namespace deepdrr

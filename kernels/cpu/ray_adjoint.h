// The adjoint of line integrals by the rays: how sum over channels of upstream * integral changes as a ray's end points
// and limits move. One march per packet; every ray is written by one lane, so any number of threads gives the same bits.
#pragma once

#include <vector>

#include "linear_basis.h"
#include "deepdrr/chord_adjoint.h"

namespace deepdrr {

// Where the gradients go; start, stop may be null.
struct RayGradients {
    double* DEEPDRR_RESTRICT source;  // [B, H, W, 3], world
    double* DEEPDRR_RESTRICT target;  // [B, H, W, 3], world
    double* DEEPDRR_RESTRICT start;   // [B, H, W]
    double* DEEPDRR_RESTRICT stop;    // [B, H, W]

    void write(std::int64_t ray, const WorldGradient& g) const {
        for (int a = 0; a < 3; ++a) source[3 * ray + a] = g.source[a], target[3 * ray + a] = g.target[a];
        if (start) start[ray] = g.start;
        if (stop) stop[ray] = g.stop;
    }
};

// The upstream gradient of a tile [C, LANES], times scale [C]; 0 for lanes outside the image.
inline void read_tile(const Image& upstream, const Tile& tile, const double* scale, float* weights) {
    for (int lane = 0; lane < LANES; ++lane) {
        const std::int64_t row = tile.row + lane / TILE, column = tile.column + lane % TILE;
        const bool inside = row < upstream.height && column < upstream.width;
        for (std::int64_t c = 0; c < upstream.channels; ++c)
            weights[c * LANES + lane] = inside ? (float)(scale[c] * upstream.at(tile.view, c, row, column)) : 0.0f;
    }
}

inline void trace_tile(const Rays& rays, const Tile& tile, const Affine& ijk_from_world, const Grid& grid,
                       TracedChord* traced) {
    const double nowhere[3] = {0, 0, 0};
    for (int lane = 0; lane < LANES; ++lane) {
        const std::int64_t b = tile.view, r = tile.row + lane / TILE, c = tile.column + lane % TILE;
        const bool inside = r < rays.height && c < rays.width;
        const double* source = inside ? rays.source.at(b, r, c) : nowhere;
        const double* target = inside ? rays.target.at(b, r, c) : nowhere;
        double square = 0;
        for (int a = 0; a < 3; ++a) square += (target[a] - source[a]) * (target[a] - source[a]);
        traced[lane] = trace(ijk_from_world, source, target, std::sqrt(square), inside ? *rays.start.at(b, r, c) : 0.0,
                             inside ? *rays.stop.at(b, r, c) : 0.0, grid);
    }
}

struct TileSums {
    alignas(64) float slope[3][LANES], lever[3][LANES], integral[LANES];
};

template <class Packet>
DEEPDRR_FN void collect(const Packet& nodes, const Slopes* slopes, TileSums& sums) {
    for (int n = 0; n < Packet::count; ++n) {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float w = nodes.weight[n][l], wu = w * nodes.along[n][l];
            const float x = slopes[n].x[l] * nodes.moves[0][l], y = slopes[n].y[l] * nodes.moves[1][l];
            const float z = slopes[n].z[l] * nodes.moves[2][l];
            sums.slope[0][l] += w * x, sums.slope[1][l] += w * y, sums.slope[2][l] += w * z;
            sums.lever[0][l] += wu * x, sums.lever[1][l] += wu * y, sums.lever[2][l] += wu * z;
            sums.integral[l] += w * slopes[n].value[l];
        }
    }
}

inline void add_segment(const TileSums& segment, RaySums* total) {
    for (int l = 0; l < LANES; ++l) {
        for (int a = 0; a < 3; ++a) total[l].slope[a] += segment.slope[a][l], total[l].lever[a] += segment.lever[a][l];
        total[l].integral += segment.integral[l];
    }
}

template <class Marching, class Basis, class T>
void march_adjoint(const Chord* chords, const Values<T>& values, const float* weights, double step, RaySums* total) {
    Marching march(chords, values.grid, CellRange::whole(values.grid), step);
    typename Marching::Packet nodes;
    Slopes slopes[Marching::Packet::count];
    for (bool more = true; more;) {
        TileSums segment = {};
        for (int n = 0; n < SEGMENT && (more = march.next(nodes)); ++n) {
            Basis::slopes(values, weights, nodes, slopes);
            collect(nodes, slopes, segment);
        }
        add_segment(segment, total);
    }
}

// The weighted field of lane l at one point, given in voxel coordinates; linear.
template <class T>
double field_at(const Values<T>& values, const float* weights, int l, const double* point) {
    std::int64_t offset[8];
    corner_offsets(values.grid, offset);
    int low[3];
    float part[3], corners[8];
    for (int a = 0; a < 3; ++a) {
        const double inner = clamp(point[a], 0.0, (double)(values.grid.n[a] - 1));
        low[a] = lowest_corner((int)inner, values.grid.n[a]);
        part[a] = (float)(inner - low[a]);
    }
    const int voxel = values.grid.voxel(low[0], low[1], low[2]);
    weighted_corners(values, weights, l, voxel, offset, corners, 1);
    return trilinear_slope(corners, part[0], part[1], part[2]).value;
}

template <class T>
RayGradient finish(const TracedChord& ray, const RaySums& sums, const Values<T>& values, const float* weights, int l,
                   PieceNodes*) {
    double last[3];
    for (int a = 0; a < 3; ++a) last[a] = ray.chord.entry[a] + ray.chord.length * ray.chord.slope[a];
    return exact_gradient(ray, sums, field_at(values, weights, l, ray.chord.entry),
                          field_at(values, weights, l, last));
}

template <class T>
RayGradient finish(const TracedChord& ray, const RaySums& sums, const Values<T>&, const float*, int, StepNodes*) {
    return step_gradient(ray, sums);
}

template <class T>
struct RayJob {
    Values<T> values;
    Affine ijk_from_world;
    Rays rays;
    double step;
    Image upstream;
    RayGradients out;
};

// One tile; adds to `placement` [3, 4] the derivative by ijk_from_world. `weights` is room for [C, LANES].
template <class Marching, class Basis, class T>
void adjoint_tile(const RayJob<T>& job, const Tile& tile, float* weights, double (*placement)[4]) {
    TracedChord traced[LANES];
    Chord chords[LANES];
    RaySums sums[LANES] = {};
    trace_tile(job.rays, tile, job.ijk_from_world, job.values.grid, traced);
    read_tile(job.upstream, tile, job.values.scale, weights);
    for (int l = 0; l < LANES; ++l) chords[l] = traced[l].chord;
    march_adjoint<Marching, Basis>(chords, job.values, weights, job.step, sums);
    for (int l = 0; l < LANES; ++l) {
        const std::int64_t row = tile.row + l / TILE, column = tile.column + l % TILE;
        if (row >= job.rays.height || column >= job.rays.width) continue;
        WorldGradient world = {};
        if (chords[l].length > 0.0)
            world = to_world(finish(traced[l], sums[l], job.values, weights, l, (Marching*)nullptr),
                             job.ijk_from_world, job.rays.source.at(tile.view, row, column),
                             job.rays.target.at(tile.view, row, column), traced[l].length_mm);
        job.out.write((tile.view * job.rays.height + row) * job.rays.width + column, world);
        for (int a = 0; a < 3; ++a)
            for (int x = 0; x < 4; ++x) placement[a][x] += world.ijk_from_world[a][x];
    }
}

struct Placement {
    double m[3][4];
};

// Returns the derivative by ijk_from_world: sums per task, added in the order of the tasks.
template <class Marching, class Basis, class T>
Placement adjoint_by_rays(const RayJob<T>& job, int threads) {
    const Tiling tiling(job.rays);
    const std::int64_t tasks = (tiling.count + TILES_PER_TASK - 1) / TILES_PER_TASK;
    std::vector<Placement> partial((std::size_t)tasks, Placement{});
    parallel_for(tasks, threads, [&](std::int64_t task) {
        std::vector<float> weights((std::size_t)LANES * job.values.channels);
        const std::int64_t end = lesser(tiling.count, (task + 1) * TILES_PER_TASK);
        for (std::int64_t index = task * TILES_PER_TASK; index < end; ++index)
            adjoint_tile<Marching, Basis>(job, tiling.tile(index), weights.data(), partial[(std::size_t)task].m);
    });
    Placement total{};
    for (const Placement& part : partial)
        for (int a = 0; a < 3; ++a)
            for (int x = 0; x < 4; ++x) total.m[a][x] += part.m[a][x];
    return total;
}

}  // namespace deepdrr

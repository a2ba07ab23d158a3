// Gradients of line integrals with respect to the rays: how the sum over channels of upstream * integral changes as a
// ray's end points and limits, and the volume's placement, move.
//
// One lane writes the gradient of a ray. The gradient with respect to ijk_from_world, to which all rays add, is summed
// in the order of fixed tasks: any number of threads gives the same bits.
#pragma once

#include <vector>

#include "adjoint/bases.h"
#include "deepdrr/chord_adjoint.h"
#include "march/nodes.h"
#include "packets/values.h"
#include "parallel.h"

namespace deepdrr {

// Arrays for the gradients; start and stop may be null.
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

// Rays outside the image have no length.
inline void trace_tile(const Rays& rays, const Tile& tile, const Affine& ijk_from_world, const Grid& grid,
                       TracedChord* traced) {
    for (int lane = 0; lane < LANES; ++lane) {
        const std::int64_t b = tile.view, r = tile.row + lane / TILE, c = tile.column + lane % TILE;
        const bool inside = r < rays.height && c < rays.width;
        const PointWorld source = inside ? rays.source.at(b, r, c) : PointWorld{};
        const PointWorld target = inside ? rays.target.at(b, r, c) : PointWorld{};
        traced[lane] = trace(ijk_from_world, source.mm, target.mm, distance_mm(source, target),
                             inside ? *rays.start.at(b, r, c) : 0.0, inside ? *rays.stop.at(b, r, c) : 0.0, grid);
    }
}

struct TileSums {
    alignas(64) float slope[3][LANES], first_moment[3][LANES], integral[LANES];
};

template <class Packet>
DEEPDRR_FN void collect(const Packet& nodes, const Slopes* slopes, TileSums& sums) {
    for (int n = 0; n < Packet::count; ++n) {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const float w = nodes.weight[n][l], wu = w * nodes.fraction[n][l];
            const float x = slopes[n].x[l] * nodes.moves[0][l], y = slopes[n].y[l] * nodes.moves[1][l];
            const float z = slopes[n].z[l] * nodes.moves[2][l];
            sums.slope[0][l] += w * x, sums.slope[1][l] += w * y, sums.slope[2][l] += w * z;
            sums.first_moment[0][l] += wu * x, sums.first_moment[1][l] += wu * y, sums.first_moment[2][l] += wu * z;
            sums.integral[l] += w * slopes[n].value[l];
        }
    }
}

inline void add_segment(const TileSums& segment, RaySums* total) {
    for (int l = 0; l < LANES; ++l) {
        for (int a = 0; a < 3; ++a) {
            total[l].slope[a] += segment.slope[a][l];
            total[l].first_moment[a] += segment.first_moment[a][l];
        }
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

// The rays, and arrays for their gradients.
struct RayTask {
    Affine ijk_from_world;
    Rays rays;
    Grid grid;
    RayGradients out;
};

struct MatrixGradient {
    double m[3][4];  // the gradient with respect to ijk_from_world
};

// Turns the sums of a tile's rays, weighted by the upstream gradient, into their gradients; adds to `grad_matrix`.
template <class SumsOf>
void finish_tile(const RayTask& task, const Tile& tile, const TracedChord* traced, bool exact, const SumsOf& sums_of,
                 MatrixGradient& grad_matrix) {
    for (int l = 0; l < LANES; ++l) {
        const std::int64_t row = tile.row + l / TILE, column = tile.column + l % TILE;
        if (row >= task.rays.height || column >= task.rays.width) continue;
        WorldGradient world = {};
        if (traced[l].chord.length > 0.0) {
            const RaySums sums = sums_of(l);
            world = to_world(exact ? exact_gradient(traced[l], sums) : step_gradient(traced[l], sums),
                             task.ijk_from_world, task.rays.source.at(tile.view, row, column).mm,
                             task.rays.target.at(tile.view, row, column).mm, traced[l].length_mm);
        }
        task.out.write((tile.view * task.rays.height + row) * task.rays.width + column, world);
        for (int a = 0; a < 3; ++a)
            for (int x = 0; x < 4; ++x) grad_matrix.m[a][x] += world.ijk_from_world[a][x];
    }
}

// Runs work(number, grad_matrix) for every number below `count` and sums the matrices in the order of the numbers.
template <class Work>
MatrixGradient sum_matrix_gradients(std::int64_t count, int threads, const Work& work) {
    std::vector<MatrixGradient> partial((std::size_t)count, MatrixGradient{});
    parallel_for(count, threads, [&](std::int64_t number) { work(number, partial[(std::size_t)number]); });
    MatrixGradient total{};
    for (const MatrixGradient& part : partial)
        for (int a = 0; a < 3; ++a)
            for (int x = 0; x < 4; ++x) total.m[a][x] += part.m[a][x];
    return total;
}

// The same for every tile, a few to a task.
template <class Work>
MatrixGradient sum_matrix_gradients_of_tiles(const Rays& rays, int threads, const Work& work) {
    const Tiling tiling(rays);
    return sum_matrix_gradients((tiling.count + TILES_PER_TASK - 1) / TILES_PER_TASK, threads,
                          [&](std::int64_t number, MatrixGradient& grad_matrix) {
                              const std::int64_t end = lesser(tiling.count, (number + 1) * TILES_PER_TASK);
                              for (std::int64_t index = number * TILES_PER_TASK; index < end; ++index)
                                  work(tiling.at(index), grad_matrix);
                          });
}

// Midpoint samples of any basis, tile by tile: for the B-spline.
template <class Basis, class T>
MatrixGradient sampled_grad_rays(const RayTask& task, const Values<T>& values, double step, const Image& upstream,
                          int threads) {
    return sum_matrix_gradients_of_tiles(task.rays, threads, [&](const Tile& tile, MatrixGradient& grad_matrix) {
        TracedChord traced[LANES];
        Chord chords[LANES];
        RaySums sums[LANES] = {};
        std::vector<float> weights((std::size_t)LANES * values.channels);
        trace_tile(task.rays, tile, task.ijk_from_world, task.grid, traced);
        read_tile(upstream, tile, values.scale, weights.data());
        for (int l = 0; l < LANES; ++l) chords[l] = traced[l].chord;
        march_adjoint<StepNodes, Basis>(chords, values, weights.data(), step, sums);
        finish_tile(task, tile, traced, false, [&](int l) { return sums[l]; }, grad_matrix);
    });
}

}  // namespace deepdrr

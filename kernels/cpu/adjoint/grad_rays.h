// Gradients of linear line integrals with respect to the rays.
//
// One march collects the integral and its derivatives, see slope_march.h and piece_march.h; the packets of a bundle
// advance in turn, as in line_integrals.h. Those sums of a single channel do not depend on the upstream gradient: they
// are formed with the integrals, and the gradient needs no march of its own. For several channels, one march goes
// through the sum of the channels, weighted by the upstream gradient.
#pragma once

#include <vector>

#include "adjoint/column_slopes.h"
#include "adjoint/ray_gradients.h"
#include "march/piece_march.h"
#include "march/slab_bundles.h"
#include "march/slope_march.h"

namespace deepdrr {

// Numbers per ray: integral, slope, first moment; for exact integrals also the field at the chord's ends.
constexpr int STEP_SUMS = 7, EXACT_SUMS = 9;

inline void pack(const RaySums& sums, double scale, float* numbers) {
    numbers[0] = (float)(scale * sums.integral);
    for (int a = 0; a < 3; ++a)
        numbers[1 + a] = (float)(scale * sums.slope[a]), numbers[4 + a] = (float)(scale * sums.first_moment[a]);
    numbers[7] = (float)(scale * sums.first), numbers[8] = (float)(scale * sums.last);
}

inline RaySums unpack(const float* numbers, double weight) {
    RaySums sums = {};
    sums.integral = weight * numbers[0];
    for (int a = 0; a < 3; ++a) sums.slope[a] = weight * numbers[1 + a], sums.first_moment[a] = weight * numbers[4 + a];
    sums.first = weight * numbers[7], sums.last = weight * numbers[8];
    return sums;
}

// Marches the packets of a bundle; done(tile, march) follows. field(n) is what packet n of the bundle goes through.
template <class March, class Field, class Done>
void march_bundle(const Rays& rays, const Affine& ijk_from_world, const Grid& grid, double step, const Bundle& bundle,
                  const Field& field, const Done& done) {
    std::vector<Tile> tiles;
    std::vector<March> marches;
    for_each_tile(rays, bundle, [&](const Tile& tile) {
        Chord chords[LANES];
        tile_chords(rays, tile, ijk_from_world, grid, chords);
        tiles.push_back(tile);
        marches.emplace_back(chords, grid, step);
    });
    for (bool more = true; more;) {
        more = false;
        for (std::size_t n = 0; n < marches.size(); ++n) more |= marches[n].advance(field(n));
    }
    for (std::size_t n = 0; n < marches.size(); ++n) done(tiles[n], marches[n]);
}

// The sums of one channel, into `out` [B, 7 or 9, H, W].
template <class March, class T, class Field>
void sum_slopes(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step, const Image& out,
                int threads, const Field& field) {
    const Bundling bundling(rays);
    parallel_for(bundling.count, threads, [&](std::int64_t index) {
        const auto write = [&](const Tile& tile, const March& march) {
            float numbers[LANES][EXACT_SUMS];
            for (int l = 0; l < LANES; ++l) pack(march.sums(l), values.scale[0], numbers[l]);
            for (std::int64_t c = 0; c < out.channels; ++c)
                write_tile(out, tile, c, [&](int l) { return numbers[l][c]; });
        };
        const auto same = [&](std::size_t) -> const Field& { return field; };
        march_bundle<March>(rays, ijk_from_world, values.grid, step, bundling.at(index), same, write);
    });
}

template <class March, class T>
void project_with_slopes(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                         const Image& out, int threads) {
    static const float one[LANES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    if (values.grid.n[2] > 1)
        sum_slopes<March>(values, ijk_from_world, rays, step, out, threads, OneChannel<T>(values));
    else
        sum_slopes<March>(values, ijk_from_world, rays, step, out, threads, WeightedChannels<T, true>(values, one));
}

// The gradients with respect to the rays from such sums and the upstream gradient [B, 1, H, W].
inline MatrixGradient gradients_from_slopes(const RayTask& task, const Image& slopes, const Image& upstream,
                                            int threads) {
    return sum_matrix_gradients_of_tiles(task.rays, threads, [&](const Tile& tile, MatrixGradient& grad_matrix) {
        TracedChord traced[LANES];
        trace_tile(task.rays, tile, task.ijk_from_world, task.grid, traced);
        const auto sums = [&](int l) {
            const std::int64_t row = tile.row + l / TILE, column = tile.column + l % TILE;
            float numbers[EXACT_SUMS] = {};
            for (std::int64_t c = 0; c < slopes.channels; ++c) numbers[c] = slopes.at(tile.view, c, row, column);
            return unpack(numbers, upstream.at(tile.view, 0, row, column));
        };
        finish_tile(task, tile, traced, slopes.channels == EXACT_SUMS, sums, grad_matrix);
    });
}

// Marches every packet through a field of its own, field_of(weights), where weights [C + 1, LANES] are the packet's
// upstream gradients times scale [C], and 0 at last.
template <class March, class FieldOf>
MatrixGradient march_weighted(const RayTask& task, const double* scale, double step, const Image& upstream, int threads,
                              const FieldOf& field_of) {
    using Field = decltype(field_of(nullptr));
    const Bundling bundling(task.rays);
    return sum_matrix_gradients(bundling.count, threads, [&](std::int64_t index, MatrixGradient& grad_matrix) {
        const Bundle bundle = bundling.at(index);
        std::vector<std::vector<float>> weights;
        std::vector<Field> fields;
        for_each_tile(task.rays, bundle, [&](const Tile& tile) {
            weights.emplace_back((std::size_t)LANES * (upstream.channels + 1));
            read_tile(upstream, tile, scale, weights.back().data());
            fields.push_back(field_of(weights.back().data()));
        });
        const auto finish = [&](const Tile& tile, const March& march) {
            TracedChord traced[LANES];
            trace_tile(task.rays, tile, task.ijk_from_world, task.grid, traced);
            finish_tile(task, tile, traced, March::exact, [&](int l) { return march.sums(l); }, grad_matrix);
        };
        const auto own = [&](std::size_t n) -> const Field& { return fields[n]; };
        march_bundle<March>(task.rays, task.ijk_from_world, task.grid, step, bundle, own, finish);
    });
}

template <class March, bool THIN, class T>
MatrixGradient march_grad_rays(const RayTask& task, const Values<T>& values, double step, const Image& upstream,
                               int threads) {
    const auto channels = [&](const float* weights) { return WeightedChannels<T, THIN>(values, weights); };
    return march_weighted<March>(task, values.scale, step, upstream, threads, channels);
}

// The gradients with respect to the rays for any number of channels, upstream [B, C, H, W].
template <class March, class T>
MatrixGradient linear_grad_rays(const RayTask& task, const Values<T>& values, double step, const Image& upstream,
                         int threads) {
    if (values.grid.n[2] > 1) return march_grad_rays<March, false>(task, values, step, upstream, threads);
    return march_grad_rays<March, true>(task, values, step, upstream, threads);
}

// The tiles whose rays have no axis in common.
template <bool THIN, class T>
void march_alone(const RayTask& task, const Values<T>& values, const Image& upstream, const std::vector<LoneTile>& tiles,
                 MatrixGradient& grad_matrix) {
    for (const LoneTile& lone : tiles) {
        std::vector<float> weights((std::size_t)LANES * (upstream.channels + 1));
        read_tile(upstream, lone.tile, values.scale, weights.data());
        const WeightedChannels<T, THIN> field(values, weights.data());
        PieceMarch march(lone.chords, values.grid, 0.0);
        while (march.advance(field)) {}
        TracedChord traced[LANES];
        trace_tile(task.rays, lone.tile, task.ijk_from_world, task.grid, traced);
        finish_tile(task, lone.tile, traced, true, [&](int l) { return march.sums(l); }, grad_matrix);
    }
}

// The gradients of exact integrals with respect to the rays for any number of channels, upstream [B, C, H, W].
template <class T>
MatrixGradient exact_grad_rays(const RayTask& task, const Values<T>& values, double /*step*/, const Image& upstream,
                               int threads) {
    const Bundling bundling(task.rays);
    return sum_matrix_gradients(bundling.count, threads, [&](std::int64_t index, MatrixGradient& grad_matrix) {
        Columns columns;
        BundleRays<SlopePacket> bundle(task.rays, bundling.at(index), task.ijk_from_world, values.grid);
        std::vector<float> weights((std::size_t)LANES * (upstream.channels + CHANNELS));
        for (int first = 0; first < values.channels; first += CHANNELS) {
            bundle.for_each_packet([&](SlopePacket& packet) {
                read_tile(upstream, packet.tile, values.scale, weights.data());
                packet.weigh(weights.data() + (std::size_t)first * LANES);
            });
            bundle.march(values, first, lesser(values.channels - first, CHANNELS), columns);
        }
        bundle.for_each_packet([&](const SlopePacket& packet) {
            TracedChord traced[LANES];
            trace_tile(task.rays, packet.tile, task.ijk_from_world, task.grid, traced);
            finish_tile(task, packet.tile, traced, true, [&](int l) { return packet.sums(l); }, grad_matrix);
        });
        if (values.grid.n[2] > 1)
            march_alone<false>(task, values, upstream, bundle.alone, grad_matrix);
        else
            march_alone<true>(task, values, upstream, bundle.alone, grad_matrix);
    });
}

}  // namespace deepdrr

// Line integrals of a linear field, exact.
//
// The rays of a bundle that follow one axis of the grid share the moments of the columns of voxels that they pass
// (columns.h); each ray then takes a step per column, not per cell (column_integrals.h). Other rays walk from cell to cell
// (line_integrals.h).
#pragma once

#include <vector>

#include "forward/column_integrals.h"
#include "forward/line_integrals.h"
#include "march/slab_bundles.h"

namespace deepdrr {

// A tile whose rays follow the main axis.
struct IntegralPacket {
    static constexpr bool has_ends = false;

    Tile tile;
    SlabRays rays;
    alignas(16) float total[LANES][CHANNELS] = {};

    IntegralPacket(const Tile& of, const Chord* chords, const SlabAxes& axes) : tile(of), rays(chords, axes) {}

    void add(const Columns& columns, int /*first*/, int slabs, const SlabPlaces& places) {
        for (int g = 0; g < LANES / GROUP; ++g) {
            Row sums[GROUP];
            for (Row& sum : sums) sum = row_of(0.0f);
            ColumnIntegrals(columns, slabs, places, g).add(sums);
            for (int l = 0; l < GROUP; ++l) {
                float* to = total[g * GROUP + l];
                store_row(to, load_row(to) + sums[l]);
            }
        }
    }
};

// The packets whose rays have no axis in common; they take turns, so that they pass through the volume side by side.
template <class Walk, class T>
void walk_alone(const Values<T>& values, int first, int count, const std::vector<LoneTile>& tiles, const Image& image) {
    std::vector<Walk> walks;
    for (const LoneTile& lone : tiles) {
        Pixels pixels(lone.tile.view);
        for (int l = 0; l < LANES; ++l) pixels.add(lone.tile.row + l / TILE, lone.tile.column + l % TILE);
        walks.emplace_back(pixels, lone.chords, values.grid, 0.0);
    }
    std::int64_t offset[8];
    corner_offsets(values.grid, offset);
    for (bool more = !walks.empty(); more;) {
        more = false;
        for (Walk& walk : walks) more |= walk.advance(values, first, count, offset);
    }
    for (std::size_t n = 0; n < walks.size(); ++n)
        for (int c = 0; c < count; ++c)
            write_tile(image, tiles[n].tile, first + c,
                       [&](int l) { return (float)(values.scale[first + c] * walks[n].result(c, l)); });
}

template <class Walk, class T>
void project_exact_with(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, const Image& image,
                        int threads) {
    const Bundling bundling(rays);
    parallel_for_with<Columns>(bundling.count, threads, [&](std::int64_t index, Columns& columns) {
        for (int first = 0; first < values.channels; first += CHANNELS) {
            const int count = lesser(values.channels - first, CHANNELS);
            BundleRays<IntegralPacket> bundle(rays, bundling.at(index), ijk_from_world, values.grid);
            bundle.march(values, first, count, columns);
            bundle.for_each_packet([&](const IntegralPacket& packet) {
                for (int c = 0; c < count; ++c)
                    write_tile(image, packet.tile, first + c, [&](int l) {
                        return (float)(values.scale[first + c] * (double)packet.rays.mm(l) * packet.total[l][c]);
                    });
            });
            walk_alone<Walk>(values, first, count, bundle.alone, image);
        }
    });
}

template <class T>
void project_exact(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double /*step*/,
                   const Image& image, int threads) {
    if (values.grid.n[2] == 1)
        project_exact_with<PacketState<ThinStencil8, CellWalk>>(values, ijk_from_world, rays, image, threads);
    else
        project_exact_with<PacketState<Stencil8, CellWalk>>(values, ijk_from_world, rays, image, threads);
}

}  // namespace deepdrr

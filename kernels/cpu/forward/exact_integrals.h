// Line integrals of a linear field, exact.
//
// Where pixels are finer than voxels or not much coarser, the rays of a packet are in the same few cells and share them
// (cell_integrals.h); other packets walk from cell to cell, each ray through its own (line_integrals.h). The packets of a
// bundle take turns, so that they pass through the volume side by side.
#pragma once

#include <vector>

#include "forward/cell_integrals.h"
#include "forward/line_integrals.h"

namespace deepdrr {

// One tile or two neighbors of a row, whose rays march through shared cells.
template <int TILES>
class CellPacket {
    static constexpr int WIDTH = TILES * LANES;

   public:
    Tile tile;  // the first

    CellPacket(const Tile& of, const Chord* chords, int main, const Grid& grid)
        : tile(of), axes_(SlabAxes::along(main)), march_(chords, axes_, grid) {}

    // A block further; false where there is none.
    template <class T>
    bool advance(const Values<T>& values, int channel, int count) {
        SlabBlock<WIDTH> block;
        if (!march_.next(block)) return false;
        Summand<WIDTH, T> channels[CHANNELS];
        int which[CHANNELS], found = 0;
        for (int c = 0; c < count; ++c)
            if (occupied(values, block, channel + c)) {
                channels[found].data = values.channel(channel + c), which[found] = c;
                for (float& sum : channels[found].sum) sum = 0.0f;
                ++found;
            }
        if (found > 0) SlabSums<WIDTH, T>(values.grid, axes_, block, channels, found).add();
        for (int n = 0; n < found; ++n)
            for (int l = 0; l < WIDTH; ++l) total_[which[n]][l] += channels[n].sum[l];
        return true;
    }

    // Writes channel c of the packet times scale to the pixels inside the image.
    void write(const Image& image, int channel, int c, double scale) const {
        for (int t = 0; t < TILES; ++t)
            write_tile(image, {tile.view, tile.row, tile.column + t * TILE}, channel, [&](int l) {
                const float mm = march_.mm(t * LANES + l);
                return mm > 0.0f ? (float)(scale * (double)mm * total_[c][t * LANES + l]) : 0.0f;
            });
    }

   private:
    // Whether a channel may hold anything but zeros in the cells of a block of slabs.
    template <class T>
    bool occupied(const Values<T>& values, const SlabBlock<WIDTH>& block, int channel) const {
        const Blocks<T> blocks(values);
        if (!blocks.known()) return true;
        int low[3], high[3];
        low[axes_.main] = block.first, high[axes_.main] = block.first + block.count - 1;
        for (int c = 0; c < 2; ++c) {
            int least = block.from[c][0], most = block.to[c][0];
            for (int slab = 1; slab < block.count; ++slab)
                least = lesser(least, block.from[c][slab]), most = greater(most, block.to[c][slab]);
            low[axes_.across[c]] = least, high[axes_.across[c]] = most;
        }
        for (int a = 0; a < 3; ++a)
            low[a] = lowest_corner(low[a], values.grid.n[a]), high[a] = lowest_corner(high[a], values.grid.n[a]);
        return blocks.any(channel, low, high);
    }

    SlabAxes axes_;
    SlabMarch<WIDTH> march_;
    alignas(64) float total_[CHANNELS][WIDTH] = {};
};

// Packets whose rays share their cells to this degree march together: cells of a slab that all lanes of a packet touch,
// for each that one ray touches. Two tiles side by side were faster at 0.1 mm pixels and slower at 0.3 mm, of a CT of
// 1.5 x 1.5 x 3 mm. The bound for one tile is a guess: at 0.6 mm sharing still wins; coarser pixels were not timed.
constexpr double MOST_SHARED_BY_TWO = 1.8, MOST_SHARED = 8.0;

template <class Walk>
class ExactBundle {
   public:
    ExactBundle(const Rays& rays, const Bundle& bundle, const Affine& ijk_from_world, const Grid& grid) {
        const std::int64_t down = lesser(rays.height, bundle.row + Bundling::side);
        const std::int64_t across = lesser(rays.width, bundle.column + Bundling::side);
        for (std::int64_t row = bundle.row; row < down; row += TILE)
            for (std::int64_t column = bundle.column; column < across; column += 2 * TILE) {
                Chord chords[2 * LANES];
                const Tile tiles[2] = {{bundle.view, row, column}, {bundle.view, row, column + TILE}};
                for (int t = 0; t < 2; ++t) tile_chords(rays, tiles[t], ijk_from_world, grid, chords + t * LANES);
                add(rays, tiles, chords, grid);
            }
    }

    template <class T>
    void march(const Values<T>& values, int first, int count) {
        std::int64_t offset[8];
        corner_offsets(values.grid, offset);
        for (bool more = true; more;) {
            more = false;
            for (auto& packet : pairs_) more |= packet.advance(values, first, count);
            for (auto& packet : singles_) more |= packet.advance(values, first, count);
            for (Walk& walk : walks_) more |= walk.advance(values, first, count, offset);
        }
    }

    void write(const Image& image, int first, int count, const double* scale) const {
        for (int c = 0; c < count; ++c) {
            for (const auto& packet : pairs_) packet.write(image, first + c, c, scale[first + c]);
            for (const auto& packet : singles_) packet.write(image, first + c, c, scale[first + c]);
            for (const Walk& walk : walks_)
                write_tile(image, {walk.pixels.view, walk.pixels.row[0], walk.pixels.column[0]}, first + c,
                           [&](int l) { return (float)(scale[first + c] * walk.result(c, l)); });
        }
    }

   private:
    void add(const Rays& rays, const Tile (&tiles)[2], const Chord* chords, const Grid& grid) {
        const Coherence both(chords, 2 * LANES);
        if (both.main >= 0 && both.shared <= MOST_SHARED_BY_TWO * both.own) {
            pairs_.emplace_back(tiles[0], chords, both.main, grid);
            return;
        }
        for (int t = 0; t < 2; ++t)
            if (tiles[t].column < rays.width) add(tiles[t], chords + t * LANES, grid);
    }

    void add(const Tile& tile, const Chord* chords, const Grid& grid) {
        const Coherence coherence(chords, LANES);
        if (coherence.main >= 0 && coherence.shared <= MOST_SHARED * coherence.own) {
            singles_.emplace_back(tile, chords, coherence.main, grid);
            return;
        }
        Pixels pixels(tile.view);
        for (int l = 0; l < LANES; ++l) pixels.add(tile.row + l / TILE, tile.column + l % TILE);
        walks_.emplace_back(pixels, chords, grid, 0.0);
    }

    std::vector<CellPacket<2>> pairs_;
    std::vector<CellPacket<1>> singles_;
    std::vector<Walk> walks_;
};

template <class Walk, class T>
void project_exact_with(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, const Image& image,
                        int threads) {
    const Bundling bundling(rays);
    parallel_for(bundling.count, threads, [&](std::int64_t index) {
        for (int first = 0; first < values.channels; first += CHANNELS) {
            const int count = lesser(values.channels - first, CHANNELS);
            ExactBundle<Walk> bundle(rays, bundling.at(index), ijk_from_world, values.grid);
            bundle.march(values, first, count);
            bundle.write(image, first, count, values.scale);
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

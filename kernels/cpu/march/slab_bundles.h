// Bundles of rays on their way along the main axis, a block of slabs at a time; and the rays that follow none.
//
// A packet is a tile with its rays, `SlabRays rays`, and what `add(columns, first, slabs, places)` makes of a block.
#pragma once

#include <vector>

#include "march/columns.h"
#include "packets/blocks.h"

namespace deepdrr {

template <class Packet>
class SlabBundle {
   public:
    std::vector<Packet> packets;

    explicit SlabBundle(const SlabAxes& axes) : axes_(axes) {}

    // A block of slabs of up to CHANNELS channels of the values.
    template <class T>
    void march(const Values<T>& values, int first_channel, int channels, int first, int slabs, Columns& columns) {
        places_.resize(packets.size());
        CellBox box;
        bool inside = Packet::has_ends;
        for (std::size_t n = 0; n < packets.size(); ++n) {
            packets[n].rays.place(first, slabs, places_[n]);
            box.add(places_[n]);
            inside |= places_[n].any_ends(slabs);
        }
        if (box.empty()) return;
        for (int c = 0; c < 2; ++c) box.clip(c, values.grid.n[axes_.across[c]]);
        if (!occupied(values, first_channel, channels, first, slabs, box)) return;
        columns.build(values, first_channel, channels, axes_, first, slabs, box, inside);
        for (std::size_t n = 0; n < packets.size(); ++n) packets[n].add(columns, first, slabs, places_[n]);
    }

   private:
    // Whether any channel may hold anything but zeros in the cells of a block of slabs.
    template <class T>
    bool occupied(const Values<T>& values, int first_channel, int channels, int first, int slabs, const CellBox& box) const {
        const Blocks<T> blocks(values);
        if (!blocks.known()) return true;
        int low[3], high[3];
        low[axes_.main] = first, high[axes_.main] = first + slabs - 1;
        for (int c = 0; c < 2; ++c) low[axes_.across[c]] = box.low[c], high[axes_.across[c]] = box.high[c];
        for (int a = 0; a < 3; ++a)
            low[a] = lowest_corner(low[a], values.grid.n[a]), high[a] = lowest_corner(high[a], values.grid.n[a]);
        for (int c = 0; c < channels; ++c)
            if (blocks.any(first_channel + c, low, high)) return true;
        return false;
    }

    SlabAxes axes_;
    std::vector<SlabPlaces> places_;
};

// A tile whose rays have no axis in common.
struct LoneTile {
    Tile tile;
    Chord chords[LANES];
};

// The rays of a bundle: in parts that follow the main axis together, or alone.
template <class Packet>
class BundleRays {
   public:
    std::vector<LoneTile> alone;

    BundleRays(const Rays& rays, const Bundle& bundle, const Affine& ijk_from_world, const Grid& grid) {
        std::vector<LoneTile> tiles;
        CommonAxis common;
        for_each_tile(rays, bundle, [&](const Tile& tile) {
            tiles.push_back({tile, {}});
            tile_chords(rays, tile, ijk_from_world, grid, tiles.back().chords);
            for (const Chord& chord : tiles.back().chords) common.add(chord);
        });
        const SlabAxes axes = SlabAxes::along(common.main());
        const int parts = parts_of(tiles, axes), tiles_of_part = (BUNDLE + parts - 1) / parts;
        together_.assign((std::size_t)(parts * parts), SlabBundle<Packet>(axes));
        for (const LoneTile& tile : tiles) {
            const std::int64_t down = (tile.tile.row - bundle.row) / TILE / tiles_of_part;
            const std::int64_t across = (tile.tile.column - bundle.column) / TILE / tiles_of_part;
            auto& part = together_[(std::size_t)(down * parts + across)];
            if (all_follow(tile, axes))
                part.packets.emplace_back(tile.tile, tile.chords, axes);
            else
                alone.push_back(tile);
        }
    }

    // The parts go side by side: what one has read of the volume is still at hand for the next.
    template <class T>
    void march(const Values<T>& values, int first, int count, Columns& columns) {
        double begin = 1e9, end = -1e9, steepest = 0.0;
        for_each_packet([&](const Packet& packet) {
            for (int l = 0; l < LANES; ++l) {
                begin = lesser(begin, packet.rays.enter(l)), end = greater(end, packet.rays.leave(l));
                for (int c = 0; c < 2; ++c) steepest = greater(steepest, magnitude(packet.rays.pace(c, l)));
            }
        });
        const int slabs = slabs_of_block(steepest), last = (int)std::ceil(end);
        for (int slab = (int)std::floor(begin); slab < last; slab += slabs)
            for (auto& part : together_)
                if (!part.packets.empty()) part.march(values, first, count, slab, lesser(slabs, last - slab), columns);
    }

    // Calls work(packet) for all that go together.
    template <class Work>
    void for_each_packet(const Work& work) {
        for (auto& part : together_)
            for (Packet& packet : part.packets) work(packet);
    }

   private:
    // Polynomials are carried on to the end of a block: the fewer cells that is, the less of them is rounded off. Where
    // pixels are coarse, rays make little use of a longer block's columns.
    int slabs_of_block(double steepest) const {
        const int most = together_.size() > 1 ? 16 : 24;
        return lesser(most, steepest <= 0.15 ? 24 : steepest <= 0.4 ? 12 : steepest <= 0.8 ? 6 : 4);
    }

    // Of 24 slabs, 100 columns take 320 KB: those of a part shall stay in a processor's own cache.
    static constexpr double MOST_COLUMNS = 100.0;

    static bool all_follow(const LoneTile& tile, const SlabAxes& axes) {
        for (const Chord& chord : tile.chords)
            if (chord.length > 0.0 && !follows(chord, axes)) return false;
        return true;
    }

    // Into how many parts each side of a bundle is divided.
    static int parts_of(const std::vector<LoneTile>& tiles, const SlabAxes& axes) {
        double low[2] = {1e9, 1e9}, high[2] = {-1e9, -1e9};
        for (const LoneTile& tile : tiles)
            for (const Chord& chord : tile.chords)
                for (int c = 0; c < 2 && chord.length > 0.0; ++c) {
                    const int a = axes.across[c];
                    const double middle = chord.entry[a] + 0.5 * chord.length * chord.slope[a];
                    low[c] = lesser(low[c], middle), high[c] = greater(high[c], middle);
                }
        int parts = 1;
        const auto columns = [&] { return ((high[0] - low[0]) / parts + 3) * ((high[1] - low[1]) / parts + 3); };
        while (parts < BUNDLE && columns() > MOST_COLUMNS) ++parts;
        return parts;
    }

    std::vector<SlabBundle<Packet>> together_;
};

}  // namespace deepdrr

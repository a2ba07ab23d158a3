// Which blocks of a channel are occupied, that is, hold anything but zeros: a march skips the others.
//
// A block is SIDE x SIDE rows of cells; along k it is as long as needed for at most 32 blocks in a row, 8 cells at
// least. Its bit says whether any corner of its cells is not zero. Materials and labels that share a volume leave most
// blocks of most channels empty.
#pragma once

#include <bitset>
#include <cstdint>

#include "deepdrr/scalar.h"
#include "packets/values.h"
#include "parallel.h"

namespace deepdrr {

// The shape of the map of a grid: words [C, I / SIDE, J / SIDE] of a bit per block along k.
struct BlockGrid {
    static constexpr int SIDE = 8;
    int down, across, along, shift;  // blocks along i, j and k

    explicit BlockGrid(const Grid& grid)
        : down((grid.n[0] + SIDE - 1) / SIDE), across((grid.n[1] + SIDE - 1) / SIDE), shift(3) {
        while ((grid.n[2] - 1) >> shift > 31) ++shift;
        along = ((grid.n[2] - 1) >> shift) + 1;
    }

    DEEPDRR_FN int word(int i, int j) const { return i / SIDE * across + j / SIDE; }

    // The bits of cells low .. high along k.
    DEEPDRR_FN std::uint32_t bits(int low, int high) const { return (2u << (high >> shift)) - (1u << (low >> shift)); }
};

// The map of values, if there is one.
template <class T>
class Blocks {
   public:
    explicit Blocks(const Values<T>& values) : blocks_(values.grid), map_(values.blocks) {}

    bool known() const { return map_ != nullptr; }
    const BlockGrid& grid() const { return blocks_; }
    const std::uint32_t* channel(int c) const { return map_ + (std::int64_t)c * blocks_.down * blocks_.across; }

    // Whether any of a channel's blocks that hold cells low [3] to high [3] is occupied.
    bool any(int c, const int* low, const int* high) const {
        const std::uint32_t* map = channel(c);
        const int first = blocks_.word(low[0], low[1]), last = blocks_.word(high[0], low[1]);
        const int across = high[1] / BlockGrid::SIDE - low[1] / BlockGrid::SIDE;
        std::uint32_t held = 0;
        for (int row = first; row <= last; row += blocks_.across)
            for (int word = row; word <= row + across; ++word) held |= map[word];
        return (held & blocks_.bits(low[2], high[2])) != 0;
    }

   private:
    BlockGrid blocks_;
    const std::uint32_t* map_;
};

// A bit per block of a row of voxels: whether one of them, or the one after the last, is not zero.
template <class T>
std::uint32_t blocks_of_row(const T* row, int n, int shift) {
    std::uint32_t bits = 0;
    for (int block = 0; block << shift < n; ++block) {
        int any = 0;
        for (int k = block << shift; k < lesser((block + 1) << shift, n); ++k) any |= row[k] != T(0);
        bits |= (std::uint32_t)any << block;
        if (block > 0 && row[block << shift] != T(0)) bits |= 1u << (block - 1);
    }
    return bits;
}

// Fills a map that is zero.
template <class T>
void find_blocks(const Values<T>& values, std::uint32_t* map, int threads) {
    const Grid& grid = values.grid;
    const BlockGrid blocks(grid);
    constexpr int side = BlockGrid::SIDE;
    parallel_for(blocks.down, threads, [&](std::int64_t down) {
        const int first = side * (int)down, last = lesser(first + side, grid.n[0] - 1);
        for (int c = 0; c < values.channels; ++c) {
            std::uint32_t* words = map + (c * (std::int64_t)blocks.down + down) * blocks.across;
            for (int i = first; i <= last; ++i)
                for (int j = 0; j < grid.n[1]; ++j) {
                    const T* row = values.channel(c) + (std::int64_t)i * grid.plane + (std::int64_t)j * grid.row;
                    const std::uint32_t bits = blocks_of_row(row, grid.n[2], blocks.shift);
                    for (int low = greater(j - 1, 0); low <= j; ++low) words[low / side] |= bits;
                }
        }
    });
}

// The share of blocks that are occupied, of a map with this many words.
inline double occupied_share(const std::uint32_t* map, std::int64_t words, const BlockGrid& blocks) {
    std::int64_t occupied = 0;
    for (std::int64_t w = 0; w < words; ++w) occupied += (std::int64_t)std::bitset<32>(map[w]).count();
    return (double)occupied / (double)(words * blocks.along);
}

}  // namespace deepdrr

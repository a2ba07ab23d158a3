// Which blocks of a channel hold anything but zeros: what a march need not read.
//
// A block is SIDE x SIDE rows of cells, and as many cells along k as make 32 blocks of a row, 16 at least. Its bit says
// whether any corner of its cells is not zero. Materials and labels that share a volume leave most blocks of most
// channels empty.
#pragma once

#include <cstdint>

#include "deepdrr/scalar.h"
#include "parallel.h"
#include "values.h"

namespace deepdrr {

// The shape of the map of a grid: words [I / SIDE, J / SIDE, C] of a bit per block along k.
struct BlockGrid {
    static constexpr int SIDE = 4;
    int down, across, shift;

    explicit BlockGrid(const Grid& grid)
        : down((grid.n[0] + SIDE - 1) / SIDE), across((grid.n[1] + SIDE - 1) / SIDE), shift(4) {
        while ((grid.n[2] - 1) >> shift > 31) ++shift;
    }

    int word(int i, int j) const { return i / SIDE * across + j / SIDE; }

    // The bits of cells low .. high along k.
    std::uint32_t bits(int low, int high) const { return (2u << (high >> shift)) - (1u << (low >> shift)); }
};

// Whether cells hold anything: always where there is no map.
template <class T>
class Blocks {
   public:
    explicit Blocks(const Values<T>& values) : blocks_(values.grid), map_(values.blocks), channels_(values.channels) {}

    bool known() const { return map_ != nullptr; }
    const BlockGrid& grid() const { return blocks_; }
    std::uint32_t word(int channel, int at) const { return map_[at * channels_ + channel]; }

   private:
    BlockGrid blocks_;
    const std::uint32_t* map_;
    int channels_;
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
        for (int c = 0; c < values.channels; ++c)
            for (int i = first; i <= last; ++i)
                for (int j = 0; j < grid.n[1]; ++j) {
                    const T* row = values.channel(c) + (std::int64_t)i * grid.plane + (std::int64_t)j * grid.row;
                    const std::uint32_t bits = blocks_of_row(row, grid.n[2], blocks.shift);
                    for (int low = greater(j - 1, 0); low <= j; ++low)
                        map[blocks.word(first, low) * values.channels + c] |= bits;
                }
    });
}

}  // namespace deepdrr

// The sum of a linear field over midpoint samples along the rays of a packet, for up to CHANNELS channels in one march.
#pragma once

#include "march/cells.h"
#include "march/sample_positions.h"
#include "packets/blocks.h"

namespace deepdrr {

class ValueMarch : SamplePositions<16, 22> {
   public:
    Pixels pixels;

    // The grid has more than one voxel along k.
    ValueMarch(const Pixels& of, const Chord* chords, const Grid& grid, double step)
        : SamplePositions(chords, grid, step), pixels(of), apart_(fastest_ < 1.5 ? 2 : 1) {}

    // One chunk of `count` channels from `channel`; false where it was the last.
    template <class T>
    bool advance(const Values<T>& values, int channel, int count, const std::int64_t* offset) {
        if (sample_ >= samples_) return false;
        Positions positions;
        const bool interior = place(positions);
        const Blocks<T> blocks(values);
        const unsigned occupied = sample_ > 0 ? occupied_ : occupied_channels(blocks, positions, 0, channel, count);
        occupied_ = occupied_channels(blocks, positions, chunk_, channel, count);
        for (int first = 0; first < LANES; first += GROUP)
            if (interior)
                run<true>(values, channel, count, offset, positions, first, occupied);
            else
                run<false>(values, channel, count, offset, positions, first, occupied);
        sample_ += chunk_;
        return sample_ < samples_;
    }

    double result(int c, int l) const { return part_[l] * sum_[c][l]; }

   private:
    // A bit per channel: whether any sample of this chunk (from 0) or of the next (from CHUNK) lies in an occupied
    // block.
    template <class T>
    unsigned occupied_channels(const Blocks<T>& blocks, const Positions& positions, int from, int channel,
                               int count) const {
        if (!blocks.known() || chunk_ == 1) return ~0u;
        int low[3], high[3];
        for (int a = 0; a < 3; ++a) cells_of_chunk(positions, a, from, low[a], high[a]);
        const BlockGrid& grid = blocks.grid();
        const std::uint32_t bits = grid.bits(low[2], high[2]);
        const int first = grid.word(low[0], low[1]), last = grid.word(high[0], low[1]);
        const int across = high[1] / BlockGrid::SIDE - low[1] / BlockGrid::SIDE;
        unsigned occupied = 0;
        for (int c = 0; c < count; ++c) {
            const std::uint32_t* map = blocks.channel(channel + c);
            std::uint32_t held = 0;
            for (int row = first; row <= last; row += grid.across)
                for (int word = row; word <= row + across; ++word) held |= map[word];
            occupied |= (unsigned)((held & bits) != 0) << c;
        }
        return occupied;
    }

    // The cells along an axis that hold the samples `from` to `from` + CHUNK of all lanes.
    void cells_of_chunk(const Positions& positions, int a, int from, int& low, int& high) const {
        const int highest = lowest_corner(grid_.n[a] - 1, grid_.n[a]);
        int least = highest, most = 0;
        for (int l = 0; l < LANES; ++l) {
            const int at = positions.at[a][l], pace = positions.pace[a][l];
            const int one = positions.cell[a][l] + ((at + from * pace) >> bits_);
            const int other = positions.cell[a][l] + ((at + (from + chunk_ - 1) * pace) >> bits_);
            least = lesser(least, lesser(one, other)), most = greater(most, greater(one, other));
        }
        low = greater(least, 0), high = lesser(most, highest);
    }

    template <class T>
    DEEPDRR_FN static Floats value(const T* at, const std::int64_t* offset, Ints voxel, Floats x, Floats y, Floats z) {
        const auto row = [&](int corner) {
            const Pair pair = fetch_pair(at + offset[corner], voxel);
            return pair.low + z * (pair.high - pair.low);
        };
        const Floats a = row(0), b = row(2), c = row(4), d = row(6);
        const Floats low = a + y * (b - a), high = c + y * (d - c);
        return low + x * (high - low);
    }

    template <bool INTERIOR, class T>
    DEEPDRR_FN void run(const Values<T>& values, int channel, int count, const std::int64_t* offset,
                        const Positions& positions, int first, unsigned occupied) {
        const Ints origin = load<Ints>(positions.voxel + first), left = load<Ints>(count_ + first) - sample_;
        const Ints di = load<Ints>(positions.pace[0] + first), dj = load<Ints>(positions.pace[1] + first);
        const Ints dk = load<Ints>(positions.pace[2] + first);
        Ints i = load<Ints>(positions.at[0] + first), j = load<Ints>(positions.at[1] + first);
        Ints k = load<Ints>(positions.at[2] + first);
        Floats sum[CHANNELS] = {};
        for (int n = 0; n < chunk_; ++n) {
            const AxisPosition x = axis_position<INTERIOR>(positions, 0, first, i);
            const AxisPosition y = axis_position<INTERIOR>(positions, 1, first, j);
            const AxisPosition z = axis_position<INTERIOR>(positions, 2, first, k);
            const Ints voxel = origin + x.cell * grid_.plane + y.cell * grid_.row + z.cell;
            Ints later{};
            if (INTERIOR) later = voxel_at(origin, i + CHUNK * di, j + CHUNK * dj, k + CHUNK * dk);
            for (int c = 0; c < count; ++c) {
                const T* at = values.channel(channel + c);
                if (INTERIOR && n % apart_ == 0 && (occupied_ >> c & 1)) prefetch(at, offset, later, first);
                if (!(occupied >> c & 1)) continue;
                const Floats f = value(at, offset, voxel, x.part, y.part, z.part);
                sum[c] += INTERIOR ? f : where(n < left, f, Floats{});
            }
            i += di, j += dj, k += dk;
        }
        for (int c = 0; c < count; ++c) add_to(sum_[c] + first, sum[c]);
    }

    DEEPDRR_FN Ints voxel_at(Ints origin, Ints i, Ints j, Ints k) const {
        return origin + (i >> bits_) * grid_.plane + (j >> bits_) * grid_.row + (k >> bits_);
    }

    // Brings the cells of the next chunk into the cache: those of four lanes across the packet, which share their lines
    // with the others. Meanwhile the other packets of the region advance. Every other sample is enough: its neighbours
    // are in the same cells or beside them.
    template <class T>
    DEEPDRR_FN static void prefetch(const T* at, const std::int64_t* offset, Ints voxel, int first) {
        constexpr int apart = TILE + 1;
        alignas(64) int positions[GROUP];
        store(voxel, positions);
        for (int l = (apart - first % apart) % apart; l < GROUP; l += apart)
            for (int corner = 0; corner < 8; corner += 2) DEEPDRR_PREFETCH_FAR(at + positions[l] + offset[corner]);
    }

    int apart_;              // samples from one that is prefetched to the next
    unsigned occupied_ = 0;  // of the next chunk
    alignas(64) float sum_[CHANNELS][LANES] = {};
};

}  // namespace deepdrr

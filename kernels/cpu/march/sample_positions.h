// Positions of midpoint samples along the rays of a packet, chunk by chunk.
//
// A derivative jumps where a sample changes cell, so float's 24 bits are too few for positions in a large grid. A chunk
// of samples starts from a position in double; within it, positions count from the first sample's cell in units of
// 2^-bits voxels. They are sums of integers and therefore exact. Interior chunks, whose samples all lie between the
// outer voxels' centres, need no clamping.
#pragma once

#include "deepdrr/trilinear.h"
#include "march/packet_samples.h"
#include "packets/lanes.h"

namespace deepdrr {

// Longer chunks cost less but need coarser units, 2^-COARSEST voxels at the coarsest.
template <int SAMPLES, int COARSEST>
class SamplePositions : protected PacketSamples {
   protected:
    static constexpr int CHUNK = SAMPLES, FINEST = 28;

    SamplePositions(const Chord* chords, const Grid& grid, double step) : PacketSamples(chords, step), grid_(grid) {
        for (int l = 0; l < LANES; ++l)
            for (int a = 0; a < 3; ++a) fastest_ = greater(fastest_, magnitude(pace_[a][l]));
        choose_units(fastest_);
    }

    // The start of a chunk and its increments, in units of 2^-bits voxels from a cell's lowest corner.
    struct Positions {
        alignas(64) int voxel[LANES], cell[3][LANES];   // of that corner
        alignas(64) int at[3][LANES], pace[3][LANES];   // the first sample; from sample to sample
        alignas(64) int low[3][LANES], high[3][LANES];  // the outer voxels' centres
    };

    // The finest units in which two chunks fit into 31 bits. Samples many voxels apart get chunks of one, without sums.
    void choose_units(double fastest) {
        chunk_ = CHUNK, bits_ = FINEST;
        const double reach = 2.0 + (2 * CHUNK + 1) * fastest;
        while (bits_ >= COARSEST && reach >= (double)(1 << (31 - bits_))) --bits_;
        if (bits_ < COARSEST) chunk_ = 1, bits_ = FINEST;
    }

    // Whether the chunk is interior: all lanes have all of its samples, each between the outer voxels' centres.
    bool place(Positions& positions) const {
        int outside = 0;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) positions.voxel[l] = 0, outside |= sample_ + chunk_ > count_[l];
        for (int a = 0; a < 3; ++a) outside |= place(positions, a);
        return !outside;
    }

    int place(Positions& positions, int a) const {
        const double scale = (double)(1 << bits_), moving = chunk_ > 1 ? scale : 0.0;
        const int last = grid_.n[a] - 1, highest = lowest_corner(last, grid_.n[a]), far = (1 << (31 - bits_)) - 1;
        const int next = a == 0 ? grid_.plane : a == 1 ? grid_.row : 1;
        int outside = 0;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const double p = entry_[a][l] + (double)lesser(sample_, count_[l]) * pace_[a][l];
            const double units = moving * pace_[a][l];
            const int cell = lowest_corner((int)p, grid_.n[a]), at = (int)((p - (double)cell) * scale);
            const int pace = (int)(units + (units < 0.0 ? -0.5 : 0.5)), end = cell + ((at + (CHUNK - 1) * pace) >> bits_);
            positions.voxel[l] += cell * next;
            positions.at[a][l] = at, positions.pace[a][l] = pace;
            positions.low[a][l] = -(lesser(cell, far) << bits_), positions.high[a][l] = lesser(last - cell, far) << bits_;
            positions.cell[a][l] = cell;
            outside |= (p < 0.0) | (p >= (double)last) | (end < 0) | (end > highest);
        }
        return outside;
    }

    // One axis of a group's samples: the cell, the position in it, and whether the field changes along this axis.
    struct AxisPosition {
        Ints cell, moves;
        Floats part;
    };

    template <bool INTERIOR>
    DEEPDRR_FN AxisPosition axis_position(const Positions& positions, int a, int first, Ints at) const {
        if (INTERIOR) return {at >> bits_, Ints{}, to_float(at & ((1 << bits_) - 1)) * unit()};
        const Ints low = load<Ints>(positions.low[a] + first), high = load<Ints>(positions.high[a] + first);
        const Ints highest = lowest_corner(grid_.n[a] - 1, grid_.n[a]) - load<Ints>(positions.cell[a] + first);
        const Ints inner = where(at < low, low, where(at > high, high, at)), cell = inner >> bits_;
        const Ints lowest = where(cell > highest, highest, cell);
        return {lowest, (at >= low) & (at <= high), to_float(inner - (lowest << bits_)) * unit()};
    }

    float unit() const { return 1.0f / (float)(1 << bits_); }

    Grid grid_;
    double fastest_ = 0.0;  // voxels from sample to sample, at most
    int chunk_, bits_;
};

// For derivatives, and what must be their adjoint.
using ExactSamplePositions = SamplePositions<8, 24>;

}  // namespace deepdrr

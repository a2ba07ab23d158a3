// Value and derivative of a linear field at midpoint samples along the rays of a packet, summed in one march.
//
// With w the distance of samples and u = (k + 1/2) / n the fraction of the chord before sample k of n, it collects what
// chord_adjoint.h asks for:
//
//     integral = sum w f,        slope = sum w f',        lever = sum w u f'.
//
// A derivative jumps where a sample changes cell, so float's 24 bits are too few for positions in a large grid. A turn of
// samples starts from a position in double; within it, positions count from the first sample's cell in units of 2^-bits
// voxels: sums of integers, which are exact. Turns with all samples between the outer voxels' centres take a shorter way.
#pragma once

#include "cells.h"
#include "deepdrr/chord_adjoint.h"
#include "deepdrr/midpoints.h"

namespace deepdrr {

class SlopeMarch {
   public:
    static constexpr bool exact = false;

    SlopeMarch(const Chord* chords, const Grid& grid, double step) : grid_(grid) {
        double fastest = 0.0;
        for (int l = 0; l < LANES; ++l) {
            count_[l] = sample_count(chords[l].length, step);
            samples_ = greater(samples_, count_[l]);
            part_[l] = count_[l] > 0 ? chords[l].length / count_[l] : 0.0;
            for (int a = 0; a < 3; ++a) {
                pace_[a][l] = part_[l] * chords[l].slope[a];
                entry_[a][l] = chords[l].entry[a] + 0.5 * pace_[a][l];
                fastest = greater(fastest, magnitude(pace_[a][l]));
            }
        }
        choose_units(fastest);
    }

    // One turn; false where it was the last.
    template <class Field>
    bool advance(const Field& field) {
        if (sample_ >= samples_) return false;
        Places places;
        const bool inside = place(places);
        for (int first = 0; first < LANES; first += GROUP)
            if (inside)
                run<true>(field, places, first);
            else
                run<false>(field, places, first);
        sample_ += turn_;
        return sample_ < samples_;
    }

    RaySums sums(int l) const {
        RaySums result = {};
        const double part = part_[l], share = count_[l] > 0 ? part / count_[l] : 0.0;
        for (int a = 0; a < 3; ++a)
            result.slope[a] = part * slope_[a][l], result.lever[a] = share * lever_[a][l];
        result.integral = part * value_[l];
        return result;
    }

   private:
    static constexpr int TURN = 8, FINEST = 28, COARSEST = 24;

    // Where a turn starts, in units of 2^-bits from a cell's lowest corner, and how it goes on.
    struct Places {
        alignas(64) int voxel[LANES];                        // of that corner
        alignas(64) int at[3][LANES], pace[3][LANES];        // the first sample; from sample to sample
        alignas(64) int low[3][LANES], high[3][LANES];       // the outer voxels' centres
        alignas(64) int highest[3][LANES];                   // the last cell, in cells
    };

    // The finest units in which two turns fit into 31 bits. Samples many voxels apart take turns of one: no sums at all.
    void choose_units(double fastest) {
        turn_ = TURN, bits_ = FINEST;
        const double reach = 2.0 + (2 * TURN + 1) * fastest;
        while (bits_ >= COARSEST && reach >= (double)(1 << (31 - bits_))) --bits_;
        if (bits_ < COARSEST) turn_ = 1, bits_ = FINEST;
    }

    // Says whether all lanes have all samples of the turn, all of them between the outer voxels' centres.
    bool place(Places& places) const {
        int outside = 0;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) places.voxel[l] = 0, outside |= sample_ + turn_ > count_[l];
        for (int a = 0; a < 3; ++a) outside |= place(places, a);
        return !outside;
    }

    int place(Places& places, int a) const {
        const double scale = (double)(1 << bits_), moving = turn_ > 1 ? scale : 0.0;
        const int last = grid_.n[a] - 1, highest = lowest_corner(last, grid_.n[a]), far = (1 << (31 - bits_)) - 1;
        const int next = a == 0 ? grid_.plane : a == 1 ? grid_.row : 1;
        int outside = 0;
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const double p = entry_[a][l] + (double)lesser(sample_, count_[l]) * pace_[a][l];
            const double units = moving * pace_[a][l];
            const int cell = lowest_corner((int)p, grid_.n[a]), at = (int)((p - (double)cell) * scale);
            const int pace = (int)(units + (units < 0.0 ? -0.5 : 0.5)), end = cell + ((at + (TURN - 1) * pace) >> bits_);
            places.voxel[l] += cell * next;
            places.at[a][l] = at, places.pace[a][l] = pace;
            places.low[a][l] = -(lesser(cell, far) << bits_), places.high[a][l] = lesser(last - cell, far) << bits_;
            places.highest[a][l] = highest - cell;
            outside |= (p < 0.0) | (p >= (double)last) | (end < 0) | (end > highest);
        }
        return outside;
    }

    // One axis of a group's samples: the cell, the position in it, and whether the field changes along this axis.
    struct Along {
        Ints cell, moves;
        Floats part;
    };

    template <bool INSIDE>
    DEEPDRR_FN Along along(const Places& places, int a, int first, Ints at) const {
        if (INSIDE) return {at >> bits_, Ints{}, to_float(at & ((1 << bits_) - 1)) * unit()};
        const Ints low = load<Ints>(places.low[a] + first), high = load<Ints>(places.high[a] + first);
        const Ints highest = load<Ints>(places.highest[a] + first);
        const Ints inner = where(at < low, low, where(at > high, high, at)), cell = inner >> bits_;
        const Ints lowest = where(cell > highest, highest, cell);
        return {lowest, (at >= low) & (at <= high), to_float(inner - (lowest << bits_)) * unit()};
    }

    template <bool INSIDE, class Field>
    DEEPDRR_FN void run(const Field& field, const Places& places, int first) {
        const Ints origin = load<Ints>(places.voxel + first), left = load<Ints>(count_ + first) - sample_;
        const Ints di = load<Ints>(places.pace[0] + first), dj = load<Ints>(places.pace[1] + first);
        const Ints dk = load<Ints>(places.pace[2] + first);
        Ints i = load<Ints>(places.at[0] + first), j = load<Ints>(places.at[1] + first);
        Ints k = load<Ints>(places.at[2] + first);
        Slope<Floats> sum = {};
        Floats lever_x = {}, lever_y = {}, lever_z = {};
        for (int n = 0; n < turn_; ++n) {
            const Along x = along<INSIDE>(places, 0, first, i), y = along<INSIDE>(places, 1, first, j);
            const Along z = along<INSIDE>(places, 2, first, k);
            const Ints voxel = origin + x.cell * grid_.plane + y.cell * grid_.row + z.cell;
            if (INSIDE) announce(field, origin, i + TURN * di, j + TURN * dj, k + TURN * dk, first);
            Slope<Floats> f = trilinear_slope(field.cell(voxel, first), x.part, y.part, z.part);
            if (!INSIDE) {
                const Ints live = n < left;
                f.value = where(live, f.value, Floats{});
                f.x = where(live & x.moves, f.x, Floats{}), f.y = where(live & y.moves, f.y, Floats{});
                f.z = where(live & z.moves, f.z, Floats{});
            }
            const float before = (float)n;
            sum.value += f.value, sum.x += f.x, sum.y += f.y, sum.z += f.z;
            lever_x += before * f.x, lever_y += before * f.y, lever_z += before * f.z;
            i += di, j += dj, k += dk;
        }
        const float before = (float)sample_ + 0.5f;
        add_to(value_ + first, sum.value);
        add_to(slope_[0] + first, sum.x), add_to(lever_[0] + first, before * sum.x + lever_x);
        add_to(slope_[1] + first, sum.y), add_to(lever_[1] + first, before * sum.y + lever_y);
        add_to(slope_[2] + first, sum.z), add_to(lever_[2] + first, before * sum.z + lever_z);
    }

    // Brings the cells of the next turn into the cache: those of four lanes across the tile, which share their lines with
    // the others. Meanwhile the other packets of the bundle advance.
    template <class Field>
    DEEPDRR_FN void announce(const Field& field, Ints origin, Ints i, Ints j, Ints k, int first) const {
        const Ints voxel = origin + (i >> bits_) * grid_.plane + (j >> bits_) * grid_.row + (k >> bits_);
        for (int l = 0; l < GROUP; ++l)
            if ((first + l) % (TILE + 1) == 0) field.prefetch(lane(voxel, l));
    }

    float unit() const { return 1.0f / (float)(1 << bits_); }

    Grid grid_;
    int sample_ = 0, samples_ = 0, turn_, bits_;
    alignas(64) double entry_[3][LANES], pace_[3][LANES], part_[LANES];
    alignas(64) int count_[LANES];
    alignas(64) float value_[LANES] = {}, slope_[3][LANES] = {}, lever_[3][LANES] = {};
};

}  // namespace deepdrr

// The midpoint samples of all lanes of a packet, at positions in double: what adjoints and long marches start from.
#pragma once

#include "deepdrr/midpoints.h"
#include "packets/image.h"

namespace deepdrr {

class PacketSamples {
   protected:
    PacketSamples(const Chord* chords, double step) {
        for (int l = 0; l < LANES; ++l) {
            count_[l] = sample_count(chords[l].length, step);
            samples_ = greater(samples_, count_[l]);
            part_[l] = count_[l] > 0 ? chords[l].length / count_[l] : 0.0;
            for (int a = 0; a < 3; ++a) {
                pace_[a][l] = part_[l] * chords[l].slope[a];
                entry_[a][l] = chords[l].entry[a] + 0.5 * pace_[a][l];
            }
        }
    }

    struct Span {
        int first, last;  // the last is not one of them
    };

    // All samples that may lie in cells low .. high along an axis of n voxels, and a few more.
    Span span_within(int axis, int low_cell, int high_cell, int n) const {
        const double low = low_cell == 0 ? -1.0 : low_cell, high = high_cell >= n - 2 ? n : high_cell + 1;
        double first = samples_, last = 0;
        for (int l = 0; l < LANES; ++l) {
            if (count_[l] == 0) continue;
            const double entry = entry_[axis][l], pace = pace_[axis][l];
            const double a = pace != 0.0 ? (low - entry) / pace : 0.0;
            const double b = pace != 0.0 ? (high - entry) / pace : (double)count_[l];
            first = lesser(first, greater(lesser(a, b) - 1.0, 0.0));
            last = greater(last, lesser(greater(a, b) + 2.0, (double)count_[l]));
        }
        return {(int)first, lesser((int)last + 1, samples_)};
    }

    int sample_ = 0, samples_ = 0;  // done, and in the longest chord
    alignas(64) double entry_[3][LANES], pace_[3][LANES];  // voxels: of the first sample, and from sample to sample
    alignas(64) double part_[LANES];                       // mm from sample to sample
    alignas(64) int count_[LANES];
};

}  // namespace deepdrr

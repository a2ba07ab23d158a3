// The label map that routes an integral, and the sums by label of a packet of rays.
#pragma once

#include <cstdint>

#include "packets/lanes.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace deepdrr {

constexpr int MAX_LABELS = 128;

struct Labels {
    const std::uint8_t* DEEPDRR_RESTRICT data;  // [I, J, K], laid like a channel of the values
    int last;                                   // index of the last voxel
    int count;                                  // a label that is not below it is taken for `count`
};

// The byte at each index and above it the one that follows, if there is one; what stands above those has no meaning.
DEEPDRR_FN Ints fetch_bytes(const Labels& labels, Ints index) {
#if defined(__AVX512F__) && defined(__GNUC__)
    if (labels.last >= 3) {  // four bytes are loaded, none of them behind the last
        const Ints first = where(index > labels.last - 3, Ints{} + (labels.last - 3), index);
        return (Ints)_mm512_srlv_epi32(_mm512_i32gather_epi32((__m512i)first, labels.data, 1),
                                       (__m512i)((index - first) * 8));
    }
#endif
    int bytes[GROUP];
    for (int l = 0; l < GROUP; ++l) {
        const int at = lane(index, l);
        bytes[l] = labels.data[at] | labels.data[at + (at < labels.last)] << 8;
    }
    return load<Ints>(bytes);
}

// The label in the lowest byte.
DEEPDRR_FN Ints label_of(const Labels& labels, Ints bytes) {
    const Ints label = bytes & 0xff;
    return where(label > labels.count, Ints{} + labels.count, label);
}

// The sums of a packet by label. A ray stays with one label for long: each lane keeps a sum of its own, which is booked
// on its label when a lane of the packet comes to another, and now and then, so that no float sum has many terms.
class Ledger {
   public:
    explicit Ledger(float (*total)[LANES]) : total_(total) {}

    DEEPDRR_FN void add(const int* label, const float* value) {
        int changes = 0;
        for (int l = 0; l < LANES; ++l) changes |= label[l] ^ label_[l];
        if (changes) {
            book();
            for (int l = 0; l < LANES; ++l) label_[l] = label[l];
        }
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) sum_[l] += value[l];
    }

    DEEPDRR_FN void add_at_once(int label, int l, float value) { total_[label][l] += value; }

    DEEPDRR_FN int label(int l) const { return label_[l]; }

    DEEPDRR_FN void book() {
        for (int l = 0; l < LANES; ++l) total_[label_[l]][l] += sum_[l];
        for (int l = 0; l < LANES; ++l) sum_[l] = 0.0f;
    }

   private:
    float (*total_)[LANES];  // [count + 1]
    alignas(64) int label_[LANES] = {};
    alignas(64) float sum_[LANES] = {};
};

}  // namespace deepdrr

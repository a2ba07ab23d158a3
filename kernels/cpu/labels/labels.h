// The label map that routes an integral, and a packet's sums by label.
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

// The byte at each index in the lowest eight bits, the next byte, if there is one, in the eight bits above; ignore the
// rest.
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

// The sums of a packet by label. A ray stays in one label for long, so each lane keeps a running sum. All are flushed
// to the totals of their labels when a lane of the packet changes label, and now and then: no float sum gets many
// terms.
class LabelSums {
   public:
    explicit LabelSums(float (*total)[LANES]) : total_(total) {}

    DEEPDRR_FN void add(const int* label, const float* value) {
        int changes = 0;
        for (int l = 0; l < LANES; ++l) changes |= label[l] ^ label_[l];
        if (changes) {
            flush();
            for (int l = 0; l < LANES; ++l) label_[l] = label[l];
        }
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) sum_[l] += value[l];
    }

    DEEPDRR_FN void add_at_once(int label, int l, float value) { total_[label][l] += value; }

    DEEPDRR_FN int label(int l) const { return label_[l]; }

    DEEPDRR_FN void flush() {
        for (int l = 0; l < LANES; ++l) total_[label_[l]][l] += sum_[l];
        for (int l = 0; l < LANES; ++l) sum_[l] = 0.0f;
    }

   private:
    float (*total_)[LANES];  // [count + 1]
    alignas(64) int label_[LANES] = {};
    alignas(64) float sum_[LANES] = {};
};

}  // namespace deepdrr

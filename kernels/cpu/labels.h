// The label map that routes an integral, and the sums by label of a packet of rays.
#pragma once

#include "fetch.h"

namespace deepdrr {

constexpr int MAX_LABELS = 128;

struct Labels {
    const std::uint8_t* DEEPDRR_RESTRICT data;  // [I, J, K], laid like a channel of the values
    int last;                                   // index of the last voxel
    int count;                                  // a label that is not below it is taken for `count`

    // Of a byte, whatever stands above it.
    DEEPDRR_FN int label(int bytes) const { return lesser(bytes & 0xff, count); }
};

// The byte at index[l] and above it the one that follows, if there is one; what stands above those has no meaning.
#if defined(__AVX512F__)

DEEPDRR_FN void fetch_labels(const Labels& labels, const int* index, int* bytes) {
    const __m512i wanted = _mm512_load_si512(index);
    if (labels.last < 3) {
        for (int l = 0; l < LANES; ++l) {
            const int next = index[l] + (index[l] < labels.last);
            bytes[l] = labels.data[index[l]] | labels.data[next] << 8;
        }
        return;
    }
    // Four bytes are loaded, none of them behind the last.
    const __m512i first = _mm512_min_epi32(wanted, _mm512_set1_epi32(labels.last - 3));
    const __m512i shift = _mm512_slli_epi32(_mm512_sub_epi32(wanted, first), 3);
    _mm512_store_si512(bytes, _mm512_srlv_epi32(_mm512_i32gather_epi32(first, labels.data, 1), shift));
}

#else

DEEPDRR_FN void fetch_labels(const Labels& labels, const int* index, int* bytes) {
    for (int l = 0; l < LANES; ++l) {
        const int next = index[l] + (index[l] < labels.last);
        bytes[l] = labels.data[index[l]] | labels.data[next] << 8;
    }
}

#endif

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

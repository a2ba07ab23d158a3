// The values at the corners of a cell, for a group of lanes at a time: of one channel, or of all channels' sum,
// weighted by the upstream gradients of the lane's ray.
//
// One load fetches two neighbours along k, base[index] and base[index + 1]. THIN is a grid of one voxel along k, which
// has no such neighbours.
#pragma once

#include <cstdint>

#include "deepdrr/trilinear_adjoint.h"
#include "march/stencil_marches.h"
#include "packets/lanes.h"
#include "packets/values.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

namespace deepdrr {

struct Pair {
    Floats low, high;
};

#if defined(__AVX512F__) && defined(__GNUC__)

DEEPDRR_FN Pair fetch_pair(const float* base, Ints index) {
    const __m512i at = (__m512i)index;
    const __m512i first = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), base, 4);
    const __m512i second = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), base, 4);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return {(Floats)_mm512_permutex2var_epi32(first, even, second),
            (Floats)_mm512_permutex2var_epi32(first, odd, second)};
}

DEEPDRR_FN Pair fetch_pair(const std::int16_t* base, Ints index) {
    const Ints both = (Ints)_mm512_i32gather_epi32((__m512i)index, base, 2);
    return {to_float(both << 16 >> 16), to_float(both >> 16)};
}

#elif defined(__x86_64__) && defined(__GNUC__)

// The pairs of lanes l and l + 1.
DEEPDRR_FN __m128 two_pairs(const float* base, Ints index, int l) {
    const __m128 one = _mm_castpd_ps(_mm_load_sd((const double*)(base + index[l])));
    return _mm_loadh_pi(one, (const __m64*)(base + index[l + 1]));
}

DEEPDRR_FN Pair fetch_pair(const float* base, Ints index) {
#if defined(__AVX2__)
    const __m256 a = _mm256_set_m128(two_pairs(base, index, 4), two_pairs(base, index, 0));
    const __m256 b = _mm256_set_m128(two_pairs(base, index, 6), two_pairs(base, index, 2));
    return {(Floats)_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)),
            (Floats)_mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))};
#else
    const __m128 a = two_pairs(base, index, 0), b = two_pairs(base, index, 2);
    return {(Floats)_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)),
            (Floats)_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))};
#endif
}

DEEPDRR_FN Pair fetch_pair(const std::int16_t* base, Ints index) {
    Ints both{};
    for (int l = 0; l < GROUP; ++l) {
        int pair;
        std::memcpy(&pair, base + index[l], sizeof pair);
        both[l] = pair;
    }
    return {to_float(both << 16 >> 16), to_float(both >> 16)};
}

#else

template <class T>
DEEPDRR_FN Pair fetch_pair(const T* base, Ints index) {
    float low[GROUP], high[GROUP];
    for (int l = 0; l < GROUP; ++l) low[l] = (float)base[lane(index, l)], high[l] = (float)base[lane(index, l) + 1];
    return {load<Floats>(low), load<Floats>(high)};
}

#endif

template <bool THIN, class T>
DEEPDRR_FN Pair fetch(const T* base, Ints index) {
    if (!THIN) return fetch_pair(base, index);
    float only[GROUP];
    for (int l = 0; l < GROUP; ++l) only[l] = (float)base[lane(index, l)];
    return {load<Floats>(only), load<Floats>(only)};
}

// One channel, in the unit it is stored in, of a grid of more than one voxel along k.
template <class T>
struct OneChannel {
    const T* data;
    std::int64_t offset[8];

    explicit OneChannel(const Values<T>& values) : data(values.channel(0)) { corner_offsets(values.grid, offset); }

    // Of lanes `first` and those after it. The position in the cell, 0..1, is for fields that are routed by label.
    DEEPDRR_FN Cell<Floats> cell(Ints voxel, Floats, Floats, Floats, int /*first*/) const {
        const Pair p = fetch<false>(data + offset[0], voxel), q = fetch<false>(data + offset[2], voxel);
        const Pair r = fetch<false>(data + offset[4], voxel), s = fetch<false>(data + offset[6], voxel);
        return {p.low, p.high, q.low, q.high, r.low, r.high, s.low, s.high};
    }

    DEEPDRR_FN void prefetch(int voxel) const {
        for (int corner = 0; corner < 8; corner += 2) DEEPDRR_PREFETCH(data + voxel + offset[corner]);
    }
};

// All channels: `weights` [C, LANES].
template <class T, bool THIN>
struct WeightedChannels {
    const Values<T>& values;
    const float* weights;
    std::int64_t offset[8];

    WeightedChannels(const Values<T>& of, const float* by) : values(of), weights(by) {
        corner_offsets(values.grid, offset);
    }

    DEEPDRR_FN Cell<Floats> cell(Ints voxel, Floats, Floats, Floats, int first) const {
        Cell<Floats> sum = {};
        for (int c = 0; c < values.channels; ++c) {
            const Floats w = load<Floats>(weights + c * LANES + first);
            const T* data = values.channel(c);
            const Pair p = fetch<THIN>(data + offset[0], voxel), q = fetch<THIN>(data + offset[2], voxel);
            const Pair r = fetch<THIN>(data + offset[4], voxel), s = fetch<THIN>(data + offset[6], voxel);
            sum.v000 += w * p.low, sum.v001 += w * p.high, sum.v010 += w * q.low, sum.v011 += w * q.high;
            sum.v100 += w * r.low, sum.v101 += w * r.high, sum.v110 += w * s.low, sum.v111 += w * s.high;
        }
        return sum;
    }

    DEEPDRR_FN void prefetch(int voxel) const {
        for (int c = 0; c < values.channels; ++c)
            for (int corner = 0; corner < 8; corner += 2)
                DEEPDRR_PREFETCH(values.channel(c) + voxel + offset[corner]);
    }
};

}  // namespace deepdrr

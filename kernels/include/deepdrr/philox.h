// Random numbers by counting: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers:
// as easy as 1, 2, 3", SC11; the constants are its table 2).
//
// 128 random bits are a function of a key and a counter, of nothing else: element, draw and purpose make the counter,
// the seed is the key. So a number is the same on any processor, in any order, on any number of threads.
#pragma once

#include <cstdint>

#include "deepdrr/target.h"

namespace deepdrr {

struct Words {
    std::uint32_t at[4];
};

DEEPDRR_FN Words philox_round(const Words& c, std::uint32_t key0, std::uint32_t key1) {
    const std::uint64_t product0 = 0xD2511F53ull * c.at[0], product1 = 0xCD9E8D57ull * c.at[2];
    return {{(std::uint32_t)(product1 >> 32) ^ c.at[1] ^ key0, (std::uint32_t)product1,
             (std::uint32_t)(product0 >> 32) ^ c.at[3] ^ key1, (std::uint32_t)product0}};
}

DEEPDRR_FN Words philox(Words counter, std::uint64_t key) {
    std::uint32_t key0 = (std::uint32_t)key, key1 = (std::uint32_t)(key >> 32);
    for (int round = 0; round < 10; ++round) {
        counter = philox_round(counter, key0, key1);
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return counter;
}

// Two of 2^52 numbers in (0, 1), never an end: (m + 1/2) / 2^52.
struct Uniforms {
    double first, second;
};

DEEPDRR_FN double uniform(std::uint32_t high, std::uint32_t low) {
    const std::uint64_t m = (std::uint64_t)(high >> 12) << 32 | low;
    return ((double)m + 0.5) * 0x1p-52;
}

DEEPDRR_FN Uniforms uniforms(std::uint64_t seed, std::uint64_t element, std::uint32_t draw, std::uint32_t purpose) {
    const Words w = philox({{(std::uint32_t)element, (std::uint32_t)(element >> 32), draw, purpose}}, seed);
    return {uniform(w.at[0], w.at[1]), uniform(w.at[2], w.at[3])};
}

}  // namespace deepdrr

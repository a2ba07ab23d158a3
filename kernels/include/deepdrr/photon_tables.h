// Tables of photon transport over energy and over x = sin(theta / 2) / wavelength, and the random numbers of a history.
//
// A table's nodes divide each octave of its argument into equal parts, so that a node is found in the argument's bits.
// S is the number of materials, padded with empty ones.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "deepdrr/philox.h"
#include "deepdrr/scalar.h"
#include "deepdrr/target.h"

namespace deepdrr {

constexpr int ENERGY_PARTS = 7, ENERGY_LOWEST = 0, ENERGY_NODES = (8 << ENERGY_PARTS) + 1;      // 1 to 256 keV
constexpr int ANGLE_PARTS = 5, ANGLE_LOWEST = -10, ANGLE_NODES = (15 << ANGLE_PARTS) + 1;  // x = 1/1024 to 32 / Angstrom

constexpr float LEAST_KEV = 1.0f;  // below it a photon is absorbed where it is
constexpr float HC_KEV_ANGSTROM = 12.398419843f;
constexpr float ELECTRON_KEV = 510.99895f;

struct Node {
    int row;
    float share;  // of the next row
};

template <int PARTS, int LOWEST>
DEEPDRR_FN Node node_of(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    constexpr int shift = 23 - PARTS;
    return {(int)(bits >> shift) - ((127 + LOWEST) << PARTS),
            (float)(bits & ((1u << shift) - 1u)) * (1.0f / (float)(1u << shift))};
}

DEEPDRR_FN Node energy_node(float kev) { return node_of<ENERGY_PARTS, ENERGY_LOWEST>(kev); }

DEEPDRR_FN Node angle_node(float x) {
    return node_of<ANGLE_PARTS, ANGLE_LOWEST>(greater(x, 1.0f / (float)(1 << -ANGLE_LOWEST)));
}

// What is tabulated over energy, 1/mm per unit of density. A differential cross section is its scale times the shape that
// `compton_shape` or `rayleigh_shape` gives, per steradian.
enum EnergyColumn { TOTAL, COMPTON, RAYLEIGH, COMPTON_SCALE, RAYLEIGH_SCALE, ENERGY_COLUMNS };
enum AngleColumn { INCOHERENT, COHERENT, ANGLE_COLUMNS };

template <int S>
struct PhotonTables {
    const float* energy;    // [ENERGY_NODES, ENERGY_COLUMNS, S]
    const float* angle;     // [ANGLE_NODES, ANGLE_COLUMNS, S]
    const float* coherent;  // [S, ANGLE_NODES], the integral of F^2 over x^2, from 0

    DEEPDRR_FN void row(Node node, EnergyColumn column, float* out) const {
        const float* low = energy + (node.row * ENERGY_COLUMNS + column) * S;
        const float* high = low + ENERGY_COLUMNS * S;
        for (int s = 0; s < S; ++s) out[s] = low[s] + node.share * (high[s] - low[s]);
    }
    DEEPDRR_FN float shape(Node node, AngleColumn column, int s) const {
        const float* low = angle + (node.row * ANGLE_COLUMNS + column) * S + s;
        return low[0] + node.share * (low[ANGLE_COLUMNS * S] - low[0]);
    }
};

// The random numbers of one history, in turn: a function of the seed and the history's number.
struct Stream {
    std::uint64_t seed, history;
    std::uint32_t drawn = 0;
    Words words = {{0, 0, 0, 0}};

    DEEPDRR_FN Stream(std::uint64_t seed_, std::uint64_t history_) : seed(seed_), history(history_) {}

    // One of 2^24 numbers in (0, 1), never an end.
    DEEPDRR_FN float next() {
        constexpr std::uint32_t FOR_PHOTONS = 3;
        const std::uint32_t at = drawn & 3u;
        if (at == 0)
            words = philox({{(std::uint32_t)history, (std::uint32_t)(history >> 32), drawn >> 2, FOR_PHOTONS}}, seed);
        ++drawn;
        const std::uint32_t word = at == 0 ? words.at[0] : at == 1 ? words.at[1] : at == 2 ? words.at[2] : words.at[3];
        return ((float)(word >> 8) + 0.5f) * 0x1p-24f;
    }
};

// Natural logarithm of x > 0, not subnormal, to 1e-7: 2 atanh((m - 1) / (m + 1)) of the mantissa m.
DEEPDRR_FN float log_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 23) - 127;
    bits = (bits & 0x7FFFFFu) | 0x3F800000u;
    float m;
    std::memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356f) m *= 0.5f, ++e;
    const float z = (m - 1.0f) / (m + 1.0f), q = z * z;
    const float tail = q * (1.0f / 3.0f + q * (1.0f / 5.0f + q * (1.0f / 7.0f + q * (1.0f / 9.0f))));
    return (float)e * 0.69314718f + 2.0f * z * (1.0f + tail);
}

}  // namespace deepdrr

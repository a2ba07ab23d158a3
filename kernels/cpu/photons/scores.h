// Where the histories of a task score, in whole numbers of small units: sums are the same in any order, and so on any
// number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "deepdrr/photons.h"

namespace deepdrr {

// Units: 2^-36 photons, 2^-30 keV, 2^-20 keV^2. They hold 1e8 photons, 8e9 keV and 8e12 keV^2.
constexpr double PHOTON_UNITS = 0x1p36, KEV_UNITS = 0x1p30, SQUARE_UNITS = 0x1p20;

// The arrays of a call, each the sum over its histories; regions and voxels may be empty.
struct PhotonSums {
    std::int64_t* photons;  // [KINDS, groups, cells]
    std::int64_t* energy;   // [KINDS, cells], keV
    std::int64_t* square;   // [2, cells], keV^2 of each arrival: of primary photons, and of scattered ones
    std::int64_t* groups;   // [groups], keV that arrive, of scattered photons
    std::int64_t* balance;  // [4], keV: emitted, absorbed, escaped; and keV^2 of the scatter that each history brought
    std::int64_t* regions;  // [256], keV absorbed
    std::int64_t* voxels;   // [I, J, K], keV absorbed
    std::int64_t cells, group_count, region_count, voxel_count;
    float lowest_kev, per_kev;  // of the groups: the lowest energy, and groups per keV

    std::int64_t size() const {
        return cells * (KINDS * (group_count + 1) + 2) + group_count + 4 + region_count + voxel_count;
    }
    // The same sums in memory of its own.
    PhotonSums in(std::int64_t* memory) const {
        PhotonSums own = *this;
        const auto take = [&memory](std::int64_t count) { return memory += count, memory - count; };
        own.photons = take(KINDS * group_count * cells), own.energy = take(KINDS * cells);
        own.square = take(2 * cells), own.groups = take(group_count), own.balance = take(4);
        own.regions = take(region_count), own.voxels = take(voxel_count);
        return own;
    }
    void add(const PhotonSums& other) const {
        const auto sum = [](std::int64_t* to, const std::int64_t* from, std::int64_t count) {
            for (std::int64_t n = 0; n < count; ++n) to[n] += from[n];
        };
        sum(photons, other.photons, KINDS * group_count * cells), sum(energy, other.energy, KINDS * cells);
        sum(square, other.square, 2 * cells), sum(groups, other.groups, group_count);
        sum(balance, other.balance, 4), sum(regions, other.regions, region_count);
        sum(voxels, other.voxels, voxel_count);
    }
};

inline std::int64_t whole(double value) { return (std::int64_t)(value + 0.5); }

struct PhotonScores {
    PhotonSums sums;
    const std::uint8_t* region;
    double brought = 0.0;  // keV of scatter, by the history that is followed

    void emits(float kev) {
        ends();
        sums.balance[0] += whole(kev * KEV_UNITS);
    }
    void ends() {
        sums.balance[3] += whole(brought * brought * SQUARE_UNITS);
        brought = 0.0;
    }
    void escapes(float kev) { sums.balance[2] += whole(kev * KEV_UNITS); }
    void absorbs(std::int64_t voxel, float kev) {
        const std::int64_t energy = whole(kev * KEV_UNITS);
        sums.balance[1] += energy;
        if (sums.region_count) sums.regions[region[voxel]] += energy;
        if (sums.voxel_count) sums.voxels[voxel] += energy;
    }
    void arrives(int kind, float kev, int cell, float photons) {
        const int group = clamp((int)((kev - sums.lowest_kev) * sums.per_kev), 0, (int)sums.group_count - 1);
        const double energy = (double)photons * kev;
        sums.photons[(kind * sums.group_count + group) * sums.cells + cell] += whole(photons * PHOTON_UNITS);
        sums.energy[kind * sums.cells + cell] += whole(energy * KEV_UNITS);
        if (kind != PRIMARY) sums.groups[group] += whole(energy * KEV_UNITS);
    }
    void brings(int kind, int cell, float kev) {
        if (kind != PRIMARY) brought += kev;
        sums.square[(kind != PRIMARY) * sums.cells + cell] += whole((double)kev * kev * SQUARE_UNITS);
    }
};

}  // namespace deepdrr

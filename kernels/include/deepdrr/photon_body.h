// The body that photons fly through: densities of S materials in voxels, and the two walks through it.
//
//   fly             to the next interaction, by Woodcock's tracking (Woodcock et al. 1965, ANL-7050): flights to points
//                   where matter that attenuates no less than any in the block of voxels would interact, of which the
//                   share is kept that the voxel's own attenuation has
//   area_densities  of the materials along a line, from voxel to voxel (Amanatides and Woo 1987)
//
// Lengths in mm from the grid's corner. Densities are whole numbers in a unit of each material's own, and so are the
// tables over energy: attenuation is 1/mm per unit.
#pragma once

#include "deepdrr/exp2.h"
#include "deepdrr/photon_tables.h"

namespace deepdrr {

struct Vector {
    float at[3];
};

DEEPDRR_FN float dot(const Vector& a, const Vector& b) {
    return a.at[0] * b.at[0] + a.at[1] * b.at[1] + a.at[2] * b.at[2];
}
DEEPDRR_FN Vector along(const Vector& from, const Vector& direction, float mm) {
    return {{from.at[0] + mm * direction.at[0], from.at[1] + mm * direction.at[1], from.at[2] + mm * direction.at[2]}};
}
DEEPDRR_FN Vector difference(const Vector& a, const Vector& b) { return along(a, b, -1.0f); }

constexpr float FAR_MM = 1e30f;

// A walk from cell to cell of a regular grid.
struct Cellwise {
    int at[3], step[3], last[3];
    float next[3], width[3];  // mm along the line: to the next plane of each axis, and from plane to plane
    float leaves;             // mm to where the line leaves the box

    DEEPDRR_FN Cellwise(const Vector& p, const Vector& d, const float* cell_mm, const int* cells, const float* extent_mm)
        : leaves(FAR_MM) {
        for (int a = 0; a < 3; ++a) {
            at[a] = clamp((int)(p.at[a] / cell_mm[a]), 0, cells[a] - 1);
            const bool up = d.at[a] > 0.0f;
            const float inverse = magnitude(d.at[a]) > 1e-12f ? 1.0f / d.at[a] : (up ? FAR_MM : -FAR_MM);
            step[a] = up ? 1 : -1;
            last[a] = up ? cells[a] : -1;
            next[a] = greater(0.0f, ((float)(at[a] + up) * cell_mm[a] - p.at[a]) * inverse);
            width[a] = lesser(FAR_MM, cell_mm[a] * magnitude(inverse));
            leaves = lesser(leaves, ((up ? extent_mm[a] : 0.0f) - p.at[a]) * inverse);
        }
    }
    DEEPDRR_FN int axis() const {
        if (next[0] <= next[1]) return next[0] <= next[2] ? 0 : 2;
        return next[1] <= next[2] ? 1 : 2;
    }
    // Into the next cell along an axis; false where the grid ends.
    DEEPDRR_FN bool go(int a) {
        at[a] += step[a];
        next[a] += width[a];
        return at[a] != last[a];
    }
};

// Attenuation per unit of density at a photon's energy: of each material, and what a bound is made of. As
//     sum rho_s mu_s = sum rho_s u_s mu_0 + sum rho_s (mu_s - u_s mu_0)
// with units u_s in g/cm3 and mu_0 the least of mu_s / u_s, greatest values of the sum of rho_s u_s, the whole density,
// and of each rho_s bound it, closely where materials attenuate alike.
template <int S>
struct Attenuation {
    float of[S], least, beyond_least[S];
};

template <int S>
struct PhotonBody {
    const std::uint16_t* density;  // [I, J, K, S], in units
    const float* most;             // [BI, BJ, BK, S + 1], the greatest of each in a block of voxels, and of their sum
    const float* unit;             // [S], g/cm3; 0 of an empty material
    const std::uint8_t* region;  // [I, J, K], or null
    int voxels[3], blocks[3];
    float voxel_mm[3], per_mm[3], block_mm[3], extent_mm[3];  // per_mm: voxels

    DEEPDRR_FN std::int64_t voxel(const int* at) const {
        return ((std::int64_t)at[0] * voxels[1] + at[1]) * voxels[2] + at[2];
    }
    DEEPDRR_FN std::int64_t block(const int* at) const {
        return ((std::int64_t)at[0] * blocks[1] + at[1]) * blocks[2] + at[2];
    }
    DEEPDRR_FN std::int64_t block_at(const Vector& p) const {
        int at[3];
        for (int a = 0; a < 3; ++a) at[a] = clamp((int)(p.at[a] / block_mm[a]), 0, blocks[a] - 1);
        return block(at);
    }
    DEEPDRR_FN std::int64_t voxel_at(const Vector& p) const {
        int at[3];
        for (int a = 0; a < 3; ++a) at[a] = clamp((int)(p.at[a] * per_mm[a]), 0, voxels[a] - 1);
        return voxel(at);
    }
    template <class T>
    DEEPDRR_FN static float attenuation(const T* densities, const float* mu) {
        float sum = 0.0f;
        for (int s = 0; s < S; ++s) sum += (float)densities[s] * mu[s];
        return sum;
    }
    DEEPDRR_FN void set(Attenuation<S>& mu, const PhotonTables<S>& tables, float kev) const {
        tables.row(energy_node(kev), TOTAL, mu.of);
        mu.least = FAR_MM;
        for (int s = 0; s < S; ++s)
            if (unit[s] > 0.0f) mu.least = lesser(mu.least, mu.of[s] / unit[s]);
        for (int s = 0; s < S; ++s) mu.beyond_least[s] = greater(0.0f, mu.of[s] - unit[s] * mu.least);
    }
    DEEPDRR_FN float bound(std::int64_t block, const Attenuation<S>& mu) const {
        const float* greatest = most + block * (S + 1);
        return 1.000001f * (attenuation(greatest, mu.beyond_least) + greatest[S] * mu.least);
    }

    // Whether a line meets the grid, and where it enters and leaves it.
    DEEPDRR_FN bool meets(const Vector& p, const Vector& d, float* enters, float* leaves) const {
        float in = 0.0f, out = FAR_MM;
        for (int a = 0; a < 3; ++a) {
            if (magnitude(d.at[a]) < 1e-12f) {
                if (p.at[a] < 0.0f || p.at[a] > extent_mm[a]) return false;
                continue;
            }
            const float low = -p.at[a] / d.at[a], high = (extent_mm[a] - p.at[a]) / d.at[a];
            in = greater(in, lesser(low, high));
            out = lesser(out, greater(low, high));
        }
        *enters = in, *leaves = out;
        return in < out;
    }

    // Flies from p, inside the grid; true, with p where it interacts, before `limit` mm and the end of the grid.
    DEEPDRR_FN bool fly(Vector& p, const Vector& d, const Attenuation<S>& mu, float limit, Stream& random) const {
        Cellwise walk(p, d, block_mm, blocks, extent_mm);
        const float end = lesser(limit, walk.leaves);  // the last blocks may be larger than the grid
        float flown = 0.0f, depth = -log_of(random.next());
        for (;;) {
            const int a = walk.axis();
            const float exit = lesser(walk.next[a], end);
            const float bound = this->bound(block(walk.at), mu);
            while (depth < bound * (exit - flown)) {
                flown += depth / bound;
                const Vector q = along(p, d, flown);
                if (random.next() * bound < attenuation(density + voxel_at(q) * S, mu.of)) {
                    p = q;
                    return true;
                }
                depth = -log_of(random.next());
            }
            depth -= bound * (exit - flown);
            flown = exit;
            if (flown >= end || !walk.go(a)) return false;
        }
    }

    // Adds the area densities, g/cm3 mm, from p to `end` mm or the end of the grid.
    DEEPDRR_FN void area_densities(const Vector& p, const Vector& d, float end, float* area) const {
        Cellwise walk(p, d, voxel_mm, voxels, extent_mm);
        float flown = 0.0f;
        for (;;) {
            const int a = walk.axis();
            const float exit = lesser(walk.next[a], end), length = exit - flown;
            const std::uint16_t* here = density + voxel(walk.at) * S;
            for (int s = 0; s < S; ++s) area[s] += length * (float)here[s];
            flown = exit;
            if (flown >= end || !walk.go(a)) return;
        }
    }
    // What passes area densities.
    DEEPDRR_FN static float transmission(const float* area, const float* mu) {
        constexpr float LOG2_E = 1.44269504f;
        return exp2_of(-LOG2_E * attenuation(area, mu));
    }
};

}  // namespace deepdrr

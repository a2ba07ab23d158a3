// What an adjoint has to know of an interpolation: the field's value and derivative at the nodes of a packet, and how an
// upstream gradient spreads over the coefficients about them.
//
//   Linear: eight voxels. Cubic: 64 coefficients of a B-spline.
//
// `weights` [LANES, pitch] is the upstream gradient of every lane's channels; the channels add up to one field.
#pragma once

#include <cstring>

#include "bspline_taps.h"
#include "deepdrr/trilinear_adjoint.h"
#include "line_integrals.h"
#include "nodes.h"

namespace deepdrr {

struct Slopes {
    alignas(64) float value[LANES], x[LANES], y[LANES], z[LANES];
};

// The field of a lane: all channels, weighted by its upstream gradient, at the corners of a cell.
template <int WIDTH>
DEEPDRR_FN void weighted_corners(const Values& values, const float* weights, int voxel, const std::int64_t* offset,
                                 float* corners, int stride) {
    const float* cell = values.data + (std::int64_t)voxel * values.pitch;
    for (int corner = 0; corner < 8; ++corner) {
        float sum = 0.0f;
        for (int first = 0; first < values.pitch; first += WIDTH) {
            float channel[WIDTH];
            std::memcpy(channel, cell + offset[corner] + first, sizeof channel);
            for (int c = 0; c < WIDTH; ++c) sum += weights[first + c] * channel[c];
        }
        corners[corner * stride] = sum;
    }
}

// The same for one channel, two corners at a time, all lanes together. The grid has more than one voxel along k.
DEEPDRR_FN void weighted_pairs(const Values& values, const float* weights, const int* voxel, const std::int64_t* offset,
                               float (*corners)[LANES]) {
    for (int corner = 0; corner < 8; corner += 2) {
        Pairs pairs;
        fetch_pairs(values.data + offset[corner], voxel, pairs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            corners[corner][l] = weights[l] * pairs.low[l];
            corners[corner + 1][l] = weights[l] * pairs.high[l];
        }
    }
}

template <class Packet>
DEEPDRR_FN void total_weights(const Packet& nodes, float (*weight)[LANES]) {
    DEEPDRR_LANES
    for (int l = 0; l < LANES; ++l) {
        Weights sum = corner_weights(nodes.at[0][0][l], nodes.at[0][1][l], nodes.at[0][2][l], nodes.weight[0][l]);
        for (int n = 1; n < Packet::count; ++n) {
            const Weights w =
                corner_weights(nodes.at[n][0][l], nodes.at[n][1][l], nodes.at[n][2][l], nodes.weight[n][l]);
            for (int c = 0; c < 8; ++c) sum.at[c] += w.at[c];
        }
        for (int c = 0; c < 8; ++c) weight[c][l] = sum.at[c];
    }
}

struct Linear {
    template <int WIDTH, class Packet>
    static void slopes(const Values& values, const float* weights, const Packet& nodes, Slopes* out) {
        std::int64_t offset[8];
        corner_offsets(values.grid, values.pitch, offset);
        alignas(64) float corners[8][LANES];
        if (WIDTH == 1 && values.grid.n[2] > 1)
            weighted_pairs(values, weights, nodes.voxel, offset, corners);
        else
            for (int l = 0; l < LANES; ++l)
                weighted_corners<WIDTH>(values, weights + l * values.pitch, nodes.voxel[l], offset, &corners[0][l],
                                        LANES);
        for (int n = 0; n < Packet::count; ++n) {
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) {
                float v[8];
                for (int corner = 0; corner < 8; ++corner) v[corner] = corners[corner][l];
                const Slope f = trilinear_slope(v, nodes.at[n][0][l], nodes.at[n][1][l], nodes.at[n][2][l]);
                out[n].value[l] = f.value, out[n].x[l] = f.x, out[n].y[l] = f.y, out[n].z[l] = f.z;
            }
        }
    }

    // A lane without weight may name a voxel that another thread writes to: it is passed over.
    template <int WIDTH, class Packet>
    static void spread(const Packet& nodes, const float* weights, int pitch, const Grid& grid, float* gradient) {
        std::int64_t offset[8];
        corner_offsets(grid, pitch, offset);
        alignas(64) float weight[8][LANES];
        total_weights(nodes, weight);
        for (int l = 0; l < LANES; ++l) {
            if (nodes.weight[0][l] == 0.0f) continue;
            for (int first = 0; first < pitch; first += WIDTH) {
                float* cell = gradient + (std::int64_t)nodes.voxel[l] * pitch + first;
                for (int corner = 0; corner < 8; ++corner) {
                    float voxel[WIDTH];
                    std::memcpy(voxel, cell + offset[corner], sizeof voxel);
                    for (int c = 0; c < WIDTH; ++c) voxel[c] += weight[corner][l] * weights[l * pitch + first + c];
                    std::memcpy(cell + offset[corner], voxel, sizeof voxel);
                }
            }
        }
    }
};

struct Cubic {
    template <int WIDTH, class Packet>
    static void slopes(const Values& values, const float* weights, const Packet& nodes, Slopes* out) {
        BSplineWeights w, d;
        weigh(nodes, w), weigh_slopes(nodes, d);
        Taps<WIDTH> taps;
        for (int l = 0; l < LANES; ++l) {
            float f[4] = {}, fx[4] = {}, fy[4] = {};
            for (int first = 0; first < values.pitch; first += WIDTH) {
                find_taps<WIDTH>(values.data + first, values.pitch, values.grid, nodes, l, taps);
                add_rows<WIDTH>(taps, weights + l * values.pitch + first, w, d, l, f, fx, fy);
            }
            float sum[4] = {};
            for (int k = 0; k < 4; ++k) {
                const float wk = w.w[2][k][l];
                sum[0] += wk * f[k], sum[1] += wk * fx[k], sum[2] += wk * fy[k], sum[3] += d.w[2][k][l] * f[k];
            }
            out->value[l] = sum[0], out->x[l] = sum[1], out->y[l] = sum[2], out->z[l] = sum[3];
        }
    }

    template <int WIDTH, class Packet>
    static void spread(const Packet& nodes, const float* weights, int pitch, const Grid& grid, float* gradient) {
        BSplineWeights w;
        weigh(nodes, w);
        for (int l = 0; l < LANES; ++l) {
            if (nodes.weight[0][l] == 0.0f) continue;
            const bool inside = in_the_interior(nodes, grid, l);
            for (int tap = 0; tap < 64; tap += 4) {
                const int a = tap >> 4, b = tap >> 2 & 3;
                const float wab = nodes.weight[0][l] * w.w[0][a][l] * w.w[1][b][l];
                const std::int64_t row = first_tap(nodes, grid, l) + grid.voxel(a, b, 0);
                for (int k = 0; k < 4; ++k) {
                    const std::int64_t voxel = inside ? row + k : tap_voxel(nodes, grid, l, a, b, k);
                    float* cell = gradient + voxel * pitch;
                    for (int c = 0; c < pitch; ++c) cell[c] += wab * w.w[2][k][l] * weights[l * pitch + c];
                }
            }
        }
    }

   private:
    // Sums over i and j: the field, its derivatives by x and by y, for the four k.
    template <int WIDTH>
    static void add_rows(const Taps<WIDTH>& taps, const float* weights, const BSplineWeights& w,
                         const BSplineWeights& d, int l, float* f, float* fx, float* fy) {
        for (int a = 0; a < 4; ++a) {
            float g[4] = {}, gy[4] = {};
            for (int b = 0; b < 4; ++b) {
                float row[4 * WIDTH], field[4] = {};
                load_row(taps, a, b, row);
                for (int k = 0; k < 4; ++k)
                    for (int c = 0; c < WIDTH; ++c) field[k] += weights[c] * row[k * WIDTH + c];
                for (int k = 0; k < 4; ++k) g[k] += w.w[1][b][l] * field[k], gy[k] += d.w[1][b][l] * field[k];
            }
            for (int k = 0; k < 4; ++k) {
                f[k] += w.w[0][a][l] * g[k], fx[k] += d.w[0][a][l] * g[k], fy[k] += w.w[0][a][l] * gy[k];
            }
        }
    }
};

}  // namespace deepdrr

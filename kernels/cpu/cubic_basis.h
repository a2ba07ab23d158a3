// What an adjoint has to know of a cubic B-spline, see bases.h.
#pragma once

#include "bases.h"
#include "bspline_taps.h"
#include "nodes.h"
#include "values.h"

namespace deepdrr {

struct Cubic {
    template <class Packet>
    static void slopes(const Values<float>& values, const float* weights, const Packet& nodes, Slopes* out) {
        BSplineWeights w, d;
        weigh(nodes, w), weigh_slopes(nodes, d);
        Taps taps;
        for (int l = 0; l < LANES; ++l) {
            float f[4] = {}, fx[4] = {}, fy[4] = {};
            for (int c = 0; c < values.channels; ++c) {
                find_taps(values.channel(c), values.grid, nodes, l, taps);
                add_rows(taps, weights[c * LANES + l], w, d, l, f, fx, fy);
            }
            float sum[4] = {};
            for (int k = 0; k < 4; ++k) {
                const float wk = w.w[2][k][l];
                sum[0] += wk * f[k], sum[1] += wk * fx[k], sum[2] += wk * fy[k], sum[3] += d.w[2][k][l] * f[k];
            }
            out->value[l] = sum[0], out->x[l] = sum[1], out->y[l] = sum[2], out->z[l] = sum[3];
        }
    }

    template <class Packet>
    static void spread(const Packet& nodes, const float* weights, const Gradient& gradient) {
        const Grid& grid = gradient.grid;
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
                    for (int c = 0; c < gradient.channels; ++c)
                        gradient.data[c * gradient.channel_stride + voxel] +=
                            wab * w.w[2][k][l] * weights[c * LANES + l];
                }
            }
        }
    }

   private:
    // Sums over i and j: the field, its derivatives by x and by y, for the four k.
    static void add_rows(const Taps& taps, float weight, const BSplineWeights& w, const BSplineWeights& d, int l,
                         float* f, float* fx, float* fy) {
        for (int a = 0; a < 4; ++a) {
            float g[4] = {}, gy[4] = {};
            for (int b = 0; b < 4; ++b) {
                float row[4];
                load_row(taps, a, b, row);
                const float wb = weight * w.w[1][b][l], db = weight * d.w[1][b][l];
                for (int k = 0; k < 4; ++k) g[k] += wb * row[k], gy[k] += db * row[k];
            }
            for (int k = 0; k < 4; ++k) {
                f[k] += w.w[0][a][l] * g[k], fx[k] += d.w[0][a][l] * g[k], fy[k] += w.w[0][a][l] * gy[k];
            }
        }
    }
};

}  // namespace deepdrr

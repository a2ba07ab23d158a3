// The cubic B-spline for adjoints, see bases.h, in rows of four coefficients as in cubic_integrals.h.
#pragma once

#include "adjoint/bases.h"
#include "march/bspline_taps.h"
#include "packets/values.h"

namespace deepdrr {

struct Cubic {
    template <class Packet>
    static void slopes(const Values<float>& values, const float* weights, const Packet& nodes, Slopes* out) {
        if (is_thin(values.grid))
            find_slopes<true>(values, weights, nodes, out);
        else
            find_slopes<false>(values, weights, nodes, out);
    }

    template <class Packet>
    static void spread(const Packet& nodes, const float* weights, const Gradient& gradient) {
        if (is_thin(gradient.grid))
            spread_rows<true>(nodes, weights, gradient);
        else
            spread_rows<false>(nodes, weights, gradient);
    }

   private:
    // Sums over i and j for the four k: the field, and its derivatives along x and y.
    struct Rows {
        Row f, dx, dy;
    };

    template <bool THIN>
    DEEPDRR_FN static void add_rows(const float* first, const Taps<THIN>& taps, float weight, const BSplineWeights& w,
                                    const BSplineWeights& d, int l, Rows& sum) {
        for (int a = 0; a < 4; ++a) {
            Row plane = row_of(0.0f), dy = plane;
            for (int b = 0; b < 4; ++b) {
                const Row row = taps.load(first + taps.i(a) + taps.j(b));
                plane = multiply_add(w.j[b][l], row, plane), dy = multiply_add(d.j[b][l], row, dy);
            }
            const Row wi = row_of(weight * w.i[a][l]);
            sum.f = multiply_add(wi, plane, sum.f), sum.dy = multiply_add(wi, dy, sum.dy);
            sum.dx = multiply_add(weight * d.i[a][l], plane, sum.dx);
        }
    }

    DEEPDRR_FN static void sum_terms(const float (*terms)[4], float* sum) {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) sum[l] = (terms[l][0] + terms[l][1]) + (terms[l][2] + terms[l][3]);
    }

    template <bool THIN>
    static void find_slopes(const Values<float>& values, const float* weights, const Nodes<1>& nodes, Slopes* out) {
        const Grid grid = values.grid;
        const Taps<THIN> taps{grid};
        BSplineWeights w, d;
        weigh<THIN>(nodes, grid, w), weigh_slopes<THIN>(nodes, grid, d);
        alignas(64) float terms[4][LANES][4];  // value, x, y, z: their terms along k
        for (int l = 0; l < LANES; ++l) {
            Rows sum{row_of(0.0f), row_of(0.0f), row_of(0.0f)};
            for (int c = 0; c < values.channels; ++c)
                add_rows(values.channel(c) + w.first[l], taps, weights[c * LANES + l], w, d, l, sum);
            const Row k = weight_row(nodes, grid, l);
            store_row(terms[0][l], k * sum.f), store_row(terms[1][l], k * sum.dx);
            store_row(terms[2][l], k * sum.dy), store_row(terms[3][l], slope_row(nodes, grid, l) * sum.f);
        }
        sum_terms(terms[0], out->value), sum_terms(terms[1], out->x);
        sum_terms(terms[2], out->y), sum_terms(terms[3], out->z);
    }

    // Lanes without weight are skipped: their voxels may be some that another thread writes to.
    template <bool THIN>
    static void spread_rows(const Nodes<1>& nodes, const float* weights, const Gradient& gradient) {
        const Grid grid = gradient.grid;
        const Taps<THIN> taps{grid};
        BSplineWeights w;
        weigh<THIN>(nodes, grid, w);
        for (int l = 0; l < LANES; ++l) {
            if (nodes.weight[0][l] == 0.0f) continue;
            const Row k = weight_row(nodes, grid, l);
            for (int c = 0; c < gradient.channels; ++c) {
                float* first = gradient.data + c * gradient.channel_stride + w.first[l];
                const Row term = (nodes.weight[0][l] * weights[c * LANES + l]) * k;
                for (int a = 0; a < 4; ++a) {
                    const Row plane = w.i[a][l] * term;
                    for (int b = 0; b < 4; ++b) taps.add(first + taps.i(a) + taps.j(b), w.j[b][l], plane);
                }
            }
        }
    }
};

}  // namespace deepdrr

// Integrals of rays over a block of slabs, from the moments of the columns that they pass: the polynomial of the first
// cell, carried on to the end of the block; a kink wherever a ray meets a plane of voxel centers; and less what lies
// beyond the chord's end. Lanes find their crossings side by side; each then sums moments of all channels at once.
#pragma once

#include "march/column_walk.h"

namespace deepdrr {

// A kink for each of some lanes of a group.
struct Kinks {
    unsigned lanes;
    alignas(64) float square[GROUP], near[4][GROUP], far[4][GROUP];  // linear, once, later, earlier
    alignas(64) int at[GROUP];

    // |du| E_1 of the nearer column, and |du| (v E_1 + dv E_2) of the farther one less the nearer, E_k(x) written as sums of
    // the moments at the plane ahead, s further, and of the voxels there (later) and at the plane behind (earlier).
    DEEPDRR_FN void set(const Crossing& crossing) {
        const Floats s = crossing.ahead, speed = greater(crossing.pace, -crossing.pace);
        const Floats side = speed * crossing.side, turn = speed * crossing.other;
        const Floats half = 0.5f * s * s, sixth = (1.0f / 3) * s * half, twelfth = 0.5f * s * sixth;
        const Floats later = half - sixth, later_square = 2.0f * sixth - twelfth;
        const Floats linear = side + 2.0f * turn * s, once = s * (side + turn * s);
        const Floats ahead = side * later + turn * later_square, behind = side * sixth + turn * twelfth;
        lanes = crossing.lanes;
        store(crossing.at, at), store(turn, square);
        store(linear, far[0]), store(once, far[1]), store(ahead, far[2]), store(behind, far[3]);
        store(speed - linear, near[0]), store(speed * s - once, near[1]);
        store(speed * later - ahead, near[2]), store(speed * sixth - behind, near[3]);
    }

    DEEPDRR_FN void add(const Columns& columns, Row* sums) const {
        const ColumnLines kinks = columns.kinks();
        const int step = columns.kinks_step();
        for_lanes(lanes, [&](int l) {
            RowPair sum = pair_of(-square[l], square[l]) * kinks.square(at[l]);
            RowPair more = pair_of(near[0][l], far[0][l]) * kinks.linear(at[l]);
            sum = multiply_add(pair_of(near[1][l], far[1][l]), kinks.once(at[l]), sum);
            more = multiply_add(pair_of(near[2][l], far[2][l]), kinks.value(at[l]), more);
            sum = multiply_add(pair_of(near[3][l], far[3][l]), kinks.value(at[l] - step), sum);
            sums[l] = sums[l] + sum_of(sum + more);
        });
    }
};

// The four columns of a cell, weighted along the ray: products of (1 - u) or u and (1 - v) or v.
struct CellWeights {
    alignas(64) float square[GROUP], linear[4][GROUP], once[4][GROUP];  // square: minus that for columns 1 and 2

    DEEPDRR_FN CellWeights(const ColumnWalk& walk, Floats x, float sign) {
        const Floats u = walk.within(0, x), v = walk.within(1, x), du = sign * walk.pace(0), dv = sign * walk.pace(1);
        store(walk.pace(0) * dv, square);
        for (int n = 0; n < 4; ++n) {
            const Floats p = n & 2 ? u : 1.0f - u, q = n & 1 ? v : 1.0f - v;
            store(sign * p * q, once[n]), store((n & 1 ? p : -p) * dv + (n & 2 ? q : -q) * du, linear[n]);
        }
    }
};

// A group of lanes of a packet in a block of slabs.
class ColumnIntegrals {
   public:
    ColumnIntegrals(const Columns& columns, int slabs, const SlabPlaces& places, int g)
        : columns_(columns), slabs_(slabs), walk_(columns, slabs, places, g) {}

    // Adds to sums [GROUP], each the integrals of all channels.
    DEEPDRR_FN void add(Row* sums) {
        const Ints seen = walk_.seen();
        if (!any(seen)) return;
        if (any_less(Floats{}, where(seen, walk_.enter(), Floats{})))
            add_cell(bits_of(seen), walk_.enter(), 1.0f, sums);
        else
            add_cell_from_start(bits_of(seen), sums);
        Kinks kinks[MOST_AT_ONCE];
        for (int found = MOST_AT_ONCE; found == MOST_AT_ONCE;) {
            Crossing crossing;
            for (found = 0; found < MOST_AT_ONCE && walk_.next(crossing); ++found) kinks[found].set(crossing);
            for (int n = 0; n < found; ++n) kinks[n].add(columns_, sums);
        }
        const Ints ends = seen & (walk_.leave() < (float)slabs_);
        if (any(ends)) add_cell(bits_of(ends), walk_.leave(), -1.0f, sums);
    }

   private:
    static constexpr int MOST_AT_ONCE = 16;

    // The polynomial of the cell at the first plane, to the end of the block.
    DEEPDRR_FN void add_cell_from_start(unsigned lanes, Row* sums) const {
        const CellWeights w(walk_, Floats{}, 1.0f);
        alignas(64) int at[GROUP];
        store(walk_.column(), at);
        const ColumnLines field = columns_.field();
        for_lanes(lanes, [&](int l) {
            const auto add_two = [&](int n, int from) {
                const RowPair sum = pair_of(w.linear[n][l], w.linear[n + 1][l]) * field.linear(from);
                const float square = n == 0 ? w.square[l] : -w.square[l];
                return multiply_add(pair_of(w.once[n][l], w.once[n + 1][l]), field.once(from),
                                    multiply_add(pair_of(square, -square), field.square(from), sum));
            };
            sums[l] = sums[l] + sum_of(add_two(0, at[l]) + add_two(2, at[l] + columns_.line()));
        });
    }

    // The same at any x, times a sign.
    DEEPDRR_FN void add_cell(unsigned lanes, Floats x, float sign, Row* sums) const {
        const CellWeights w(walk_, x, sign);
        const Ints ahead = walk_.plane_ahead(x);
        alignas(64) int at[GROUP];
        alignas(64) float s[GROUP];
        store(walk_.column() + ahead * columns_.field_step(), at), store(to_float(ahead) - x, s);
        const ColumnLines field = columns_.field();
        for_lanes(lanes, [&](int l) {
            for (int n = 0; n < 4; n += 2) {
                const int from = at[l] + (n >> 1) * columns_.line();
                const MomentPairs here = field.moments(from).back(s[l], field.value(from - columns_.field_step()));
                const float square = n == 0 ? w.square[l] : -w.square[l];
                RowPair sum = pair_of(square, -square) * here.square;
                sum = multiply_add(pair_of(w.linear[n][l], w.linear[n + 1][l]), here.linear, sum);
                sum = multiply_add(pair_of(w.once[n][l], w.once[n + 1][l]), here.once, sum);
                sums[l] = sums[l] + sum_of(sum);
            }
        });
    }

    const Columns& columns_;
    int slabs_;
    ColumnWalk walk_;
};

}  // namespace deepdrr

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
        const std::int64_t step = columns.kinks_step();
        const Moments* kinks = columns.kinks();
        for_lanes(lanes, [&](int l) {
            const Moments* ahead = kinks + at[l];
            const float *one = (const float*)&ahead[0], *two = (const float*)&ahead[1];
            RowPair sum = pair_of(-square[l], near[0][l]) * load_row_pair(one);
            RowPair more = pair_of(near[1][l], near[2][l]) * load_row_pair(one + 8);
            sum = multiply_add(pair_of(square[l], far[0][l]), load_row_pair(two), sum);
            more = multiply_add(pair_of(far[1][l], far[2][l]), load_row_pair(two + 8), more);
            const Row before = multiply_add(near[3][l], ahead[-step].value, far[3][l] * ahead[1 - step].value);
            sums[l] = sums[l] + (sum_of(sum) + sum_of(more)) + before;
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
        for_lanes(lanes, [&](int l) {
            const Moments* from = columns_.field() + at[l];
            RowPair sum = pair_of(w.square[l], w.linear[0][l]) * load_row_pair((const float*)from);
            Row rest = w.once[0][l] * from->once;
            for (int n = 1; n < 4; ++n) {
                const Moments& column = from[(n >> 1) * columns_.across() + (n & 1)];
                const RowPair weight = pair_of(n == 3 ? w.square[l] : -w.square[l], w.linear[n][l]);
                sum = multiply_add(weight, load_row_pair((const float*)&column), sum);
                rest = multiply_add(w.once[n][l], column.once, rest);
            }
            sums[l] = sums[l] + (sum_of(sum) + rest);
        });
    }

    // The same at any x, times a sign.
    DEEPDRR_FN void add_cell(unsigned lanes, Floats x, float sign, Row* sums) const {
        const CellWeights w(walk_, x, sign);
        const Ints ahead = walk_.plane_ahead(x);
        alignas(64) int at[GROUP];
        alignas(64) float s[GROUP];
        store(walk_.column() + ahead * columns_.field_step(), at), store(to_float(ahead) - x, s);
        for_lanes(lanes, [&](int l) {
            for (int n = 0; n < 4; ++n) {
                const Moments* column = columns_.field() + at[l] + (n >> 1) * columns_.across() + (n & 1);
                const Moments here = column->back(s[l], column[-columns_.field_step()].value);
                const float square = n == 0 || n == 3 ? w.square[l] : -w.square[l];
                const Row more = multiply_add(w.linear[n][l], here.linear, square * here.square);
                sums[l] = multiply_add(w.once[n][l], here.once, sums[l] + more);
            }
        });
    }

    const Columns& columns_;
    int slabs_;
    ColumnWalk walk_;
};

}  // namespace deepdrr

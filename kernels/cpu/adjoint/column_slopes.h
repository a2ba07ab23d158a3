// What the gradient with respect to a ray needs of an exact integral, from the moments of the columns that it passes.
//
// As in column_integrals.h, the field along a ray is the polynomial of a cell and a kink at every crossing. Its derivatives
// across the main axis are those of polynomial and kinks: f_u jumps by K_p(v) where the ray crosses u = p, and f_v by
// |du| (x - x*) times K's difference from one column to the next. So the integrals of f, f_u, f_v, x f_u and x f_v are sums of
// the moments at x*. The derivative along the main axis follows from the field at the chord's ends.
#pragma once

#include "adjoint/ray_gradients.h"
#include "march/column_walk.h"

namespace deepdrr {

// Sums of a lane over a block, of all channels: the integrals of f, of f_u and f_v, and of x f_u and x f_v.
struct SlopeRows {
    Row integral, along[2], moment[2];
};

// The field where a chord begins and ends, of all channels.
struct EndRows {
    Row enter, leave;
};

// A group of lanes of a packet in a block of slabs.
class ColumnSlopes {
   public:
    ColumnSlopes(const Columns& columns, const SlabPlaces& places, int g, int slabs)
        : columns_(columns), walk_(columns, slabs, places, g) {}

    // Adds to sums [GROUP]; and sets the ends of the lanes whose chords begin or end here.
    DEEPDRR_FN void add(unsigned begins, unsigned stops, SlopeRows* sums, EndRows* ends) {
        const unsigned seen = bits_of(walk_.seen());
        if (seen == 0) return;
        add_cell(seen, walk_.enter(), 1.0f, sums, [&](int l, Row value) {
            if (begins >> l & 1) ends[l].enter = value;
        });
        Crossing crossing;
        while (walk_.next(crossing)) add_kinks(crossing, sums);
        add_cell(seen & stops, walk_.leave(), -1.0f, sums, [&](int l, Row value) { ends[l].leave = value; });
    }

   private:
    DEEPDRR_FN void add_kinks(const Crossing& crossing, SlopeRows* sums) const {
        alignas(64) float s[GROUP], x[GROUP], pace[GROUP], other[GROUP], side[GROUP];
        alignas(64) int at[GROUP], of_u[GROUP];
        store(crossing.ahead, s), store(crossing.x, x), store(crossing.pace, pace), store(crossing.other, other);
        store(crossing.side, side), store(crossing.at, at), store(crossing.of_u, of_u);
        const ColumnLines kinks = columns_.kinks();
        const int step = columns_.kinks_step();
        for_lanes(crossing.lanes, [&](int l) {
            const MomentPairs kink = kinks.moments(at[l]).back(s[l], kinks.value(at[l] - step));
            const Row once = rise_of(kink.once), linear = rise_of(kink.linear), square = rise_of(kink.square);
            const Row jump = multiply_add(side[l], once, multiply_add(other[l], linear, first_of(kink.once)));
            const Row rise = multiply_add(side[l], linear, multiply_add(other[l], square, first_of(kink.linear)));
            const float speed = magnitude(pace[l]), sign = pace[l] < 0.0f ? -1.0f : 1.0f;
            SlopeRows& sum = sums[l];
            const int own = of_u[l] ? 0 : 1;
            sum.integral = multiply_add(speed, rise, sum.integral);
            sum.along[own] = multiply_add(sign, jump, sum.along[own]);
            sum.moment[own] = multiply_add(sign, multiply_add(x[l], jump, rise), sum.moment[own]);
            sum.along[1 - own] = multiply_add(speed, linear, sum.along[1 - own]);
            sum.moment[1 - own] = multiply_add(speed, multiply_add(x[l], linear, square), sum.moment[1 - own]);
        });
    }

    // The polynomial of the cell at x, from there to the end of the block, times a sign; end(l, f) gets the field there.
    template <class End>
    DEEPDRR_FN void add_cell(unsigned lanes, Floats at_x, float sign, SlopeRows* sums, const End& end) const {
        const Ints ahead = walk_.plane_ahead(at_x);
        alignas(64) float s[GROUP], x[GROUP], at_u[GROUP], at_v[GROUP], pace_u[GROUP], pace_v[GROUP];
        alignas(64) int at[GROUP];
        store(walk_.column() + ahead * columns_.field_step(), at), store(to_float(ahead) - at_x, s), store(at_x, x);
        store(walk_.within(0, at_x), at_u), store(walk_.within(1, at_x), at_v);
        store(walk_.pace(0), pace_u), store(walk_.pace(1), pace_v);
        const ColumnLines field = columns_.field();
        for_lanes(lanes, [&](int l) {
            const float u = at_u[l], v = at_v[l], du = pace_u[l], dv = pace_v[l];
            const auto of_line = [&](int from) {
                return field.moments(from).back(s[l], field.value(from - columns_.field_step()));
            };
            const MomentPairs here = of_line(at[l]), next = of_line(at[l] + columns_.line());
            const Row f_once = first_of(here.once), f_value = first_of(here.value);
            const MomentPairs by_u = less(next, here);  // of the first column, and of the second
            const MomentRows by_v = rise_of(here), by_both = rise_of(by_u);
            const Row along_u = multiply_add(v, by_both.once, multiply_add(dv, by_both.linear, first_of(by_u.once)));
            const Row along_v = multiply_add(u, by_both.once, multiply_add(du, by_both.linear, by_v.once));
            const Row rise_u = multiply_add(v, by_both.linear, multiply_add(dv, by_both.square, first_of(by_u.linear)));
            const Row rise_v = multiply_add(u, by_both.linear, multiply_add(du, by_both.square, by_v.linear));
            // f = f_00 + (u + r du) (f_u at r) + (v + r dv) by_v
            const Row across_u = multiply_add(u, along_u, multiply_add(du, rise_u, f_once));
            const Row integral = multiply_add(v, by_v.once, multiply_add(dv, by_v.linear, across_u));
            SlopeRows& sum = sums[l];
            sum.integral = multiply_add(sign, integral, sum.integral);
            sum.along[0] = multiply_add(sign, along_u, sum.along[0]);
            sum.along[1] = multiply_add(sign, along_v, sum.along[1]);
            sum.moment[0] = multiply_add(sign, multiply_add(x[l], along_u, rise_u), sum.moment[0]);
            sum.moment[1] = multiply_add(sign, multiply_add(x[l], along_v, rise_v), sum.moment[1]);
            end(l, multiply_add(u, first_of(by_u.value), multiply_add(v, by_v.value, multiply_add(u * v, by_both.value, f_value))));
        });
    }

    struct MomentRows {
        Row square, linear, once, value;
    };

    DEEPDRR_FN static Row rise_of(RowPair pair) { return multiply_add(-1.0f, first_of(pair), second_of(pair)); }
    DEEPDRR_FN static MomentRows rise_of(const MomentPairs& pair) {
        return {rise_of(pair.square), rise_of(pair.linear), rise_of(pair.once), rise_of(pair.value)};
    }
    DEEPDRR_FN static RowPair less(RowPair a, RowPair b) { return multiply_add(-1.0f, b, a); }
    DEEPDRR_FN static MomentPairs less(const MomentPairs& a, const MomentPairs& b) {
        return {less(a.square, b.square), less(a.linear, b.linear), less(a.once, b.once), less(a.value, b.value)};
    }

    const Columns& columns_;
    ColumnWalk walk_;
};

// A tile whose rays follow the main axis, and the sums of its rays over all channels, weighted.
class SlopePacket {
   public:
    static constexpr bool has_ends = true;

    Tile tile;
    SlabRays rays;

    SlopePacket(const Tile& of, const Chord* chords, const SlabAxes& axes) : tile(of), rays(chords, axes), axes_(axes) {
        for (int l = 0; l < LANES; ++l) forward_[l] = chords[l].slope[axes.main] > 0.0;
    }

    // weights [CHANNELS, LANES] of the channels that come next.
    void weigh(const float* weights) {
        for (int c = 0; c < CHANNELS; ++c)
            for (int l = 0; l < LANES; ++l) weights_[l][c] = weights[c * LANES + l];
    }

    void add(const Columns& columns, int first, int slabs, const SlabPlaces& places) {
        const Row zero = row_of(0.0f);
        for (int g = 0; g < LANES / GROUP; ++g) {
            SlopeRows sums[GROUP];
            EndRows ends[GROUP];
            unsigned begins = 0, stops = 0;
            for (int n = 0; n < GROUP; ++n) {
                const int l = g * GROUP + n;
                sums[n] = {zero, {zero, zero}, {zero, zero}}, ends[n] = {zero, zero};
                begins |= (unsigned)(rays.enter(l) >= first) << n, stops |= (unsigned)(rays.leave(l) <= first + slabs) << n;
            }
            ColumnSlopes(columns, places, g, slabs).add(begins, stops, sums, ends);
            for (int n = 0; n < GROUP; ++n) add(g * GROUP + n, first, sums[n], ends[n]);
        }
    }

    // The sums of chord_adjoint.h.
    RaySums sums(int l) const {
        const Totals& total = totals_[l];
        const double mm = rays.mm(l), length = rays.leave(l) - rays.enter(l);
        double along[3], moment[3];
        along[axes_.main] = total.leave - total.enter, moment[axes_.main] = length * total.leave - total.integral;
        for (int c = 0; c < 2; ++c) {
            const int a = axes_.across[c];
            along[a] = total.along[c], moment[a] = total.moment[c];
            along[axes_.main] -= rays.pace(c, l) * total.along[c];
            moment[axes_.main] -= rays.pace(c, l) * total.moment[c];
        }
        RaySums sums = {};
        sums.integral = mm * total.integral;
        sums.first = forward_[l] ? total.enter : total.leave, sums.last = forward_[l] ? total.leave : total.enter;
        for (int a = 0; a < 3; ++a) {
            const double part = mm * moment[a] / length;
            sums.slope[a] = mm * along[a], sums.first_moment[a] = forward_[l] ? part : sums.slope[a] - part;
        }
        return sums;
    }

   private:
    struct Totals {
        double integral, along[2], moment[2], enter, leave;  // moments count from where the chord begins
    };

    void add(int l, int first, const SlopeRows& sums, const EndRows& ends) {
        Totals& total = totals_[l];
        const auto weighted = [&](Row row) {
            alignas(16) float product[4];
            store_row(product, row * load_row(weights_[l]));
            return (double)product[0] + product[1] + (product[2] + (double)product[3]);
        };
        total.integral += weighted(sums.integral);
        for (int c = 0; c < 2; ++c) {
            const double along = weighted(sums.along[c]);
            total.along[c] += along, total.moment[c] += weighted(sums.moment[c]) + (first - rays.enter(l)) * along;
        }
        total.enter += weighted(ends.enter), total.leave += weighted(ends.leave);
    }

    SlabAxes axes_;
    bool forward_[LANES];
    alignas(16) float weights_[LANES][CHANNELS];
    Totals totals_[LANES] = {};
};

}  // namespace deepdrr

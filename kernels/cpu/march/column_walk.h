// The walk of rays from one column of cells to the next, through a block of slabs.
#pragma once

#include "march/columns.h"

namespace deepdrr {

// The first of some lanes, a bit each.
DEEPDRR_FN int first_lane(unsigned lanes) {
#if defined(__GNUC__)
    return __builtin_ctz(lanes);
#else
    int l = 0;
    while ((lanes >> l & 1) == 0) ++l;
    return l;
#endif
}

// Calls work(l) for some lanes of a group.
template <class Work>
DEEPDRR_FN void for_lanes(unsigned lanes, const Work& work) {
    if (lanes == (1u << GROUP) - 1)
        for (int l = 0; l < GROUP; ++l) work(l);
    else
        for (; lanes != 0; lanes &= lanes - 1) work(first_lane(lanes));
}

// Where lanes of a group meet a plane of voxel centers, of u or of v.
struct Crossing {
    unsigned lanes;        // those that do
    Ints of_u;             // whether it is a plane of u
    Ints at;               // where the kinks of the columns beside it begin, at the plane ahead
    Floats x, ahead;       // how far from the first plane, and to the plane ahead
    Floats pace, other;    // across the plane, and along it
    Floats side;           // position between the two columns, 0 .. 1
};

class ColumnWalk {
   public:
    // A group of the lanes of a packet.
    ColumnWalk(const Columns& columns, int slabs, const SlabPlaces& places, int g)
        : columns_(columns), slabs_(slabs), enter_(load<Floats>(places.enter + g * GROUP)),
          leave_(load<Floats>(places.leave + g * GROUP)) {
        for (int c = 0; c < 2; ++c) {
            at_[c] = load<Floats>(places.at[c] + g * GROUP) + (float)(places.origin[c] - columns.low[c]);
            pace_[c] = load<Floats>(places.pace[c] + g * GROUP);
            slabs_per_cell_[c] = load<Floats>(places.slabs_per_cell[c] + g * GROUP);
            cell_[c] = floor_of(at_[c] + enter_ * pace_[c]);
            rises_[c] = (slabs_per_cell_[c] >= Floats{}) & 1;
        }
    }

    DEEPDRR_FN Ints seen() const { return enter_ < leave_; }
    DEEPDRR_FN Floats enter() const { return enter_; }
    DEEPDRR_FN Floats leave() const { return leave_; }
    DEEPDRR_FN Floats pace(int c) const { return pace_[c]; }

    // u or v in the cell of the moment, 0 .. 1, where the main coordinate is x.
    DEEPDRR_FN Floats within(int c, Floats x) const { return at_[c] + x * pace_[c] - to_float(cell_[c]); }

    // The lowest column of the cell of the moment.
    DEEPDRR_FN Ints column() const { return held(0, cell_[0]) * columns_.line() + held(1, cell_[1]) * CHANNELS; }

    // The plane ahead of x.
    DEEPDRR_FN Ints plane_ahead(Floats x) const { return lesser(to_int(x) + 1, Ints{} + slabs_); }

    // Each lane's next crossing; false where none is left.
    DEEPDRR_FN bool next(Crossing& crossing) {
        const Floats meets[2] = {next_plane(0), next_plane(1)};
        const Ints first = meets[0] <= meets[1];
        const Floats x = where(first, meets[0], meets[1]);
        const Ints found = x < leave_;
        crossing.lanes = bits_of(found);
        if (crossing.lanes == 0) return false;
        const Ints ahead = plane_ahead(lesser(x, leave_));
        const Ints u = held(0, cell_[0]), v = held(1, cell_[1]);
        const Ints p = held(0, cell_[0] + rises_[0] - 1) + 1, q = held(1, cell_[1] + rises_[1] - 1) + 1;
        const Ints of_u = p * columns_.line() + v * CHANNELS;
        const Ints of_v = q * columns_.line() + u * CHANNELS + columns_.kinks_of_v();
        crossing.of_u = first, crossing.at = ahead * columns_.kinks_step() + where(first, of_u, of_v);
        crossing.x = x, crossing.ahead = to_float(ahead) - x;
        crossing.pace = where(first, pace_[0], pace_[1]), crossing.other = where(first, pace_[1], pace_[0]);
        crossing.side = where(first, within(1, x), within(0, x));
        cell_[0] += where(found & first, 2 * rises_[0] - 1, Ints{});
        cell_[1] += where(found & ~first, 2 * rises_[1] - 1, Ints{});
        return true;
    }

   private:
    DEEPDRR_FN static Ints floor_of(Floats x) {
        const Ints whole = to_int(x);
        return where(to_float(whole) > x, whole - 1, whole);
    }

    // A cell that the columns hold, whatever the rounding of a position.
    DEEPDRR_FN Ints held(int c, Ints cell) const {
        return lesser(greater(cell, Ints{}), Ints{} + (columns_.count[c] - 2));
    }

    DEEPDRR_FN Floats next_plane(int c) const {
        return greater((to_float(cell_[c] + rises_[c]) - at_[c]) * slabs_per_cell_[c], enter_);
    }

    const Columns& columns_;
    int slabs_;
    Floats enter_, leave_, at_[2], pace_[2], slabs_per_cell_[2];
    Ints cell_[2], rises_[2];
};

}  // namespace deepdrr

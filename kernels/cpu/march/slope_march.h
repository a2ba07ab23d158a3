// Value and derivative of a linear field at midpoint samples along the rays of a packet, summed in one march.
//
// With w the distance of samples and u = (k + 1/2) / n the fraction of the chord before sample k of n, it collects what
// chord_adjoint.h asks for:
//
//     integral = sum w f,        slope = sum w f',        lever = sum w u f'.
#pragma once

#include "march/cells.h"
#include "deepdrr/chord_adjoint.h"
#include "march/step_places.h"

namespace deepdrr {

class SlopeMarch : ExactPlaces {
   public:
    static constexpr bool exact = false;

    SlopeMarch(const Chord* chords, const Grid& grid, double step) : ExactPlaces(chords, grid, step) {}

    // One turn; false where it was the last.
    template <class Field>
    bool advance(const Field& field) {
        if (sample_ >= samples_) return false;
        Places places;
        const bool inside = place(places);
        for (int first = 0; first < LANES; first += GROUP)
            if (inside)
                run<true>(field, places, first);
            else
                run<false>(field, places, first);
        sample_ += turn_;
        return sample_ < samples_;
    }

    RaySums sums(int l) const {
        RaySums result = {};
        const double part = part_[l], share = count_[l] > 0 ? part / count_[l] : 0.0;
        for (int a = 0; a < 3; ++a)
            result.slope[a] = part * slope_[a][l], result.lever[a] = share * lever_[a][l];
        result.integral = part * value_[l];
        return result;
    }

   private:
    template <bool INSIDE, class Field>
    DEEPDRR_FN void run(const Field& field, const Places& places, int first) {
        const Ints origin = load<Ints>(places.voxel + first), left = load<Ints>(count_ + first) - sample_;
        const Ints di = load<Ints>(places.pace[0] + first), dj = load<Ints>(places.pace[1] + first);
        const Ints dk = load<Ints>(places.pace[2] + first);
        Ints i = load<Ints>(places.at[0] + first), j = load<Ints>(places.at[1] + first);
        Ints k = load<Ints>(places.at[2] + first);
        Slope<Floats> sum = {};
        Floats lever_x = {}, lever_y = {}, lever_z = {};
        for (int n = 0; n < turn_; ++n) {
            const Along x = along<INSIDE>(places, 0, first, i), y = along<INSIDE>(places, 1, first, j);
            const Along z = along<INSIDE>(places, 2, first, k);
            const Ints voxel = origin + x.cell * grid_.plane + y.cell * grid_.row + z.cell;
            if (INSIDE) announce(field, origin, i + TURN * di, j + TURN * dj, k + TURN * dk, first);
            Slope<Floats> f = trilinear_slope(field.cell(voxel, x.part, y.part, z.part, first), x.part, y.part, z.part);
            if (!INSIDE) {
                const Ints live = n < left;
                f.value = where(live, f.value, Floats{});
                f.x = where(live & x.moves, f.x, Floats{}), f.y = where(live & y.moves, f.y, Floats{});
                f.z = where(live & z.moves, f.z, Floats{});
            }
            const float before = (float)n;
            sum.value += f.value, sum.x += f.x, sum.y += f.y, sum.z += f.z;
            lever_x += before * f.x, lever_y += before * f.y, lever_z += before * f.z;
            i += di, j += dj, k += dk;
        }
        const float before = (float)sample_ + 0.5f;
        add_to(value_ + first, sum.value);
        add_to(slope_[0] + first, sum.x), add_to(lever_[0] + first, before * sum.x + lever_x);
        add_to(slope_[1] + first, sum.y), add_to(lever_[1] + first, before * sum.y + lever_y);
        add_to(slope_[2] + first, sum.z), add_to(lever_[2] + first, before * sum.z + lever_z);
    }

    // Brings the cells of the next turn into the cache: those of four lanes across the tile, which share their lines with
    // the others. Meanwhile the other packets of the bundle advance.
    template <class Field>
    DEEPDRR_FN void announce(const Field& field, Ints origin, Ints i, Ints j, Ints k, int first) const {
        const Ints voxel = origin + (i >> bits_) * grid_.plane + (j >> bits_) * grid_.row + (k >> bits_);
        for (int l = on_diagonal(first); l < GROUP; l += DIAGONAL) field.prefetch(lane(voxel, l));
    }

    alignas(64) float value_[LANES] = {}, slope_[3][LANES] = {}, lever_[3][LANES] = {};
};

}  // namespace deepdrr

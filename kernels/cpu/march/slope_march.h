// Value and derivative of a linear field at midpoint samples along the rays of a packet, summed in one march.
//
// With w the distance of samples and u = (k + 1/2) / n the fraction of the chord before sample k of n, it collects what
// chord_adjoint.h asks for:
//
//     integral = sum w f,        slope = sum w f',        first_moment = sum w u f'.
#pragma once

#include "deepdrr/chord_adjoint.h"
#include "march/cells.h"
#include "march/sample_positions.h"

namespace deepdrr {

class SlopeMarch : ExactSamplePositions {
   public:
    static constexpr bool exact = false;

    SlopeMarch(const Chord* chords, const Grid& grid, double step) : ExactSamplePositions(chords, grid, step) {}

    // One chunk; false where it was the last.
    template <class Field>
    bool advance(const Field& field) {
        if (sample_ >= samples_) return false;
        Positions positions;
        const bool interior = place(positions);
        for (int first = 0; first < LANES; first += GROUP)
            if (interior)
                run<true>(field, positions, first);
            else
                run<false>(field, positions, first);
        sample_ += chunk_;
        return sample_ < samples_;
    }

    RaySums sums(int l) const {
        RaySums result = {};
        const double part = part_[l], share = count_[l] > 0 ? part / count_[l] : 0.0;
        for (int a = 0; a < 3; ++a)
            result.slope[a] = part * slope_[a][l], result.first_moment[a] = share * first_moment_[a][l];
        result.integral = part * value_[l];
        return result;
    }

   private:
    template <bool INTERIOR, class Field>
    DEEPDRR_FN void run(const Field& field, const Positions& positions, int first) {
        const Ints origin = load<Ints>(positions.voxel + first), left = load<Ints>(count_ + first) - sample_;
        const Ints di = load<Ints>(positions.pace[0] + first), dj = load<Ints>(positions.pace[1] + first);
        const Ints dk = load<Ints>(positions.pace[2] + first);
        Ints i = load<Ints>(positions.at[0] + first), j = load<Ints>(positions.at[1] + first);
        Ints k = load<Ints>(positions.at[2] + first);
        Slope<Floats> sum = {};
        Floats first_moment_x = {}, first_moment_y = {}, first_moment_z = {};
        for (int n = 0; n < chunk_; ++n) {
            const AxisPosition x = axis_position<INTERIOR>(positions, 0, first, i);
            const AxisPosition y = axis_position<INTERIOR>(positions, 1, first, j);
            const AxisPosition z = axis_position<INTERIOR>(positions, 2, first, k);
            const Ints voxel = origin + x.cell * grid_.plane + y.cell * grid_.row + z.cell;
            if (INTERIOR) look_ahead(field, origin, i + CHUNK * di, j + CHUNK * dj, k + CHUNK * dk, first);
            Slope<Floats> f = trilinear_slope(field.cell(voxel, x.part, y.part, z.part, first), x.part, y.part, z.part);
            if (!INTERIOR) {
                const Ints live = n < left;
                f.value = where(live, f.value, Floats{});
                f.x = where(live & x.moves, f.x, Floats{}), f.y = where(live & y.moves, f.y, Floats{});
                f.z = where(live & z.moves, f.z, Floats{});
            }
            const float before = (float)n;
            sum.value += f.value, sum.x += f.x, sum.y += f.y, sum.z += f.z;
            first_moment_x += before * f.x, first_moment_y += before * f.y, first_moment_z += before * f.z;
            i += di, j += dj, k += dk;
        }
        const float before = (float)sample_ + 0.5f;
        add_to(value_ + first, sum.value);
        add_to(slope_[0] + first, sum.x), add_to(first_moment_[0] + first, before * sum.x + first_moment_x);
        add_to(slope_[1] + first, sum.y), add_to(first_moment_[1] + first, before * sum.y + first_moment_y);
        add_to(slope_[2] + first, sum.z), add_to(first_moment_[2] + first, before * sum.z + first_moment_z);
    }

    // Brings the cells of the next chunk into the cache: those of four lanes across the tile, which share their lines
    // with the others. Meanwhile the other packets of the bundle advance.
    template <class Field>
    DEEPDRR_FN void look_ahead(const Field& field, Ints origin, Ints i, Ints j, Ints k, int first) const {
        const Ints voxel = origin + (i >> bits_) * grid_.plane + (j >> bits_) * grid_.row + (k >> bits_);
        for (int l = on_diagonal(first); l < GROUP; l += DIAGONAL) field.prefetch(lane(voxel, l));
    }

    alignas(64) float value_[LANES] = {}, slope_[3][LANES] = {}, first_moment_[3][LANES] = {};
};

}  // namespace deepdrr

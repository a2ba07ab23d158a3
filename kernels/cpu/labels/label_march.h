// Marches of a packet whose integral goes to the label of the nearest voxel, part by part, into `total` [labels + 1,
// LANES].
//
//   HardSteps: a linear field at midpoint samples.     HardWalk: the nearest voxel's value, from voxel to voxel.
#pragma once

#include "deepdrr/walk.h"
#include "labels/label_cells.h"
#include "march/sample_positions.h"

namespace deepdrr {

// The sums of a group of lanes by label, like LabelSums for a packet; a lane that changes label is flushed alone.
class GroupLabelSums {
   public:
    GroupLabelSums(float (*total)[LANES], int first) : total_(&total[0][first]) {}

    DEEPDRR_FN void add(Ints label, Floats value) {
        const Ints changed = label != label_;
        if (const unsigned lanes = bits_of(changed)) {
            flush(lanes);
            sum_ = where(changed, Floats{}, sum_), label_ = label;
        }
        sum_ += value;
    }

    DEEPDRR_FN void close() { flush((1u << GROUP) - 1); }

   private:
    DEEPDRR_FN void flush(unsigned lanes) {
        alignas(64) int label[GROUP];
        alignas(64) float sum[GROUP];
        store(label_, label), store(sum_, sum);
        for (int l = 0; lanes; ++l, lanes >>= 1)
            if (lanes & 1) total_[label[l] * LANES + l] += sum[l];
    }

    float* total_;
    Ints label_{};
    Floats sum_{};
};

class HardSteps : SamplePositions<16, 22> {
   public:
    using Thin = HardSteps;

    HardSteps(const Chord* chords, const Grid& grid, double step, float (*total)[LANES])
        : SamplePositions(chords, grid, step), total_(total) {
        for (int l = 0; l < LANES; ++l) length_[l] = (float)part_[l];
    }

    // One chunk; false where it was the last.
    template <class T>
    bool advance(const LabeledField<T>& field) {
        if (sample_ >= samples_) return false;
        Positions positions;
        const bool interior = place(positions);
        for (int first = 0; first < LANES; first += GROUP)
            if (grid_.n[2] == 1)
                run<false, true>(field, positions, first);
            else if (interior)
                run<true, false>(field, positions, first);
            else
                run<false, false>(field, positions, first);
        sample_ += chunk_;
        return sample_ < samples_;
    }

   private:
    template <bool INTERIOR, bool THIN, class T>
    DEEPDRR_FN void run(const LabeledField<T>& field, const Positions& positions, int first) {
        const Ints origin = load<Ints>(positions.voxel + first), left = load<Ints>(count_ + first) - sample_;
        const Ints di = load<Ints>(positions.pace[0] + first), dj = load<Ints>(positions.pace[1] + first);
        const Ints dk = load<Ints>(positions.pace[2] + first);
        Ints i = load<Ints>(positions.at[0] + first), j = load<Ints>(positions.at[1] + first);
        Ints k = load<Ints>(positions.at[2] + first);
        const Floats part = load<Floats>(length_ + first);
        GroupLabelSums sums(total_, first);
        for (int n = 0; n < chunk_; ++n) {
            const AxisPosition x = axis_position<INTERIOR>(positions, 0, first, i);
            const AxisPosition y = axis_position<INTERIOR>(positions, 1, first, j);
            const AxisPosition z = axis_position<INTERIOR>(positions, 2, first, k);
            const Ints voxel = origin + x.cell * grid_.plane + y.cell * grid_.row + z.cell;
            if (INTERIOR) look_ahead(field, origin, i + CHUNK * di, j + CHUNK * dj, k + CHUNK * dk, first);
            const Floats f =
                part * trilinear_slope(fetch_cell<THIN>(field, voxel), x.part, y.part, z.part).value;
            const Ints label = nearest_label(field, voxel, x.part, y.part, z.part);
            sums.add(label, INTERIOR ? f : where(n < left, f, Floats{}));
            i += di, j += dj, k += dk;
        }
        sums.close();
    }

    // As SlopeMarch does.
    template <class T>
    DEEPDRR_FN void look_ahead(const LabeledField<T>& field, Ints origin, Ints i, Ints j, Ints k, int first) const {
        const Ints voxel = origin + (i >> bits_) * grid_.plane + (j >> bits_) * grid_.row + (k >> bits_);
        for (int l = on_diagonal(first); l < GROUP; l += DIAGONAL) prefetch_cell(field, lane(voxel, l));
    }

    float (*total_)[LANES];
    alignas(64) float length_[LANES];  // mm, of a sample
};

// The walk of walk.h from voxel to voxel, in vectors of a group of lanes (PacketWalk leaves that to the compiler, which
// cannot do it around the label sums). The grid may have one voxel along any axis.
class HardWalk {
   public:
    using Thin = HardWalk;

    HardWalk(const Chord* chords, const Grid& grid, double /*step*/, float (*total)[LANES]) : total_(total) {
        const int next[3] = {grid.plane, grid.row, 1};
        for (int a = 0; a < 3; ++a) {
            last_[a] = (grid.n[a] - 1) * next[a];
            for (int l = 0; l < LANES; ++l) {
                const Axis axis = make_axis(chords[l].entry[a] + 0.5, chords[l].slope[a], 0, grid.n[a] - 1);
                const bool up = axis.slope >= 0.0f;
                entry_[a][l] = axis.entry, inverse_[a][l] = axis.inverse, plane_[a][l] = up ? 1.0f : 0.0f;
                pace_[a][l] = up ? 1.0f : -1.0f;
                voxel_[a][l] = axis.first * next[a], step_[a][l] = up ? next[a] : -next[a];
            }
        }
        for (int l = 0; l < LANES; ++l) length_[l] = (float)chords[l].length;
    }

    // CHUNK voxels further; false where all rays are at their ends.
    template <class T>
    bool advance(const LabeledField<T>& field) {
        bool more = false;
        for (int first = 0; first < LANES; first += GROUP) more |= run(field, first);
        return more;
    }

   private:
    static constexpr int CHUNK = 8;

    // One axis of a group: the next plane that it crosses is `plane` cells behind the start of the cell of entry.
    struct Crossing {
        Floats plane, entry, inverse, pace;
        Ints voxel, step, last;

        DEEPDRR_FN Floats at() const { return (plane - entry) * inverse; }  // mm
        DEEPDRR_FN Ints within() const {
            const Ints high = where(voxel > last, last, voxel);
            return where(high < 0, Ints{}, high);
        }
        DEEPDRR_FN void pass(Ints which) {
            plane += where(which, pace, Floats{}), voxel += where(which, step, Ints{});
        }
    };

    DEEPDRR_FN Crossing crossing(int a, int first) const {
        const auto of = [&](const float(*axes)[LANES]) { return load<Floats>(axes[a] + first); };
        return {of(plane_), of(entry_), of(inverse_), of(pace_), load<Ints>(voxel_[a] + first),
                load<Ints>(step_[a] + first), Ints{} + last_[a]};
    }

    DEEPDRR_FN void keep(const Crossing& crossing, int a, int first) {
        store(crossing.plane, plane_[a] + first), store(crossing.voxel, voxel_[a] + first);
    }

    template <class T>
    DEEPDRR_FN bool run(const LabeledField<T>& field, int first) {
        const Floats length = load<Floats>(length_ + first);
        Floats at = load<Floats>(at_ + first);
        if (!any(at < length)) return false;
        Crossing i = crossing(0, first), j = crossing(1, first), k = crossing(2, first);
        const Ints start = i.within() + j.within() + k.within(), ahead = start - load<Ints>(before_ + first);
        GroupLabelSums sums(total_, first);
        for (int n = 0; n < CHUNK; ++n) {
            const Floats si = i.at(), sj = j.at(), sk = k.at();
            const Floats low = where(sj < sk, sj, sk), nearest = where(si < low, si, low);
            const Ints go = nearest < length, crosses_i = si == nearest, crosses_j = ~crosses_i & (sj == nearest);
            const Floats end = where(go, nearest, length), stop = where(end > at, end, at);
            const Ints voxel = i.within() + j.within() + k.within();
            look_ahead(field, voxel + ahead, first);
            const Ints label = label_of(field.labels, fetch_bytes(field.labels, voxel));
            sums.add(label, (stop - at) * fetch_voxel(field, voxel));
            i.pass(go & crosses_i), j.pass(go & crosses_j), k.pass(go & ~(crosses_i | crosses_j));
            at = stop;
        }
        sums.close();
        keep(i, 0, first), keep(j, 1, first), keep(k, 2, first);
        store(at, at_ + first), store(start, before_ + first);
        return any(at < length);
    }

    // Brings the voxels into the cache that the next chunk comes to if it goes as far as this one.
    template <class T>
    DEEPDRR_FN static void look_ahead(const LabeledField<T>& field, Ints voxel, int first) {
        for (int l = on_diagonal(first); l < GROUP; l += DIAGONAL) {
            if (field.values.data) DEEPDRR_PREFETCH(field.values.data + lane(voxel, l));
            DEEPDRR_PREFETCH(field.labels.data + lane(voxel, l));
        }
    }

    float (*total_)[LANES];
    int last_[3];  // of each axis' share in a voxel's index, the highest
    alignas(64) float entry_[3][LANES], inverse_[3][LANES], plane_[3][LANES], pace_[3][LANES];
    alignas(64) float at_[LANES] = {}, length_[LANES];  // mm
    alignas(64) int voxel_[3][LANES], step_[3][LANES], before_[LANES] = {};
};

}  // namespace deepdrr

// Spreads the upstream gradient of a packet's rays over the voxels about their midpoint samples, linear interpolation.
//
// It writes only to a range of cells along one axis. Chunks start at multiples of their length, whatever the range: a
// sample is in the same cell for all ranges.
#pragma once

#include "adjoint/bases.h"
#include "march/sample_positions.h"
#include "march/stencil_marches.h"

namespace deepdrr {

class SpreadMarch : ExactSamplePositions {
   public:
    // Cells low .. high along `axis`; weights [C, LANES] of the rays.
    SpreadMarch(const Chord* chords, const Grid& grid, double step, int axis, int low, int high)
        : ExactSamplePositions(chords, grid, step), axis_(axis), low_(low), high_(high) {
        corner_offsets(grid, offset_);
        narrow();
    }

    void spread(const float* weights, const Gradient& gradient) {
        for (; sample_ < samples_; sample_ += chunk_) {
            Positions positions;
            const bool interior = place(positions);
            for (int first = 0; first < LANES; first += GROUP)
                if (interior)
                    run<true>(weights, gradient, positions, first);
                else
                    run<false>(weights, gradient, positions, first);
        }
    }

   private:
    // Starts later and ends earlier, with all samples that may lie in the range, and a few more.
    void narrow() {
        const Span span = span_within(axis_, low_, high_, grid_.n[axis_]);
        sample_ = span.first / chunk_ * chunk_, samples_ = span.last;
    }

    template <bool INTERIOR>
    DEEPDRR_FN void run(const float* weights, const Gradient& gradient, const Positions& positions, int first) const {
        const Ints origin = load<Ints>(positions.voxel + first), left = load<Ints>(count_ + first) - sample_;
        const Ints base = load<Ints>(positions.cell[axis_] + first);
        float part[GROUP];
        for (int l = 0; l < GROUP; ++l) part[l] = (float)part_[first + l];
        const Floats mm = load<Floats>(part);
        Ints at[3], pace[3];
        for (int a = 0; a < 3; ++a) {
            at[a] = load<Ints>(positions.at[a] + first);
            pace[a] = load<Ints>(positions.pace[a] + first);
        }
        for (int n = 0; n < chunk_; ++n) {
            const AxisPosition x = axis_position<INTERIOR>(positions, 0, first, at[0]);
            const AxisPosition y = axis_position<INTERIOR>(positions, 1, first, at[1]);
            const AxisPosition z = axis_position<INTERIOR>(positions, 2, first, at[2]);
            const Ints cell = base + (axis_ == 0 ? x.cell : axis_ == 1 ? y.cell : z.cell);
            Ints live = (cell >= low_) & (cell <= high_);
            if (!INTERIOR) live &= n < left;
            Samples samples;
            store(origin + x.cell * grid_.plane + y.cell * grid_.row + z.cell, samples.voxel);
            store(live, samples.live);
            weigh(x.part, y.part, z.part, mm, samples);
            for (int c = 0; c < gradient.channels; ++c)
                scatter(samples, weights + c * LANES + first, gradient.data + c * gradient.channel_stride);
            for (int a = 0; a < 3; ++a) at[a] += pace[a];
        }
    }

    // One sample per lane of a group: its weights on the corners of its cell, those of neighbours along k side by side.
    struct Samples {
        alignas(64) int voxel[GROUP], live[GROUP];
        alignas(64) float weight[4][2][GROUP];
    };

    DEEPDRR_FN static void weigh(Floats x, Floats y, Floats z, Floats mm, Samples& samples) {
        const Floats x1 = mm * x, x0 = mm - x1, x1y1 = x1 * y, x1y0 = x1 - x1y1, x0y1 = x0 * y, x0y0 = x0 - x0y1;
        const Floats rows[4] = {x0y0, x0y1, x1y0, x1y1};
        for (int row = 0; row < 4; ++row) {
            const Floats far = rows[row] * z;
            store(rows[row] - far, samples.weight[row][0]), store(far, samples.weight[row][1]);
        }
    }

    // Lanes that are not live are skipped: their voxel may be one that another thread writes to.
    DEEPDRR_FN void scatter(const Samples& samples, const float* weights, float* data) const {
        const bool pairs = grid_.n[2] > 1;
        for (int l = 0; l < GROUP; ++l) {
            if (!samples.live[l]) continue;
            const float w = weights[l];
            for (int row = 0; row < 4; ++row) {
                float* voxel = data + samples.voxel[l] + offset_[2 * row];
                voxel[0] += w * samples.weight[row][0][l];
                if (pairs) voxel[1] += w * samples.weight[row][1][l];
            }
        }
    }

    int axis_, low_, high_;
    std::int64_t offset_[8];
};

}  // namespace deepdrr

// Nearest interpolation for the gradient with respect to the values: every ray adds its upstream gradient, times the mm
// that count for a voxel, to that voxel.
#pragma once

#include "adjoint/grad_values.h"
#include "march/stencil_marches.h"

namespace deepdrr {

DEEPDRR_FN void add_to_voxel(const Adjoint& job, const float* weights, int l, int voxel, float mm) {
    const Gradient& gradient = job.gradient;
    for (int c = 0; c < gradient.channels; ++c)
        gradient.data[c * gradient.channel_stride + voxel] += mm * weights[c * LANES + l];
}

// Exact: the walk over the part of the chords in the slab. Rounding may put a sliver of it into the voxel beside the
// slab, which no other thread writes to meanwhile.
struct NearestExactSpread {
    void spread(Chord* chords, const Slabs& slabs, int slab, const Adjoint& job, const float* weights) const {
        const double low = slab == 0 ? -1.0 : slabs.range(slab).low[slabs.axis] - 0.5;
        const bool last = slab == slabs.count - 1;
        const double high = last ? slabs.grid.n[slabs.axis] : slabs.range(slab + 1).low[slabs.axis] - 0.5;
        for (int l = 0; l < LANES; ++l) chords[l] = cut(chords[l], slabs.axis, low, high);
        CellWalk<Stencil1> walk(chords, slabs.grid, 0.0);
        Stencil1 stencil;
        while (walk.next(stencil))
            for (int l = 0; l < LANES; ++l)
                if (stencil.weight[0][l] != 0.0f) add_to_voxel(job, weights, l, stencil.voxel[l], stencil.weight[0][l]);
    }
};

// Midpoint samples, each at the position that StepMarch gives it.
struct NearestStepSpread {
    void spread(Chord* chords, const Slabs& slabs, int slab, const Adjoint& job, const float* weights) const {
        const int low = slab == 0 ? 0 : slabs.range(slab).low[slabs.axis];
        const int high = slab == slabs.count - 1 ? slabs.grid.n[slabs.axis] - 1 : slabs.range(slab).high[slabs.axis];
        for (int l = 0; l < LANES; ++l) {
            const Midpoints samples(chords[l], job.step);
            for (int n = 0; n < samples.count; ++n) {
                int at[3];
                for (int a = 0; a < 3; ++a) {
                    const float p = samples.entry[a] + (float)n * samples.pace[a];
                    at[a] = (int)clamp(p + 0.5f, 0.0f, (float)(slabs.grid.n[a] - 1));
                }
                if (at[slabs.axis] < low || at[slabs.axis] > high) continue;
                add_to_voxel(job, weights, l, slabs.grid.voxel(at[0], at[1], at[2]), samples.weight);
            }
        }
    }
};

}  // namespace deepdrr

// Gradients of line integrals with respect to the values: every ray spreads its upstream gradient over the voxels it met.
//
// `fast` adds floats: the order, hence the last bits, change from run to run. `fixed` adds integers, see grad_values.cuh.
//
// Bytes: two per byte of the forward march's voxels (read and write), through the L2's atomic units, which bound the
// speed.
#include "grad_values.cuh"

namespace deepdrr {

// Every channel's gradient, to its own grid.
template <class G>
struct ChannelSpread {
    const ValueAdjointJob& job;
    Upstream upstream;

    __device__ ChannelSpread(const ValueAdjointJob& j, const Pixel& p) : job(j), upstream(j.upstream, j.rays, p) {}

    __device__ void add(int voxel, float weight) const {
        for_each_channel([&](G* gradient, float upstream) { put(gradient, voxel, weight * upstream); });
    }
    __device__ void add_cell(const Volume<float>& volume, int voxel, const Weights& w) const {
        for_each_channel([&](G* gradient, float upstream) {
            for (int corner = 0; corner < 8; ++corner)
                put(gradient, voxel + volume.corner(corner), w.at[corner] * upstream);
        });
    }
    // Four voxels at `first` + at[], whose weights are weight * along[].
    __device__ void add_row(int first, const int* at, float weight, const float* along) const {
        for_each_channel([&](G* gradient, float upstream) {
            for (int tap = 0; tap < 4; ++tap) put(gradient, first + at[tap], weight * along[tap] * upstream);
        });
    }

   private:
    __device__ void put(G* gradient, int voxel, float term) const { add_to(gradient, voxel, term, job.per_quantum); }

    template <class Visit>
    __device__ void for_each_channel(const Visit& visit) const {
#pragma unroll 1
        for (int c = 0; c < job.rays.channels; ++c)
            visit((G*)job.grad_values + c * job.rays.channel_stride, upstream.at(c));
    }
};

}  // namespace deepdrr

DEEPDRR_GRAD_VALUES_BOTH(step_nearest, step_nearest, ChannelSpread)
DEEPDRR_GRAD_VALUES_BOTH(step_linear, step_linear, ChannelSpread)
DEEPDRR_GRAD_VALUES_BOTH(exact_nearest, exact_nearest, ChannelSpread)
DEEPDRR_GRAD_VALUES_BOTH(exact_linear, exact_linear, ChannelSpread)
DEEPDRR_GRAD_VALUES_BOTH(step_cubic, step_cubic, ChannelSpread)

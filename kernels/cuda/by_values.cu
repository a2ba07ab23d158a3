// The adjoint of line integrals by the values: every ray spreads its upstream gradient over the voxels it met.
//
// `fast` adds floats: the order, hence the last bits, change from run to run. `fixed` adds integers, see spread.cuh.
//
// Bytes: two per byte of the forward march's voxels (read and write), through the L2's atomic units, which bound the speed.
#include "spread.cuh"

namespace deepdrr {

// Every channel's gradient, to its own grid.
template <class G>
struct ChannelSpread {
    const ValueAdjointJob& job;
    Upstream upstream;

    __device__ ChannelSpread(const ValueAdjointJob& j, const Pixel& p) : job(j), upstream(j.upstream, j.rays, p) {}

    __device__ void add(long long voxel, float weight) const {
#pragma unroll 1
        for (int c = 0; c < job.rays.channels; ++c)
            add_to((G*)job.by_values + c * job.rays.channel_stride, voxel, weight * upstream.at(c), job.quantum);
    }
};

}  // namespace deepdrr

DEEPDRR_BY_VALUES_BOTH(step_nearest, step_nearest, ChannelSpread)
DEEPDRR_BY_VALUES_BOTH(step_linear, step_linear, ChannelSpread)
DEEPDRR_BY_VALUES_BOTH(exact_nearest, exact_nearest, ChannelSpread)
DEEPDRR_BY_VALUES_BOTH(exact_linear, exact_linear, ChannelSpread)
DEEPDRR_BY_VALUES_BOTH(step_cubic, step_cubic, ChannelSpread)

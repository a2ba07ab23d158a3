// The adjoint of line integrals by the values: every ray spreads its upstream gradient over the voxels it met.
//
// Rays meet in voxels, so the additions are atomic. `fast` adds floats: the order, hence the last bits, change from run to
// run. `fixed` adds 64-bit integers of `quantum`: integer sums do not depend on the order, and 2^62 quanta hold any sum.
//
// Bytes: two per byte of the forward march's voxels (read and write), through the L2's atomic units, which bound the speed.
#include "job.cuh"
#include "march.cuh"

namespace deepdrr {

struct ValueAdjointJob {
    RayJob rays;            // values are not read
    const float* upstream;  // [B, C, H, W]
    void* by_values;        // [C, I, J, K] with the rays' strides: float, or long long
    double quantum;
};

__device__ inline void add_to(float* gradient, long long voxel, float term, double) {
    atomicAdd(gradient + voxel, term);
}

__device__ inline void add_to(long long* gradient, long long voxel, float term, double quantum) {
    const long long quanta = __double2ll_rn((double)term / quantum);
    atomicAdd((unsigned long long*)gradient + voxel, (unsigned long long)quanta);
}

// A ray's upstream gradients, and where they go.
template <class G>
struct Spread {
    const ValueAdjointJob& job;
    const float* upstream;
    long long image;

    __device__ Spread(const ValueAdjointJob& j, const Pixel& p)
        : job(j),
          upstream(j.upstream + (p.view * j.rays.channels * j.rays.height + p.row) * j.rays.width + p.column),
          image((long long)j.rays.height * j.rays.width) {}

    __device__ void add(long long voxel, float weight) const {
#pragma unroll 1
        for (int c = 0; c < job.rays.channels; ++c)
            add_to((G*)job.by_values + c * job.rays.channel_stride, voxel, weight * __ldg(upstream + c * image), job.quantum);
    }
};

template <class G>
__device__ void spread_corners(const Spread<G>& spread, const Volume<float>& volume, int voxel, const Weights& w) {
    for (int corner = 0; corner < 8; ++corner) spread.add(voxel + volume.corner(corner), w.at[corner]);
}

template <class G>
struct StepNearest {
    static __device__ void run(const RayJob& job, const Pixel& p, const Spread<G>& spread) {
        const Samples samples(chord_of(job, p), job, 0);
        for (int k = samples.first; k < samples.last; ++k) {
            int at[3];
            for (int a = 0; a < 3; ++a) at[a] = (int)clamp(samples.at(a, k) + 0.5f, 0.0f, (float)(job.grid.n[a] - 1));
            spread.add(job.grid.voxel(at[0], at[1], at[2]), samples.weight);
        }
    }
};

template <class G>
struct StepLinear {
    static __device__ void run(const RayJob& job, const Pixel& p, const Spread<G>& spread) {
        const Samples samples(chord_of(job, p), job, 0);
        const Volume<float> volume(job, 0);
        for (int k = samples.first; k < samples.last; ++k) {
            const Corner x = locate(samples.at(0, k), job.grid.n[0]), y = locate(samples.at(1, k), job.grid.n[1]);
            const Corner z = locate(samples.at(2, k), job.grid.n[2]);
            spread_corners(spread, volume, job.grid.voxel(x.low, y.low, z.low),
                           corner_weights(x.part, y.part, z.part, samples.weight));
        }
    }
};

template <class G>
struct ExactNearest {
    static __device__ void run(const RayJob& job, const Pixel& p, const Spread<G>& spread) {
        for (Walk walk(chord_of(job, p), job.grid, false, 0, 1); walk.going();) {
            const Stride stride = walk.next();
            int at[3];
            for (int a = 0; a < 3; ++a) at[a] = clamp(walk.axis[a].first + walk.walked[a], 0, job.grid.n[a] - 1);
            spread.add(job.grid.voxel(at[0], at[1], at[2]), stride.stop - walk.at);
            walk.go(stride);
        }
    }
};

template <class G>
struct ExactLinear {
    static __device__ void run(const RayJob& job, const Pixel& p, const Spread<G>& spread) {
        const Volume<float> volume(job, 0);
        for (Walk walk(chord_of(job, p), job.grid, true, 0, 1); walk.going();) {
            const Stride stride = walk.next();
            const CellOfWalk cell(walk, job.grid);
            const Point slope{walk.axis[0].slope, walk.axis[1].slope, walk.axis[2].slope};
            spread_corners(spread, volume, job.grid.voxel(cell.low[0], cell.low[1], cell.low[2]),
                           gauss_weights(Point{cell.enter[0], cell.enter[1], cell.enter[2]}, slope, walk.at, stride.stop));
            walk.go(stride);
        }
    }
};

template <class G>
struct StepCubic {
    static __device__ void run(const RayJob& job, const Pixel& p, const Spread<G>& spread) {
        const Samples samples(chord_of(job, p), job, 0);
        const Grid& grid = job.grid;
        for (int k = samples.first; k < samples.last; ++k) {
            const Taps x(locate(samples.at(0, k), grid.n[0]), grid.n[0], grid.plane);
            const Taps y(locate(samples.at(1, k), grid.n[1]), grid.n[1], grid.row);
            const Taps z(locate(samples.at(2, k), grid.n[2]), grid.n[2], 1);
#pragma unroll 1
            for (int tap = 0; tap < 64; ++tap) {
                const int a = tap >> 4, b = tap >> 2 & 3, c = tap & 3;
                spread.add(x.at[a] + y.at[b] + z.at[c], samples.weight * x.weight[a] * y.weight[b] * z.weight[c]);
            }
        }
    }
};

template <class G, template <class> class March>
__device__ void by_values(const ValueAdjointJob& job) {
    const Pixel p = my_pixel<1 << 30>(job.rays);
    if (p.inside) March<G>::run(job.rays, p, Spread<G>(job, p));
}

}  // namespace deepdrr

#define DEEPDRR_BY_VALUES(name, March, G, suffix)                                                                      \
    extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS, 6) name##_by_values_##suffix(                    \
        deepdrr::ValueAdjointJob job) {                                                                                \
        deepdrr::by_values<G, deepdrr::March>(job);                                                                    \
    }
#define DEEPDRR_BY_VALUES_BOTH(name, March)        \
    DEEPDRR_BY_VALUES(name, March, float, fast)    \
    DEEPDRR_BY_VALUES(name, March, long long, fixed)

DEEPDRR_BY_VALUES_BOTH(step_nearest, StepNearest)
DEEPDRR_BY_VALUES_BOTH(step_linear, StepLinear)
DEEPDRR_BY_VALUES_BOTH(exact_nearest, ExactNearest)
DEEPDRR_BY_VALUES_BOTH(exact_linear, ExactLinear)
DEEPDRR_BY_VALUES_BOTH(step_cubic, StepCubic)

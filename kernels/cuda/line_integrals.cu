// Line integrals: one kernel per interpolation and integration, for 1 channel and for groups of up to 4
// (cubic: 1, its cell and weights cost little beside 64 voxels).
//
// Bytes: a ray of n linear samples reads 8 n voxels, of which neighbours share nearly all: a view touches each voxel of
// its frustum about once. Operations: about 45 float per linear sample, 60 per cell walked, 220 per cubic sample, 120
// double per ray. Registers and occupancy: docs/concepts/cuda.md.
#include "job.cuh"
#include "march.cuh"

namespace deepdrr {

template <int GROUP, class T>
__device__ void add_corners(const Volume<T>& volume, int voxel, const Weights& w, int channels, Sums<GROUP>& sums) {
    for (int c = 0; c < GROUP; ++c) {
        if (GROUP > 1 && c >= channels) break;
        float sum = 0.0f;
        for (int corner = 0; corner < 8; ++corner) sum += w.at[corner] * volume.at(c, voxel + volume.corner(corner));
        sums.segment[c] += sum;
    }
}

template <int GROUP, class T>
__device__ void step_linear(const RayJob& job, const Pixel& p, const Volume<T>& volume, Sums<GROUP>& sums) {
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const CellOfSample cell(samples, k, job.grid);
        add_corners(volume, cell.voxel(job.grid), cell.weights(samples.weight), job.channels - p.first_channel, sums);
        sums.count();
    });
}

template <int GROUP, class T>
__device__ void step_nearest(const RayJob& job, const Pixel& p, const Volume<T>& volume, Sums<GROUP>& sums) {
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const int voxel = voxel_of(samples, k, job.grid);
        for (int c = 0; c < GROUP && p.first_channel + c < job.channels; ++c)
            sums.segment[c] += samples.weight * volume.at(c, voxel);
        sums.count();
    });
}

template <int GROUP, class T>
__device__ void exact_linear(const RayJob& job, const Pixel& p, const Volume<T>& volume, Sums<GROUP>& sums) {
    for_each_piece<Cells::BETWEEN>(job, p, [&](const Walk<Cells::BETWEEN>& walk, float stop) {
        const CellOfWalk cell(walk, job.grid);
        add_corners(volume, cell.voxel(job.grid), cell.weights(walk.at, stop), job.channels - p.first_channel, sums);
        sums.count();
    });
}

template <int GROUP, class T>
__device__ void exact_nearest(const RayJob& job, const Pixel& p, const Volume<T>& volume, Sums<GROUP>& sums) {
    for_each_piece<Cells::VOXELS>(job, p, [&](const Walk<Cells::VOXELS>& walk, float stop) {
        const int voxel = voxel_of(walk, job.grid);
        for (int c = 0; c < GROUP && p.first_channel + c < job.channels; ++c)
            sums.segment[c] += (stop - walk.at) * volume.at(c, voxel);
        sums.count();
    });
}

template <int GROUP, class T>
__device__ void step_cubic(const RayJob& job, const Pixel& p, const Volume<T>& volume, Sums<GROUP>& sums) {
    const Grid& grid = job.grid;
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const Taps x(locate(samples.at(0, k), grid.n[0]), grid.n[0], grid.plane);
        const Taps y(locate(samples.at(1, k), grid.n[1]), grid.n[1], grid.row);
        const Taps z(locate(samples.at(2, k), grid.n[2]), grid.n[2], 1);
        for (int c = 0; c < GROUP && p.first_channel + c < job.channels; ++c) {
            float sum = 0.0f;
#pragma unroll 1
            for (int a = 0; a < 4; ++a)
                for (int b = 0; b < 4; ++b) {
                    float row = 0.0f;
                    for (int d = 0; d < 4; ++d) row += z.weight[d] * volume.at(c, x.at[a] + y.at[b] + z.at[d]);
                    sum += x.weight[a] * y.weight[b] * row;
                }
            sums.segment[c] += samples.weight * sum;
        }
        sums.count();
    });
}

}  // namespace deepdrr

#define DEEPDRR_KERNEL(name, GROUP, T, suffix)                                                                  \
    extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS) name##_##suffix(deepdrr::RayJob job) { \
        const deepdrr::Pixel p = deepdrr::my_pixel<GROUP>(job);                                                 \
        if (!p.inside) return;                                                                                  \
        deepdrr::Sums<GROUP> sums;                                                                              \
        deepdrr::name(job, p, deepdrr::Volume<T>(job, p.first_channel), sums);                                  \
        sums.write(job, p);                                                                                     \
    }
#define DEEPDRR_KERNELS(name)                 \
    DEEPDRR_KERNEL(name, 1, float, f32)       \
    DEEPDRR_KERNEL(name, 4, float, f32_group) \
    DEEPDRR_KERNEL(name, 1, short, i16)       \
    DEEPDRR_KERNEL(name, 4, short, i16_group)

DEEPDRR_KERNELS(step_nearest)
DEEPDRR_KERNELS(step_linear)
DEEPDRR_KERNELS(exact_nearest)
DEEPDRR_KERNELS(exact_linear)
DEEPDRR_KERNEL(step_cubic, 1, float, f32)

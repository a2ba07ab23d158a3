// How a ray spreads its upstream gradient over the voxels it meets, march by march.
//
// A Spread decides what goes to a voxel and where it is added: `add(voxel, weight)`, `add_row` for four voxels of a
// spline, and `add_cell(volume, voxel, weights)` for the corners of a cell.
#pragma once

#include "job.cuh"
#include "march.cuh"

namespace deepdrr {

struct ValueAdjointJob {
    RayJob rays;            // values are not read
    const float* upstream;  // [B, C, H, W]
    void* grad_values;        // [C, I, J, K] with the rays' strides: float, or long long
    float per_quantum;      // quanta per unit, a power of two
};

// Rays meet in voxels, so the additions are atomic. Floats are added in any order; 64-bit integers give the same sum in
// every order: terms of up to 2^40 quanta, of which 2^22 fit. They are made of two of 32 bits, as most GPUs have few
// units that convert to 64.
__device__ inline void add_to(float* gradient, long long voxel, float term, float) { atomicAdd(gradient + voxel, term); }

__device__ inline void add_to(long long* gradient, long long voxel, float term, float per_quantum) {
    constexpr float LOW = 1048576.0f;  // 2^20
    const float quanta = term * per_quantum;
    const int high = __float2int_rn(quanta * (1.0f / LOW)), low = __float2int_rn(fmaf(-LOW, (float)high, quanta));
    atomicAdd((unsigned long long*)gradient + voxel, (unsigned long long)((long long)high * (1 << 20) + low));
}

template <class Spread>
__device__ void step_nearest(const RayJob& job, const Pixel& p, const Spread& spread) {
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        spread.add(voxel_of(samples, k, job.grid), samples.weight);
    });
}

template <class Spread>
__device__ void step_linear(const RayJob& job, const Pixel& p, const Spread& spread) {
    const Volume<float> volume(job, 0);
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const CellOfSample cell(samples, k, job.grid);
        spread.add_cell(volume, cell.voxel(job.grid), cell.weights(samples.weight));
    });
}

template <class Spread>
__device__ void exact_nearest(const RayJob& job, const Pixel& p, const Spread& spread) {
    for_each_piece<Cells::VOXELS>(job, p, [&](const Walk<Cells::VOXELS>& walk, float stop) {
        spread.add(voxel_of(walk, job.grid), stop - walk.at);
    });
}

template <class Spread>
__device__ void exact_linear(const RayJob& job, const Pixel& p, const Spread& spread) {
    const Volume<float> volume(job, 0);
    for_each_piece<Cells::BETWEEN>(job, p, [&](const Walk<Cells::BETWEEN>& walk, float stop) {
        const CellOfWalk cell(walk, job.grid);
        spread.add_cell(volume, cell.voxel(job.grid), cell.weights(walk.at, stop));
    });
}

template <class Spread>
__device__ void step_cubic(const RayJob& job, const Pixel& p, const Spread& spread) {
    const Grid& grid = job.grid;
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const Taps x(locate(samples.at(0, k), grid.n[0]), grid.n[0], grid.plane);
        const Taps y(locate(samples.at(1, k), grid.n[1]), grid.n[1], grid.row);
        const Taps z(locate(samples.at(2, k), grid.n[2]), grid.n[2], 1);
        for (int ij = 0; ij < 16; ++ij) {
            const float weight = samples.weight * x.weight[ij >> 2] * y.weight[ij & 3];
            const int row = x.at[ij >> 2] + y.at[ij & 3];
            spread.add_row(row, z.at, weight, z.weight);
        }
    });
}

}  // namespace deepdrr

#define DEEPDRR_GRAD_VALUES(name, march, Spread, suffix)                                                      \
    extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS, 6) name##_grad_values_##suffix(       \
        deepdrr::ValueAdjointJob job) {                                                                     \
        const deepdrr::Pixel p = deepdrr::my_pixel<1 << 30>(job.rays);                                      \
        if (p.inside) deepdrr::march(job.rays, p, deepdrr::Spread(job, p));                                 \
    }
#define DEEPDRR_GRAD_VALUES_BOTH(name, march, Spread)           \
    DEEPDRR_GRAD_VALUES(name, march, Spread<float>, fast)       \
    DEEPDRR_GRAD_VALUES(name, march, Spread<long long>, fixed)

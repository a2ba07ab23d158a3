// Value and slope of a field, summed along a ray, and the gradients with respect to the ray's ends and the volume's
// placement that follow (chord_adjoint.h). One thread, one ray.
//
// A Field is all channels of a volume weighted by the ray's upstream gradient: trilinear(voxel, x, y, z) gives its value
// and slope at a position in the cell whose lowest corner is a voxel; cubic(x, y, z, grid) those of a spline.
#pragma once

#include "deepdrr/chord_adjoint.h"
#include "deepdrr/trilinear_adjoint.h"
#include "job.cuh"
#include "march.cuh"

namespace deepdrr {

struct RayAdjointJob {
    RayJob rays;            // channels in groups do not matter here: a thread has all of them
    const float* upstream;  // [B, C, H, W]
    double *grad_source, *grad_target;  // [B, H, W, 3]
    double *grad_start, *grad_stop;     // [B, H, W], or null
    double* grad_matrix;                // [blocks, 12], with respect to ijk_from_world
};

// 0 where a position is clamped to a face, else 1.
__device__ inline float moves(float p, int n) { return p >= 0.0f && p <= (float)(n - 1) ? 1.0f : 0.0f; }

// A sum of floats that keeps what their rounding lost (Kahan 1965): as good as a double, which takes as many registers and,
// on most GPUs, as long as 32 or 64 additions of floats.
struct Sum {
    float total = 0.0f, lost = 0.0f;

    __device__ void add(float term) {
        const float rest = term - lost, sum = total + rest;
        lost = (sum - total) - rest;
        total = sum;
    }
    __device__ double value() const { return (double)total - (double)lost; }
};

struct SlopeSums {
    Sum slope[3], first_moment[3], integral;

    __device__ void add_slope(int axis, float slope_term, float fraction) {
        slope[axis].add(slope_term), first_moment[axis].add(fraction * slope_term);
    }
    __device__ void add(const Slope<float>& f, const float* moving, float weight, float fraction) {
        add_slope(0, weight * f.x * moving[0], fraction);
        add_slope(1, weight * f.y * moving[1], fraction);
        add_slope(2, weight * f.z * moving[2], fraction);
        integral.add(weight * f.value);
    }
    __device__ RaySums sums() const {
        RaySums sums{};
        for (int a = 0; a < 3; ++a) sums.slope[a] = slope[a].value(), sums.first_moment[a] = first_moment[a].value();
        sums.integral = integral.value();
        return sums;
    }
};

template <class Field, bool CUBIC>
__device__ RaySums step_sums(const RayJob& job, const Chord& chord, const Field& field) {
    const Samples samples(chord, job);
    SlopeSums sums;
    for (int k = samples.first; k < samples.last; ++k) {
        const CellOfSample cell(samples, k, job.grid);
        float moving[3];
        for (int a = 0; a < 3; ++a) moving[a] = moves(samples.at(a, k), job.grid.n[a]);
        const float fraction = ((float)k + 0.5f) / (float)samples.last;
        if constexpr (CUBIC)
            sums.add(field.cubic(cell.x, cell.y, cell.z, job.grid), moving, samples.weight, fraction);
        else
            sums.add(field.trilinear(cell.voxel(job.grid), cell.x.part, cell.y.part, cell.z.part), moving,
                     samples.weight, fraction);
    }
    return sums.sums();
}

// Two-point Gauss-Legendre.
__device__ inline float gauss_node(int node, float middle, float half) {
    return middle + (node ? 0.577350269f : -0.577350269f) * half;
}

template <class Field>
__device__ RaySums exact_sums(const RayJob& job, const Chord& chord, const Field& field) {
    SlopeSums sums;
    const float share = 1.0f / (float)chord.length;
    for (Walk<Cells::BETWEEN> walk(WalkedChord(chord), job.grid, 0, 1); walk.going();) {
        const CellStep step = walk.next();
        const CellOfWalk cell(walk, job.grid);
        const float middle = 0.5f * (walk.at + step.stop), half = 0.5f * (step.stop - walk.at);
#pragma unroll 1
        for (int node = 0; node < 2; ++node) {
            const float s = gauss_node(node, middle, half);
            float at[3], moving[3];
            for (int a = 0; a < 3; ++a) {
                const float inside = cell.enter[a] + s * cell.slope[a];
                at[a] = clamp(inside, 0.0f, 1.0f);
                moving[a] = moves((float)cell.low[a] + inside, job.grid.n[a]);
            }
            sums.add(field.trilinear(cell.voxel(job.grid), at[0], at[1], at[2]), moving, half, s * share);
        }
        walk.go(step);
    }
    return sums.sums();
}

// The exact integral's ends add the field's value there.
template <class Field>
__device__ RayGradient finish_exact(const RayJob& job, const TracedChord& ray, const RaySums& sums, const Field& field) {
    RaySums all = sums;
#pragma unroll 1
    for (int end = 0; end < 2; ++end) {
        Corner at[3];
        for (int a = 0; a < 3; ++a)
            at[a] = locate((float)(ray.chord.entry[a] + end * ray.chord.length * ray.chord.slope[a]), job.grid.n[a]);
        const int voxel = job.grid.voxel(at[0].low, at[1].low, at[2].low);
        (end ? all.last : all.first) = field.trilinear(voxel, at[0].part, at[1].part, at[2].part).value;
    }
    return exact_gradient(ray, all);
}

// The marches that give a gradient with respect to the rays.
struct StepSlopes {
    static constexpr bool exact = false;
    template <class Field>
    static __device__ RaySums run(const RayJob& job, const Chord& chord, const Field& field) {
        return step_sums<Field, false>(job, chord, field);
    }
};

struct CubicSlopes {
    static constexpr bool exact = false;
    template <class Field>
    static __device__ RaySums run(const RayJob& job, const Chord& chord, const Field& field) {
        return step_sums<Field, true>(job, chord, field);
    }
};

struct ExactSlopes {
    static constexpr bool exact = true;
    template <class Field>
    static __device__ RaySums run(const RayJob& job, const Chord& chord, const Field& field) {
        return exact_sums(job, chord, field);
    }
};

// The chord is traced after the march, which needs the registers.
template <class Field, class March>
__device__ WorldGradient grad_ray(const RayAdjointJob& adjoint, const Pixel& p) {
    const RayJob& job = adjoint.rays;
    const Chord chord = chord_of(job, p);
    if (!(chord.length > 0.0)) return WorldGradient{};
    const Field field(adjoint, p);
    const RaySums sums = March::run(job, chord, field);
    const double* source = job.source.at(p.view, p.row, p.column);
    const double* target = job.target.at(p.view, p.row, p.column);
    const double length = ray_length(source, target);
    const TracedChord ray = trace(job.ijk_from_world, source, target, length, *job.start.at(p.view, p.row, p.column),
                                  *job.stop.at(p.view, p.row, p.column), job.grid);
    if constexpr (March::exact)
        return to_world(finish_exact(job, ray, sums, field), job.ijk_from_world, source, target, length);
    else
        return to_world(step_gradient(ray, sums), job.ijk_from_world, source, target, length);
}

// grad_matrix is summed over each block in a fixed order, so that the result has the same bits every time.
template <class Field, class March>
__device__ void grad_rays(const RayAdjointJob& job) {
    __shared__ double grad_matrix[12][BLOCK_THREADS];
    const Pixel p = my_pixel<1 << 30>(job.rays);
    WorldGradient g{};
    if (p.inside) {
        g = grad_ray<Field, March>(job, p);
        const long long ray = ray_number(job.rays, p);
        for (int a = 0; a < 3; ++a) {
            job.grad_source[3 * ray + a] = g.source[a];
            job.grad_target[3 * ray + a] = g.target[a];
        }
        if (job.grad_start) job.grad_start[ray] = g.start;
        if (job.grad_stop) job.grad_stop[ray] = g.stop;
    }
    for (int a = 0; a < 12; ++a) grad_matrix[a][threadIdx.x] = g.ijk_from_world[a / 4][a % 4];
    __syncthreads();
    if (threadIdx.x >= 12) return;
    double sum = 0.0;
    for (int t = 0; t < BLOCK_THREADS; ++t) sum += grad_matrix[threadIdx.x][t];
    const long long block = ((long long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    job.grad_matrix[12 * block + threadIdx.x] = sum;
}

}  // namespace deepdrr

#define DEEPDRR_GRAD_RAYS(name, Field, March, T, suffix)                                         \
    extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS, 4)                    \
        name##_grad_rays_##suffix(deepdrr::RayAdjointJob job) {                                  \
        deepdrr::grad_rays<deepdrr::Field<T>, deepdrr::March>(job);                              \
    }
#define DEEPDRR_GRAD_RAYS_BOTH(name, Field, March)      \
    DEEPDRR_GRAD_RAYS(name, Field, March, float, f32)   \
    DEEPDRR_GRAD_RAYS(name, Field, March, short, i16)

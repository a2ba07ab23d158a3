// The adjoint of line integrals by the rays: how the sum over channels of upstream * integral changes as a ray's end points
// and limits, and the volume's placement, move. One thread, one ray; the placement's derivative is summed over each block in
// a fixed order, so that the result has the same bits every time.
//
// Bytes: the voxels of the forward march, 24 double results per ray. Operations: about 75 float per linear sample.
#include "deepdrr/chord_adjoint.h"
#include "deepdrr/trilinear_adjoint.h"
#include "job.cuh"
#include "march.cuh"

namespace deepdrr {

struct RayAdjointJob {
    RayJob rays;            // channels in groups do not matter here: a thread has all of them
    const float* upstream;  // [B, C, H, W]
    double *by_source, *by_target;  // [B, H, W, 3]
    double *by_start, *by_stop;     // [B, H, W], or null
    double* by_placement;           // [blocks, 12]
};

// A field along a ray: all channels, weighted by the ray's upstream gradient.
template <class T>
struct WeightedField {
    Volume<T> volume;
    const float* upstream;
    const float* scale;
    long long image;
    int channels;

    __device__ WeightedField(const RayAdjointJob& job, const Pixel& p)
        : volume(job.rays, 0),
          upstream(job.upstream + (p.view * job.rays.channels * job.rays.height + p.row) * job.rays.width + p.column),
          scale(job.rays.scale),
          image((long long)job.rays.height * job.rays.width),
          channels(job.rays.channels) {}

    __device__ float weight(int c) const { return __ldg(upstream + c * image) * (scale ? __ldg(scale + c) : 1.0f); }

    __device__ Slope<float> trilinear(int voxel, float x, float y, float z) const {
        float corners[8] = {};
        for (int c = 0; c < channels; ++c) {
            const float w = weight(c);
            for (int corner = 0; corner < 8; ++corner)
                corners[corner] += w * volume.at(c, voxel + volume.corner(corner));
        }
        const Cell<float> cell{corners[0], corners[1], corners[2], corners[3],
                               corners[4], corners[5], corners[6], corners[7]};
        return trilinear_slope(cell, x, y, z);
    }

    __device__ Slope<float> cubic(const Corner& x, const Corner& y, const Corner& z, const Grid& grid) const {
        const Taps ti(x, grid.n[0], grid.plane), tj(y, grid.n[1], grid.row), tk(z, grid.n[2], 1);
        float di[4], dj[4], dk[4];
        bspline_slopes(x.part, di[0], di[1], di[2], di[3]);
        bspline_slopes(y.part, dj[0], dj[1], dj[2], dj[3]);
        bspline_slopes(z.part, dk[0], dk[1], dk[2], dk[3]);
        Slope<float> sum{0, 0, 0, 0};
#pragma unroll 1
        for (int a = 0; a < 4; ++a)
#pragma unroll 1
            for (int b = 0; b < 4; ++b) {
                float row = 0.0f, row_slope = 0.0f;
                for (int c = 0; c < channels; ++c) {
                    const float w = weight(c);
                    for (int d = 0; d < 4; ++d) {
                        const float f = w * volume.at(c, ti.at[a] + tj.at[b] + tk.at[d]);
                        row += tk.weight[d] * f, row_slope += dk[d] * f;
                    }
                }
                const float wi = ti.weight[a], wj = tj.weight[b];
                sum.value += wi * wj * row, sum.x += di[a] * wj * row;
                sum.y += wi * dj[b] * row, sum.z += wi * wj * row_slope;
            }
        return sum;
    }
};

// Where a position is clamped to a face it does not move.
__device__ inline float moves(float p, int n) { return p >= 0.0f && p <= (float)(n - 1) ? 1.0f : 0.0f; }

__device__ inline void collect(RaySums& sums, const Slope<float>& f, const float* moving, float weight, float along) {
    const float slope[3] = {f.x * moving[0], f.y * moving[1], f.z * moving[2]};
    for (int a = 0; a < 3; ++a) {
        sums.slope[a] += (double)(weight * slope[a]);
        sums.lever[a] += (double)(weight * along * slope[a]);
    }
    sums.integral += (double)(weight * f.value);
}

template <class T, bool CUBIC>
__device__ RaySums step_sums(const RayJob& job, const Chord& chord, const WeightedField<T>& field) {
    const Samples samples(chord, job, 0);
    RaySums sums{};
    for (int k = samples.first; k < samples.last; ++k) {
        const float at[3] = {samples.at(0, k), samples.at(1, k), samples.at(2, k)};
        const Corner x = locate(at[0], job.grid.n[0]), y = locate(at[1], job.grid.n[1]);
        const Corner z = locate(at[2], job.grid.n[2]);
        const float moving[3] = {moves(at[0], job.grid.n[0]), moves(at[1], job.grid.n[1]), moves(at[2], job.grid.n[2])};
        const Slope<float> f = CUBIC ? field.cubic(x, y, z, job.grid)
                              : field.trilinear(job.grid.voxel(x.low, y.low, z.low), x.part, y.part, z.part);
        collect(sums, f, moving, samples.weight, ((float)k + 0.5f) / (float)samples.last);
    }
    return sums;
}

template <class T>
__device__ double field_at(const RayJob& job, const WeightedField<T>& field, const double* point) {
    const Corner x = locate((float)point[0], job.grid.n[0]), y = locate((float)point[1], job.grid.n[1]);
    const Corner z = locate((float)point[2], job.grid.n[2]);
    return field.trilinear(job.grid.voxel(x.low, y.low, z.low), x.part, y.part, z.part).value;
}

template <class T>
__device__ RaySums exact_sums(const RayJob& job, const Chord& chord, const WeightedField<T>& field) {
    RaySums sums{};
    const float share = 1.0f / (float)chord.length;
    for (Walk walk(chord, job.grid, true, 0, 1); walk.going();) {
        const Stride stride = walk.next();
        const CellOfWalk cell(walk, job.grid);
        const float middle = 0.5f * (walk.at + stride.stop), half = 0.5f * (stride.stop - walk.at);
#pragma unroll 1
        for (int node = 0; node < 2; ++node) {
            const float s = middle + (node ? 0.577350269f : -0.577350269f) * half;
            float at[3], moving[3];
            for (int a = 0; a < 3; ++a) {
                const float inside = cell.enter[a] + s * walk.axis[a].slope;
                at[a] = clamp(inside, 0.0f, 1.0f);
                moving[a] = moves((float)cell.low[a] + inside, job.grid.n[a]);
            }
            const int voxel = job.grid.voxel(cell.low[0], cell.low[1], cell.low[2]);
            collect(sums, field.trilinear(voxel, at[0], at[1], at[2]), moving, half, s * share);
        }
        walk.go(stride);
    }
    return sums;
}

// The exact integral's ends add the field's value there.
template <class T>
__device__ RayGradient finish_exact(const RayJob& job, const TracedChord& ray, const RaySums& sums,
                                    const WeightedField<T>& field) {
    RaySums all = sums;
    double last[3];
    for (int a = 0; a < 3; ++a) last[a] = ray.chord.entry[a] + ray.chord.length * ray.chord.slope[a];
    all.first = field_at(job, field, ray.chord.entry), all.last = field_at(job, field, last);
    return exact_gradient(ray, all);
}

enum class Rule { step_linear, exact_linear, step_cubic };

// The chord is traced after the march, which needs the registers.
template <class T, Rule RULE>
__device__ WorldGradient by_ray(const RayAdjointJob& adjoint, const Pixel& p) {
    const RayJob& job = adjoint.rays;
    const Chord chord = chord_of(job, p);
    if (!(chord.length > 0.0)) return WorldGradient{};
    const WeightedField<T> field(adjoint, p);
    const RaySums sums = RULE == Rule::exact_linear ? exact_sums<T>(job, chord, field)
                                                    : step_sums<T, RULE == Rule::step_cubic>(job, chord, field);
    const double* source = job.source.at(p.view, p.row, p.column);
    const double* target = job.target.at(p.view, p.row, p.column);
    const double length = ray_length(source, target);
    const TracedChord ray = trace(job.ijk_from_world, source, target, length, *job.start.at(p.view, p.row, p.column),
                                  *job.stop.at(p.view, p.row, p.column), job.grid);
    const RayGradient gradient =
        RULE == Rule::exact_linear ? finish_exact<T>(job, ray, sums, field) : step_gradient(ray, sums);
    return to_world(gradient, job.ijk_from_world, source, target, length);
}

template <class T, Rule RULE>
__device__ void by_rays(const RayAdjointJob& job) {
    __shared__ double placement[12][BLOCK_THREADS];
    const Pixel p = my_pixel<1 << 30>(job.rays);
    WorldGradient g{};
    if (p.inside) {
        g = by_ray<T, RULE>(job, p);
        const long long ray = (p.view * job.rays.height + p.row) * job.rays.width + p.column;
        for (int a = 0; a < 3; ++a) job.by_source[3 * ray + a] = g.source[a], job.by_target[3 * ray + a] = g.target[a];
        if (job.by_start) job.by_start[ray] = g.start;
        if (job.by_stop) job.by_stop[ray] = g.stop;
    }
    for (int a = 0; a < 12; ++a) placement[a][threadIdx.x] = g.ijk_from_world[a / 4][a % 4];
    __syncthreads();
    if (threadIdx.x >= 12) return;
    double sum = 0.0;
    for (int t = 0; t < BLOCK_THREADS; ++t) sum += placement[threadIdx.x][t];
    const long long block = ((long long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    job.by_placement[12 * block + threadIdx.x] = sum;
}

}  // namespace deepdrr

#define DEEPDRR_BY_RAYS(rule, T, suffix)                                                       \
    extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS)                       \
        rule##_by_rays_##suffix(deepdrr::RayAdjointJob job) {                                  \
        deepdrr::by_rays<T, deepdrr::Rule::rule>(job);                                         \
    }

DEEPDRR_BY_RAYS(step_linear, float, f32)
DEEPDRR_BY_RAYS(step_linear, short, i16)
DEEPDRR_BY_RAYS(exact_linear, float, f32)
DEEPDRR_BY_RAYS(exact_linear, short, i16)
DEEPDRR_BY_RAYS(step_cubic, float, f32)

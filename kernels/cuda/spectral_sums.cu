// Sums over a spectrum behind a body, and their derivatives (the formulas are in kernels/cpu/spectral_sums.h):
//
//   S_k = sum_n w_kn T_n,   T_n = exp2(sum_m mu_mn a_m),   mu as -log2(e) times the mass attenuation
//
// Sums and the gradient of the area densities: one thread, one pixel, its M areas in registers; the tables come
// through shared memory, which a warp reads by broadcast. Sums are taken four at a time, and transmissions again for
// the next four. The gradients of the tables: one thread, one energy, its column of the tables in registers; the
// pixels come through shared memory, and nothing is added across threads. Each block sums its pixels in double, and the
// caller the blocks.
//
// Bytes: 4 (M + K) per pixel, 4 (2 M + K) for the derivative. Operations per pixel and energy: 12 + M + 4, about twice
// that for a derivative: with 100 energies arithmetic bounds the speed, with 10 memory does.
#include "deepdrr/exp2.h"

namespace deepdrr {

constexpr int SPECTRAL_THREADS = 128, NODES_AT_ONCE = 128, PIXELS_AT_ONCE = 32;
constexpr float LN_2 = 0.693147181f;

struct SpectralJob {
    const float* areas;      // [B, M, pixels]
    const float* upstream;   // [B, K, pixels], of derivatives
    const float4* mu;        // [N, MOST / 4]: -log2(e) mu, zero beyond the materials
    const float4* weights;   // [groups, N]: four sums each, zero beyond the sums
    void* out;               // float [B, K, pixels], float [B, M, pixels], or double [groups, chunks, MOST + 4, N]
    long long pictures, pixels;
    int materials, sums, nodes, chunk;  // pixels in a chunk, a multiple of PIXELS_AT_ONCE
};

__device__ inline float dot(const float4& a, const float* b, float sum) {
    return fmaf(a.x, b[0], fmaf(a.y, b[1], fmaf(a.z, b[2], fmaf(a.w, b[3], sum))));
}

__device__ inline void add_scaled(float* sum, const float4& a, float by) {
    sum[0] += a.x * by, sum[1] += a.y * by, sum[2] += a.z * by, sum[3] += a.w * by;
}

// Planes of one pixel of a batch of pictures [B, planes, pixels]; nothing beyond the last pixel.
template <class T>
struct PixelPlanes {
    T* data;
    long long stride;
    int planes;

    __device__ PixelPlanes(T* pictures, const SpectralJob& job, int count, long long pixel)
        : data(nullptr), stride(job.pixels), planes(count) {
        if (pixel < job.pictures * job.pixels)
            data = pictures + pixel / job.pixels * count * job.pixels + pixel % job.pixels;
    }
    __device__ float get(int plane) const { return data && plane < planes ? data[plane * stride] : 0.0f; }
    __device__ void put(int plane, float value) const {
        if (data && plane < planes) data[plane * stride] = value;
    }
};

// Some energies' columns of the tables in shared memory. All threads of a block come here.
template <int MOST>
struct SharedTables {
    float4 mu[NODES_AT_ONCE][MOST / 4], weights[NODES_AT_ONCE];

    __device__ int load(const SpectralJob& job, int group, int first) {
        const int count = lesser(job.nodes - first, NODES_AT_ONCE);
        __syncthreads();  // what was here before has been used
        for (int i = threadIdx.x; i < count; i += SPECTRAL_THREADS) {
            for (int q = 0; q < MOST / 4; ++q) mu[i][q] = job.mu[(long long)(first + i) * (MOST / 4) + q];
            weights[i] = job.weights[(long long)group * job.nodes + first + i];
        }
        __syncthreads();
        return count;
    }
};

template <int MOST>
__device__ float transmission(const float4* mu, const float* areas) {
    float exponent = 0.0f;
    for (int q = 0; q < MOST / 4; ++q) exponent = dot(mu[q], areas + 4 * q, exponent);
    return exp2_of(exponent);
}

template <int MOST>
__device__ void spectral_sums(const SpectralJob& job) {
    __shared__ SharedTables<MOST> tables;
    const long long pixel = (long long)blockIdx.x * SPECTRAL_THREADS + threadIdx.x;
    const PixelPlanes<const float> area(job.areas, job, job.materials, pixel);
    const PixelPlanes<float> out((float*)job.out, job, job.sums, pixel);
    float a[MOST];
    for (int m = 0; m < MOST; ++m) a[m] = area.get(m);
    for (int k = 0; k < job.sums; k += 4) {
        float sum[4] = {};
        for (int first = 0; first < job.nodes; first += NODES_AT_ONCE) {
            const int count = tables.load(job, k / 4, first);
            for (int n = 0; n < count; ++n) add_scaled(sum, tables.weights[n], transmission<MOST>(tables.mu[n], a));
        }
        for (int j = 0; j < 4; ++j) out.put(k + j, sum[j]);
    }
}

template <int MOST>
__device__ void spectral_grad_areas(const SpectralJob& job) {
    __shared__ SharedTables<MOST> tables;
    const long long pixel = (long long)blockIdx.x * SPECTRAL_THREADS + threadIdx.x;
    const PixelPlanes<const float> area(job.areas, job, job.materials, pixel);
    const PixelPlanes<const float> upstream(job.upstream, job, job.sums, pixel);
    const PixelPlanes<float> out((float*)job.out, job, job.materials, pixel);
    float a[MOST], by[MOST] = {};
    for (int m = 0; m < MOST; ++m) a[m] = area.get(m);
    for (int k = 0; k < job.sums; k += 4) {
        float pull[4];
        for (int j = 0; j < 4; ++j) pull[j] = upstream.get(k + j);
        for (int first = 0; first < job.nodes; first += NODES_AT_ONCE) {
            const int count = tables.load(job, k / 4, first);
#pragma unroll 2
            for (int n = 0; n < count; ++n) {
                const float slope = transmission<MOST>(tables.mu[n], a) * dot(tables.weights[n], pull, 0.0f);
                for (int q = 0; q < MOST / 4; ++q) add_scaled(by + 4 * q, tables.mu[n][q], slope);
            }
        }
    }
    for (int m = 0; m < MOST; ++m) out.put(m, LN_2 * by[m]);
}

// One group of four sums: the part of grad_mu that comes through them, and grad_weights.
template <int MOST>
__device__ void spectral_grad_tables(const SpectralJob& job) {
    __shared__ float a[PIXELS_AT_ONCE][MOST];
    __shared__ float pull[PIXELS_AT_ONCE][4];
    const int node = blockIdx.y * SPECTRAL_THREADS + threadIdx.x, group = blockIdx.z;
    float4 mu[MOST / 4] = {}, weights = {};
    if (node < job.nodes) {
        for (int q = 0; q < MOST / 4; ++q) mu[q] = job.mu[(long long)node * (MOST / 4) + q];
        weights = job.weights[(long long)group * job.nodes + node];
    }
    double total[MOST + 4] = {};
    const long long begin = (long long)blockIdx.x * job.chunk;
    for (int first = 0; first < job.chunk; first += PIXELS_AT_ONCE) {
        __syncthreads();
        for (int i = threadIdx.x; i < PIXELS_AT_ONCE * (MOST + 4); i += SPECTRAL_THREADS) {
            const int p = i % PIXELS_AT_ONCE, plane = i / PIXELS_AT_ONCE;
            const PixelPlanes<const float> area(job.areas, job, job.materials, begin + first + p);
            const PixelPlanes<const float> upstream(job.upstream, job, job.sums, begin + first + p);
            if (plane < MOST) a[p][plane] = area.get(plane);
            else pull[p][plane - MOST] = upstream.get(4 * group + plane - MOST);
        }
        __syncthreads();
        float part[MOST + 4] = {};
        for (int p = 0; p < PIXELS_AT_ONCE; ++p) {
            const float t = transmission<MOST>(mu, a[p]), slope = t * dot(weights, pull[p], 0.0f);
            for (int m = 0; m < MOST; ++m) part[m] -= a[p][m] * slope;
            for (int j = 0; j < 4; ++j) part[MOST + j] += pull[p][j] * t;
        }
        for (int i = 0; i < MOST + 4; ++i) total[i] += (double)part[i];
    }
    if (node >= job.nodes) return;
    double* out = (double*)job.out + ((long long)group * gridDim.x + blockIdx.x) * (MOST + 4) * job.nodes + node;
    for (int i = 0; i < MOST + 4; ++i) out[(long long)i * job.nodes] = total[i];
}

}  // namespace deepdrr

// Threads in a block and, where ptxas would rather spill than take the registers, blocks on a multiprocessor.
#define DEEPDRR_SPECTRAL(name, most, ...)                                                              \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) name##_##most(deepdrr::SpectralJob job) { \
        deepdrr::name<most>(job);                                                                      \
    }

DEEPDRR_SPECTRAL(spectral_sums, 4, deepdrr::SPECTRAL_THREADS)
DEEPDRR_SPECTRAL(spectral_sums, 8, deepdrr::SPECTRAL_THREADS)
DEEPDRR_SPECTRAL(spectral_grad_areas, 4, deepdrr::SPECTRAL_THREADS)
DEEPDRR_SPECTRAL(spectral_grad_areas, 8, deepdrr::SPECTRAL_THREADS, 6)
DEEPDRR_SPECTRAL(spectral_grad_tables, 4, deepdrr::SPECTRAL_THREADS)
DEEPDRR_SPECTRAL(spectral_grad_tables, 8, deepdrr::SPECTRAL_THREADS)

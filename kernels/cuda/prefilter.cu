// The coefficients of a cubic B-spline, in place, one axis per launch: the recursions of spline_recursion.h, one thread
// per line of voxels, in double, with the causal sums kept as floats where the values were.
//
//   prefilter_across  lines across the dense axis: neighbouring threads have neighbouring lines, every access is coalesced
//   prefilter_along   lines along it: tiles of 32 values of 128 lines pass through shared memory, read and written by rows
//
// Bytes: 16 per voxel and axis (read and written on the way there and on the way back), 48 in all; memory bounds the
// speed. Operations: 5 double per voxel and axis. A line is one thread's: a volume of 512 x 512 x 133 has 68 000 to 262
// 000.
#include "deepdrr/scalar.h"
#include "deepdrr/spline_recursion.h"

namespace deepdrr {

constexpr int LINES = 128, TILE = 32, AT_ONCE = 8;  // lines of a block, values in a tile, values in registers
static_assert(TILE == HORIZON, "the first tile holds what the causal sums begin with");

struct PrefilterJob {
    float* data;
    long long size[3], stride[3];  // of the lines: all of them are size[0] * size[1] * size[2], the last one fastest
    long long n, next;               // values in a line, and the distance between them
    int transposed;
};

__device__ inline long long line_offset(const PrefilterJob& job, long long line) {
    const long long c = line % job.size[2], ab = line / job.size[2];
    return ab / job.size[1] * job.stride[0] + ab % job.size[1] * job.stride[1] + c * job.stride[2];
}

__device__ inline long long lines_of(const PrefilterJob& job) { return job.size[0] * job.size[1] * job.size[2]; }

// The recursions of one line, value by value.
struct Causal {
    SplineAxis axis;
    double at, before;  // the last two sums

    __device__ float next(long long k, float value) {
        before = at;
        if (k > 0) at = POLE * at + axis.gain(k) * (double)value;
        return (float)at;
    }
};

struct Anticausal {
    SplineAxis axis;
    double at;

    __device__ Anticausal(const Causal& done) : axis(done.axis), at(LAST * (done.at + POLE * done.before)) {}
    __device__ float next(long long k, float sum) {
        if (k < axis.n - 1) at = POLE * (at - (double)sum);
        return (float)(axis.share(k) * at);
    }
};

// Weights of the first values, for all threads of a block.
__device__ inline void load_weights(double* weights, const SplineAxis& axis) {
    if (threadIdx.x < HORIZON) weights[threadIdx.x] = axis.gain(threadIdx.x) * first_weight(axis.n, threadIdx.x);
    __syncthreads();
}

__device__ inline void prefilter_across(const PrefilterJob& job) {
    __shared__ double weights[HORIZON];
    const SplineAxis axis{job.n, job.transposed != 0};
    load_weights(weights, axis);
    const long long line = (long long)blockIdx.x * LINES + threadIdx.x;
    if (line >= lines_of(job)) return;
    float* data = job.data + line_offset(job, line);
    Causal causal{axis, 0.0, 0.0};
    for (int k = 0; k < HORIZON && k < job.n; ++k) causal.at += weights[k] * (double)data[k * job.next];
    float values[AT_ONCE];
    for (long long first = 0; first < job.n; first += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; ++i) values[i] = first + i < job.n ? data[(first + i) * job.next] : 0.0f;
        for (int i = 0; i < AT_ONCE; ++i)
            if (first + i < job.n) data[(first + i) * job.next] = causal.next(first + i, values[i]);
    }
    Anticausal anticausal(causal);
    for (long long last = job.n - 1; last >= 0; last -= AT_ONCE) {
        for (int i = 0; i < AT_ONCE; ++i) values[i] = i <= last ? data[(last - i) * job.next] : 0.0f;
        for (int i = 0; i < AT_ONCE; ++i)
            if (i <= last) data[(last - i) * job.next] = anticausal.next(last - i, values[i]);
    }
}

// Values [first, first + TILE) of a block's lines.
struct Tile {
    float value[LINES][TILE + 1];  // an odd length: a column's values lie in different banks
    long long offset[LINES];

    __device__ void begin(const PrefilterJob& job) {
        const long long line = (long long)blockIdx.x * LINES + threadIdx.x;
        offset[threadIdx.x] = line < lines_of(job) ? line_offset(job, line) : -1;
        __syncthreads();
    }
    __device__ void load(const PrefilterJob& job, long long first) {
        for (int i = threadIdx.x; i < LINES * TILE; i += LINES) {
            const int line = i / TILE, k = i % TILE;
            const bool inside = offset[line] >= 0 && first + k < job.n;
            value[line][k] = inside ? job.data[offset[line] + first + k] : 0.0f;
        }
        __syncthreads();
    }
    __device__ void store(const PrefilterJob& job, long long first) {
        __syncthreads();
        for (int i = threadIdx.x; i < LINES * TILE; i += LINES) {
            const int line = i / TILE, k = i % TILE;
            if (offset[line] >= 0 && first + k < job.n) job.data[offset[line] + first + k] = value[line][k];
        }
        __syncthreads();  // before the next tile takes this one's place
    }
};

__device__ inline void prefilter_along(const PrefilterJob& job) {
    __shared__ double weights[HORIZON];
    __shared__ Tile tile;
    const SplineAxis axis{job.n, job.transposed != 0};
    load_weights(weights, axis);
    tile.begin(job);
    float* mine = tile.value[threadIdx.x];
    Causal causal{axis, 0.0, 0.0};
    for (long long first = 0; first < job.n; first += TILE) {
        tile.load(job, first);
        const int count = (int)lesser(job.n - first, (long long)TILE);
        if (first == 0)
            for (int k = 0; k < count; ++k) causal.at += weights[k] * (double)mine[k];
        for (int k = 0; k < count; ++k) mine[k] = causal.next(first + k, mine[k]);
        tile.store(job, first);
    }
    Anticausal anticausal(causal);
    for (long long first = (job.n - 1) / TILE * TILE; first >= 0; first -= TILE) {
        tile.load(job, first);
        for (int k = (int)lesser(job.n - first, (long long)TILE) - 1; k >= 0; --k)
            mine[k] = anticausal.next(first + k, mine[k]);
        tile.store(job, first);
    }
}

}  // namespace deepdrr

extern "C" __global__ void __launch_bounds__(deepdrr::LINES) prefilter_across(deepdrr::PrefilterJob job) {
    deepdrr::prefilter_across(job);
}
extern "C" __global__ void __launch_bounds__(deepdrr::LINES) prefilter_along(deepdrr::PrefilterJob job) {
    deepdrr::prefilter_along(job);
}

// The arguments of the kernels that march rays, and the ray of a thread.
//
// Every kernel takes one struct by value, packed by `deepdrr/raycast/cuda/_jobs.py`; the kernel `job_bytes` lets a test
// check that both sides mean the same. One thread marches one ray (or one part of it); a warp covers 8 x 4 pixels, so
// that its rays stay close to each other in the volume and share cache lines.
#pragma once

#include "deepdrr/chord.h"
#include "deepdrr/scalar.h"

namespace deepdrr {

constexpr int BLOCK_WIDTH = 16, BLOCK_HEIGHT = 8, BLOCK_THREADS = BLOCK_WIDTH * BLOCK_HEIGHT;
constexpr int SEGMENT = 32;  // terms summed before they go into a total: a thousand lose few units of the last digit

// A [B, H, W] or [B, H, W, 3] array of doubles with any strides (in elements); those of a broadcast axis are 0.
struct Strided {
    const double* data;
    long long view, row, column;

    __device__ const double* at(long long b, long long r, long long c) const {
        return data + b * view + r * row + c * column;
    }
};

struct RayJob {
    const void* values;      // [C, I, J, K] with a voxel's neighbour along k beside it: float, or short with a scale
    const float* scale;      // [C], or null: value = scale[c] * stored
    const unsigned char* labels;  // [I, J, K], laid like a channel of the values, or null; see labels.cuh
    void* found;             // [B, H, W] written by find_chords, or null; see march.cuh
    long long channel_stride;
    Strided source, target, start, stop;
    Affine ijk_from_world;
    double step;             // as in midpoints.h; 0 integrates exactly
    Grid grid;
    int channels, views, height, width;
    int parts;               // each ray is cut into as many; each part writes its own image
    float* out;              // [parts, B, C, H, W]
};

struct Pixel {
    long long view, row, column;
    int part, first_channel;
    bool inside;
};

// The grid is (tiles across, tiles down, views x parts x groups of channels).
template <int GROUP>
__device__ Pixel my_pixel(const RayJob& job) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int groups = (job.channels + GROUP - 1) / GROUP;
    Pixel pixel;
    pixel.column = (long long)blockIdx.x * BLOCK_WIDTH + (warp & 1) * 8 + (lane & 7);
    pixel.row = (long long)blockIdx.y * BLOCK_HEIGHT + (warp >> 1) * 4 + (lane >> 3);
    pixel.first_channel = (int)(blockIdx.z % groups) * GROUP;
    pixel.part = (int)(blockIdx.z / groups % job.parts);
    pixel.view = blockIdx.z / groups / job.parts;
    pixel.inside = pixel.row < job.height && pixel.column < job.width;
    return pixel;
}

__device__ inline long long ray_number(const RayJob& job, const Pixel& p) {
    return (p.view * job.height + p.row) * job.width + p.column;
}

__device__ inline double ray_length(const double* source, const double* target) {
    double square = 0;
    for (int a = 0; a < 3; ++a) square += (target[a] - source[a]) * (target[a] - source[a]);
    return sqrt(square);
}

__device__ inline Chord chord_of(const RayJob& job, const Pixel& p) {
    const double* source = job.source.at(p.view, p.row, p.column);
    const double* target = job.target.at(p.view, p.row, p.column);
    return clip(job.ijk_from_world, source, target, ray_length(source, target), *job.start.at(p.view, p.row, p.column),
                *job.stop.at(p.view, p.row, p.column), job.grid);
}

// One channel's grid, or several in a row.
template <class T>
struct Volume {
    const T* data;
    long long channel_stride;
    int di, dj, dk;  // to the next voxel; 0 along an axis of one voxel

    __device__ Volume(const RayJob& job, int first_channel)
        : data((const T*)job.values + first_channel * job.channel_stride),
          channel_stride(job.channel_stride),
          di(job.grid.n[0] > 1 ? job.grid.plane : 0),
          dj(job.grid.n[1] > 1 ? job.grid.row : 0),
          dk(job.grid.n[2] > 1 ? 1 : 0) {}

    __device__ float at(int channel, int voxel) const { return (float)__ldg(data + channel * channel_stride + voxel); }
    __device__ int corner(int c) const { return (c >> 2 & 1) * di + (c >> 1 & 1) * dj + (c & 1) * dk; }
};

// A ray's upstream gradients, one per channel.
struct Upstream {
    const float* data;
    long long image;

    __device__ Upstream(const float* upstream, const RayJob& job, const Pixel& p)
        : data(upstream + (p.view * job.channels * job.height + p.row) * job.width + p.column),
          image((long long)job.height * job.width) {}

    __device__ float at(int channel) const { return __ldg(data + channel * image); }
};

template <int GROUP>
struct Sums {
    float total[GROUP], segment[GROUP];
    int terms;

    __device__ Sums() : terms(0) {
        for (int c = 0; c < GROUP; ++c) total[c] = segment[c] = 0.0f;
    }
    // After every sample or cell.
    __device__ void count() {
        if (++terms % SEGMENT) return;
        for (int c = 0; c < GROUP; ++c) total[c] += segment[c], segment[c] = 0.0f;
    }
    __device__ void write(const RayJob& job, const Pixel& p) const {
        for (int c = 0; c < GROUP && p.first_channel + c < job.channels; ++c) {
            const int channel = p.first_channel + c;
            const long long image = ((long long)p.part * job.views + p.view) * job.channels + channel;
            const float sum = total[c] + segment[c], scale = job.scale ? job.scale[channel] : 1.0f;
            job.out[(image * job.height + p.row) * job.width + p.column] = scale * sum;
        }
    }
};

}  // namespace deepdrr

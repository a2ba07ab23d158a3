// The label map of a routed integral, and the one channel of values that it routes.
//
// Hard routing gives the interpolated value to the label of the nearest voxel, soft routing each corner's share of it
// to that corner's own label; the job's channels are the labels. A label that is not below their number has no channel.
#pragma once

#include "job.cuh"

namespace deepdrr {

struct LabelMap {
    const unsigned char* data;
    int count;

    __device__ LabelMap(const RayJob& job) : data(job.labels), count(job.channels) {}

    __device__ int at(int voxel) const { return __ldg(data + voxel); }
};

// Without values it is 1 everywhere: integrals are path lengths.
template <class T>
struct RoutedVolume : Volume<T> {
    __device__ RoutedVolume(const RayJob& job) : Volume<T>(job, 0) {}

    __device__ float value(int voxel) const { return this->data ? this->at(0, voxel) : 1.0f; }
};

}  // namespace deepdrr

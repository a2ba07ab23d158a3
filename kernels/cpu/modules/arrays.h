// The arrays that the Python module's functions take, turned into the structs of the kernels.
//
// The Python side has checked types, shapes and values; `require` guards memory where those checks were bypassed.
#pragma once

#include <pybind11/numpy.h>

#include <array>
#include <cstdint>
#include <stdexcept>

#include "packets/image.h"
#include "packets/rays.h"
#include "packets/values.h"

namespace deepdrr {

using Doubles = pybind11::array_t<double>;
using Floats32 = pybind11::array_t<float>;

// Dense, the last axis fastest.
template <class T>
using Packed = pybind11::array_t<T, pybind11::array::c_style>;

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

inline Affine affine(const Packed<double>& matrix) {
    require(matrix.ndim() == 2 && matrix.shape(0) == 4 && matrix.shape(1) == 4, "ijk_from_world must be [4, 4]");
    Affine result;
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 4; ++c) result.m[r][c] = matrix.at(r, c);
    return result;
}

inline Strided strided(const Doubles& array, const std::array<std::int64_t, 3>& shape, int components) {
    require(array.ndim() == (components > 1 ? 4 : 3), "ends must be [B, H, W, 3], limits [B, H, W]");
    for (int a = 0; a < 3; ++a)
        require(array.shape(a) == 1 || array.shape(a) == shape[a], "ends and limits must broadcast to [B, H, W]");
    const auto stride = [&](int a) {
        return array.shape(a) == 1 ? 0 : (std::int64_t)(array.strides(a) / (pybind11::ssize_t)sizeof(double));
    };
    if (components > 1)
        require(array.shape(3) == components && array.strides(3) == sizeof(double), "end points must be packed");
    return {array.data(), stride(0), stride(1), stride(2)};
}

// Elements from one index to the next along an axis; 0 for an axis of one.
template <class T, int flags>
std::int64_t stride_of(const pybind11::array_t<T, flags>& array, pybind11::ssize_t axis) {
    if (array.shape(axis) == 1) return 0;
    require(array.strides(axis) > 0, "the grid must not run backwards");
    require(array.strides(axis) % (pybind11::ssize_t)sizeof(T) == 0, "padding must be whole voxels");
    return array.strides(axis) / (pybind11::ssize_t)sizeof(T);
}

// The last three axes [I, J, K] of an array whose rows (along K) are dense; rows and planes may be padded.
template <class T, int flags>
Grid grid(const pybind11::array_t<T, flags>& array) {
    const pybind11::ssize_t i = array.ndim() - 3, j = i + 1, k = i + 2;
    require(stride_of(array, k) <= 1, "the last axis of the grid must be dense");
    const double reach =
        (double)array.shape(i) * (double)stride_of(array, i) + (double)array.shape(j) * (double)stride_of(array, j);
    require(reach + (double)array.shape(k) < 2147483648.0, "the grid must have fewer than 2^31 voxels");
    return {{(int)array.shape(i), (int)array.shape(j), (int)array.shape(k)},
            (int)stride_of(array, i),
            (int)stride_of(array, j)};
}

template <class T>
void require_channels(const pybind11::array_t<T>& array, const Image& image) {
    require(array.ndim() == 4, "values must be [C, I, J, K]");
    require(image.channels == array.shape(0), "images must have as many channels as values");
}

template <class T>
Values<T> scaled(const pybind11::array_t<T>& array, const Packed<double>& scale, const Image& image) {
    require_channels(array, image);
    require(scale.size() == array.shape(0), "scale must be [C]");
    return {array.data(), grid(array), stride_of(array, 0), (int)array.shape(0), scale.data()};
}

// Rays [B, H, W] as arrays: ends [B, H, W, 3], each the sum of two, and limits [B, H, W]. An axis of one is repeated.
struct RayArrays {
    Doubles source, source_too, target, target_too, start, stop;
    Rays rays;

    RayArrays(const std::array<std::int64_t, 3>& shape, const Doubles& source_, const Doubles& source_too_,
              const Doubles& target_, const Doubles& target_too_, const Doubles& start_, const Doubles& stop_)
        : source(source_),
          source_too(source_too_),
          target(target_),
          target_too(target_too_),
          start(start_),
          stop(stop_) {
        rays = {{strided(source, shape, 3), strided(source_too, shape, 3)},
                {strided(target, shape, 3), strided(target_too, shape, 3)},
                strided(start, shape, 1),
                strided(stop, shape, 1),
                shape[0],
                shape[1],
                shape[2]};
    }
};

// Rays and the images [B, C, H, W] that belong to them.
struct Call {
    Rays rays;
    Image image;

    Call(const RayArrays& arrays, Packed<float>& images) : rays(arrays.rays) {
        require(images.ndim() == 4, "images must be [B, C, H, W]");
        require(images.shape(0) == rays.views && images.shape(2) == rays.height && images.shape(3) == rays.width,
                "rays and image must agree in [B, H, W]");
        image = {images.mutable_data(), images.shape(1), rays.height, rays.width};
    }
};

}  // namespace deepdrr

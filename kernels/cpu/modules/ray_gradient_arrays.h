// Where gradients with respect to rays are written to: arrays of the Python module's functions, and their arguments.
#pragma once

#include <cstring>

#include "adjoint/ray_gradients.h"
#include "modules/arrays.h"

namespace deepdrr {

// An array with `components` numbers per ray, or null for an empty one.
inline double* per_ray(Packed<double>& array, const Rays& rays, int components) {
    if (array.size() == 0) return nullptr;
    const std::int64_t size = rays.views * rays.height * rays.width * components;
    require(array.size() == size, "gradients must be as many as the rays");
    return array.mutable_data();
}

// Gradients with respect to source and target [B, H, W, 3], start and stop [B, H, W], empty where not wanted, and
// ijk_from_world [3, 4].
struct RayGradientArrays {
    Packed<double> source, target, start, stop, grad_matrix;

    RayTask task(const Affine& matrix, const Rays& rays, const Grid& grid) {
        require(source.size() > 0 && target.size() > 0, "there must be gradients of source and target");
        require(grad_matrix.size() == 12, "grad_matrix must be [3, 4]");
        return {matrix, rays, grid, {per_ray(source, rays, 3), per_ray(target, rays, 3), per_ray(start, rays, 1),
                                     per_ray(stop, rays, 1)}};
    }

    // Calls compute() without Python's lock and keeps the gradient with respect to ijk_from_world that it returns.
    template <class Compute>
    void run(const Compute& compute) {
        double* to = grad_matrix.mutable_data();
        const pybind11::gil_scoped_release unlocked;
        const MatrixGradient total = compute();
        std::memcpy(to, total.m, sizeof total.m);
    }
};

}  // namespace deepdrr

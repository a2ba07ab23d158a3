// Gradients of line integrals with respect to the rays in the Python module, linear and cubic interpolation.
//
// `…_with_slopes` integrates one channel and keeps what its gradient needs, `grad_rays_from_slopes` turns that into the
// gradient; `…_grad_rays` marches for the gradient of any number of channels.

#include "adjoint/grad_rays.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "adjoint/cubic_basis.h"
#include "modules/ray_gradient_arrays.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

template <class T>
using Gradients = MatrixGradient (*)(const RayTask&, const Values<T>&, double, const Image&, int);

template <class T, Gradients<T> gradients>
void grad_rays(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
               const RayArrays& rays, double step, Packed<float> upstream, Packed<double> grad_source,
               Packed<double> grad_target, Packed<double> grad_start, Packed<double> grad_stop,
               Packed<double> grad_matrix, int threads) {
    const Call call(rays, upstream);
    const Values<T> field = scaled(values, scale, call.image);
    RayGradientArrays out{grad_source, grad_target, grad_start, grad_stop, grad_matrix};
    const RayTask task = out.task(affine(ijk_from_world), call.rays, field.grid);
    out.run([&] { return gradients(task, field, step, call.image, threads); });
}

// Integrals of one channel, and the sums that their gradients with respect to the rays need: out [B, 7 or 9, H, W].
template <class March, class T>
void with_slopes(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                 const RayArrays& rays, double step, Packed<float> out, int threads) {
    const Call call(rays, out);
    require(call.image.channels == (March::exact ? EXACT_SUMS : STEP_SUMS), "out must be [B, 7 or 9, H, W]");
    const Image one{nullptr, 1, call.image.height, call.image.width};
    const Values<T> field = scaled(values, scale, one);
    const Affine matrix = affine(ijk_from_world);
    const py::gil_scoped_release unlocked;
    project_with_slopes<March>(field, matrix, call.rays, step, call.image, threads);
}

void from_slopes(Packed<float> slopes, const std::array<int, 3>& shape, const Packed<double>& ijk_from_world,
                 const RayArrays& rays, Packed<float> upstream, Packed<double> grad_source, Packed<double> grad_target,
                 Packed<double> grad_start, Packed<double> grad_stop, Packed<double> grad_matrix, int threads) {
    const Call call(rays, slopes), given(rays, upstream);
    require(call.image.channels == STEP_SUMS || call.image.channels == EXACT_SUMS, "slopes must be [B, 7 or 9, H, W]");
    require(given.image.channels == 1, "upstream must be [B, 1, H, W]");
    RayGradientArrays out{grad_source, grad_target, grad_start, grad_stop, grad_matrix};
    const RayTask task = out.task(affine(ijk_from_world), call.rays, {{shape[0], shape[1], shape[2]}, 0, 0});
    out.run([&] { return gradients_from_slopes(task, call.image, given.image, threads); });
}

template <class Function>
void define(py::module_& module, const char* name, Function function) {
    module.def(name, function, py::arg("values").noconvert(), py::arg("scale").noconvert(),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"), py::arg("upstream").noconvert(),
               py::arg("grad_source").noconvert(), py::arg("grad_target").noconvert(),
               py::arg("grad_start").noconvert(), py::arg("grad_stop").noconvert(),
               py::arg("grad_matrix").noconvert(), py::arg("threads"));
}

template <class March, class T>
void define_slopes(py::module_& module, const std::string& rule) {
    module.def((rule + "_with_slopes").c_str(), &with_slopes<March, T>, py::arg("values").noconvert(),
               py::arg("scale").noconvert(), py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"),
               py::arg("out").noconvert(), py::arg("threads"));
    constexpr Gradients<T> gradients = March::exact ? exact_grad_rays<T> : linear_grad_rays<March, T>;
    define(module, (rule + "_grad_rays").c_str(), &grad_rays<T, gradients>);
}

// Both kinds of storage under one name.
template <class March>
void define_both(py::module_& module, const char* rule) {
    define_slopes<March, float>(module, rule);
    define_slopes<March, std::int16_t>(module, rule);
}

}  // namespace

void define_grad_rays(py::module_& module) {
    define_both<PieceMarch>(module, "exact_linear");
    define_both<SlopeMarch>(module, "step_linear");
    define(module, "step_cubic_grad_rays", &grad_rays<float, sampled_grad_rays<Cubic, float>>);
    module.def("grad_rays_from_slopes", &from_slopes, py::arg("slopes").noconvert(), py::arg("shape"),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("upstream").noconvert(),
               py::arg("grad_source").noconvert(), py::arg("grad_target").noconvert(),
               py::arg("grad_start").noconvert(), py::arg("grad_stop").noconvert(),
               py::arg("grad_matrix").noconvert(), py::arg("threads"));
}

}  // namespace deepdrr

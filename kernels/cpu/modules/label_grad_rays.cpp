// Gradients of integrals routed by label with respect to the rays in the Python module, linear interpolation.

#include "labels/label_grad_rays.h"

#include <pybind11/pybind11.h>

#include "modules/label_arrays.h"
#include "modules/ray_gradient_arrays.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

template <class T, class March, template <class, bool> class Cells>
void label_grad_rays(const Bytes& labels, const py::array_t<T>& values, const Packed<double>& scale,
                     const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float> upstream,
                     Packed<double> grad_source, Packed<double> grad_target, Packed<double> grad_start,
                     Packed<double> grad_stop, Packed<double> grad_matrix, int threads) {
    const Call call(rays, upstream);
    const LabeledField<T> field = labeled(labels, values, scale, call.image.channels);
    RayGradientArrays out{grad_source, grad_target, grad_start, grad_stop, grad_matrix};
    const RayTask task = out.task(affine(ijk_from_world), call.rays, field.values.grid);
    out.run([&] { return routed_grad_rays<March, Cells>(task, field, step, call.image, threads); });
}

// Both kinds of storage under one name.
template <class March, template <class, bool> class Cells>
void define(py::module_& module, const char* name) {
    const auto define_one = [&](auto function) {
        module.def(name, function, py::arg("labels").noconvert(), py::arg("values").noconvert(),
                   py::arg("scale").noconvert(), py::arg("ijk_from_world").noconvert(), py::arg("rays"),
                   py::arg("step"), py::arg("upstream").noconvert(), py::arg("grad_source").noconvert(),
                   py::arg("grad_target").noconvert(), py::arg("grad_start").noconvert(),
                   py::arg("grad_stop").noconvert(), py::arg("grad_matrix").noconvert(), py::arg("threads"));
    };
    define_one(&label_grad_rays<float, March, Cells>);
    define_one(&label_grad_rays<std::int16_t, March, Cells>);
}

}  // namespace

void define_label_grad_rays(py::module_& module) {
    define<HalfPieceMarch, HardCells>(module, "exact_linear_hard_grad_rays");
    define<SlopeMarch, HardCells>(module, "step_linear_hard_grad_rays");
    define<PieceMarch, SoftCells>(module, "exact_linear_soft_grad_rays");
    define<SlopeMarch, SoftCells>(module, "step_linear_soft_grad_rays");
}

}  // namespace deepdrr

// Gradients of integrals routed by label with respect to the values in the Python module, linear interpolation.

#include "labels/label_grad_values.h"

#include <pybind11/pybind11.h>

#include "modules/label_arrays.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

// `gradient` [1, I, J, K] has the strides of the labels.
template <class Marching, class Basis>
void label_grad_values(const Bytes& labels, Floats32 gradient, const Packed<double>& ijk_from_world,
                       const RayArrays& rays, double step, Packed<float> upstream, int threads) {
    const Call call(rays, upstream);
    const Packed<double> one(1);
    const LabeledField<float> field = labeled(labels, gradient, one, call.image.channels);
    require(field.values.data != nullptr, "there must be room for the gradient");
    const Gradient into{gradient.mutable_data(), field.values.grid, 0, 1};
    const Adjoint job{affine(ijk_from_world), call.rays, call.image, step, into};
    const py::gil_scoped_release unlocked;
    spread_upstream(job, NodeSpread<Marching, Basis>{Basis{field.labels}}, threads);
}

template <class Marching, class Basis>
void define(py::module_& module, const char* name) {
    module.def(name, &label_grad_values<Marching, Basis>, py::arg("labels").noconvert(),
               py::arg("gradient").noconvert(), py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"),
               py::arg("upstream").noconvert(), py::arg("threads"));
}

}  // namespace

void define_label_grad_values(py::module_& module) {
    define<HalfPieceNodes, HardSpread>(module, "exact_linear_hard_grad_values");
    define<StepNodes, HardSpread>(module, "step_linear_hard_grad_values");
    define<PieceNodes, SoftSpread>(module, "exact_linear_soft_grad_values");
    define<StepNodes, SoftSpread>(module, "step_linear_soft_grad_values");
}

}  // namespace deepdrr

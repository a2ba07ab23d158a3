// Gradients of line integrals with respect to the values in the Python module: nearest, linear and cubic interpolation.

#include "adjoint/grad_values.h"

#include <pybind11/pybind11.h>

#include "adjoint/cubic_basis.h"
#include "adjoint/linear_basis.h"
#include "adjoint/nearest_spread.h"
#include "modules/arrays.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

template <class Spread>
void grad_values(Floats32 gradient, const Packed<double>& ijk_from_world, const RayArrays& rays, double step,
                 Packed<float> upstream, int threads) {
    const Call call(rays, upstream);
    require_channels(gradient, call.image);
    const Gradient into{gradient.mutable_data(), grid(gradient), stride_of(gradient, 0), (int)gradient.shape(0)};
    const Adjoint job{affine(ijk_from_world), call.rays, call.image, step, into};
    const py::gil_scoped_release unlocked;
    spread_upstream(job, Spread{}, threads);
}

template <class Spread>
void define(py::module_& module, const char* name) {
    module.def(name, &grad_values<Spread>, py::arg("gradient").noconvert(), py::arg("ijk_from_world").noconvert(),
               py::arg("rays"), py::arg("step"), py::arg("upstream").noconvert(), py::arg("threads"));
}

}  // namespace

void define_grad_values(py::module_& module) {
    define<NearestExactSpread>(module, "exact_nearest_grad_values");
    define<NearestStepSpread>(module, "step_nearest_grad_values");
    define<NodeSpread<PieceNodes, Linear>>(module, "exact_linear_grad_values");
    define<LinearStepSpread>(module, "step_linear_grad_values");
    define<NodeSpread<StepNodes, Cubic>>(module, "step_cubic_grad_values");
}

}  // namespace deepdrr

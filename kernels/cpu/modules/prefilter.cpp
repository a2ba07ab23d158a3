// The B-spline prefilter in the Python module, see prefilter.h.

#include <pybind11/pybind11.h>

#include "modules/arrays.h"
#include "prefilter.h"

namespace py = pybind11;

namespace deepdrr {

namespace {

// Replaces values [N, a, b, c], c dense, by coefficients.
void prefilter_in_place(py::array_t<float> values, bool transposed, int threads) {
    require(values.ndim() == 4, "values must be [N, a, b, c]");
    require(values.shape(3) == 1 || values.strides(3) == sizeof(float), "the last axis of the grid must be dense");
    Prefilter job{values.mutable_data(), {}, {}, transposed};
    py::ssize_t reach = values.shape(3) * (py::ssize_t)sizeof(float);
    job.n[3] = values.shape(3);
    for (int a = 2; a >= 0; --a) {
        const bool apart = values.strides(a) >= reach && values.strides(a) % (py::ssize_t)sizeof(float) == 0;
        require(values.shape(a) < 2 || apart, "rows, planes and grids must not overlap");
        if (values.shape(a) > 1) reach += (values.shape(a) - 1) * values.strides(a);
        job.n[a] = values.shape(a), job.stride[a] = values.strides(a) / (py::ssize_t)sizeof(float);
    }
    const py::gil_scoped_release unlocked;
    prefilter(job, threads);
}

}  // namespace

void define_prefilter(py::module_& module) {
    module.def("prefilter", &prefilter_in_place, py::arg("values").noconvert(), py::arg("transposed"),
               py::arg("threads"));
}

}  // namespace deepdrr

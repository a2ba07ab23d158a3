// Line integrals routed by label in the Python module, see labels/label_integrals.h.

#include "labels/label_integrals.h"

#include <pybind11/pybind11.h>

#include "modules/label_arrays.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

template <class T, class Packet>
void label_integrals(const Bytes& labels, const py::array_t<T>& values, const Packed<double>& scale,
                     const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float> out,
                     int threads) {
    const Call call(rays, out);
    const LabeledField<T> field = labeled(labels, values, scale, call.image.channels);
    const Affine matrix = affine(ijk_from_world);
    const py::gil_scoped_release unlocked;
    project_labels<Packet>(field, matrix, call.rays, step, call.image, threads);
}

// Both kinds of storage under one name.
template <class Packet>
void define(py::module_& module, const char* name) {
    const auto define_one = [&](auto function) {
        module.def(name, function, py::arg("labels").noconvert(), py::arg("values").noconvert(),
                   py::arg("scale").noconvert(), py::arg("ijk_from_world").noconvert(), py::arg("rays"),
                   py::arg("step"), py::arg("out").noconvert(), py::arg("threads"));
    };
    define_one(&label_integrals<float, Packet>);
    define_one(&label_integrals<std::int16_t, Packet>);
}

}  // namespace

void define_label_integrals(py::module_& module) {
    define<HardWalk>(module, "exact_nearest_hard");
    define<RoutedPacketState<Hard, Stencil1, StepMarch>>(module, "step_nearest_hard");
    define<RoutedPacketState<Hard, NearStencil8, CellWalk>>(module, "exact_linear_hard");
    define<HardSteps>(module, "step_linear_hard");
    define<RoutedPacketState<Soft, Stencil8, CellWalk>>(module, "exact_linear_soft");
    define<RoutedPacketState<Soft, Stencil8, StepMarch>>(module, "step_linear_soft");
}

}  // namespace deepdrr

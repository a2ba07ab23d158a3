// The Python module of one instruction set: NumPy arrays in, one function per operation, each defined in its own file.
//
// It is compiled once per instruction set, with the module's name in DEEPDRR_MODULE, and links to Python alone: any
// version of torch can stand on the other side.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "modules/arrays.h"

namespace py = pybind11;

namespace deepdrr {

void define_line_integrals(py::module_& module);
void define_grad_rays(py::module_& module);
void define_grad_values(py::module_& module);
void define_label_integrals(py::module_& module);
void define_label_grad_rays(py::module_& module);
void define_label_grad_values(py::module_& module);
void define_mesh_crossings(py::module_& module);
void define_prefilter(py::module_& module);
void define_noise(py::module_& module);
void define_spectral_sums(py::module_& module);
void define_photons(py::module_& module);

}  // namespace deepdrr

PYBIND11_MODULE(DEEPDRR_MODULE, module) {
    using namespace deepdrr;
    module.doc() = "The compiled kernels; see deepdrr.raycast.project.";
    py::class_<RayArrays>(module, "Rays", py::module_local())
        .def(py::init<const std::array<std::int64_t, 3>&, const Doubles&, const Doubles&, const Doubles&, const Doubles&,
                      const Doubles&, const Doubles&>(),
             py::arg("shape"), py::arg("source").noconvert(), py::arg("source_too").noconvert(),
             py::arg("target").noconvert(), py::arg("target_too").noconvert(), py::arg("start").noconvert(),
             py::arg("stop").noconvert());
    define_line_integrals(module);
    define_grad_rays(module);
    define_grad_values(module);
    define_label_integrals(module);
    define_label_grad_rays(module);
    define_label_grad_values(module);
    define_mesh_crossings(module);
    define_prefilter(module);
    define_noise(module);
    define_spectral_sums(module);
    define_photons(module);
}

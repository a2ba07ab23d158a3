// Spectral sums and their gradients in the Python module, see spectral_sums.h. deepdrr/spectrum/sums/_operator.py has
// checked types and shapes; `require` guards memory.

#include <pybind11/pybind11.h>

#include "modules/arrays.h"
#include "spectral_sums.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

Spectral tables(const Packed<double>& mu, const Packed<double>& weights) {
    require(mu.ndim() == 2 && weights.ndim() == 2, "mu must be [M, N] and weights [K, N]");
    require(mu.shape(1) == weights.shape(1), "mu and weights must have as many nodes");
    require(mu.shape(0) > 0 && weights.shape(0) > 0 && mu.shape(1) > 0, "tables must not be empty");
    return {mu.data(), (int)mu.shape(0), weights.data(), (int)weights.shape(0), (int)mu.shape(1)};
}

void require_picture(const Packed<float>& picture, const Packed<float>& areas, int planes) {
    require(picture.ndim() == 3 && picture.shape(1) == planes, "pictures must be [B, planes, pixels]");
    require(picture.shape(0) == areas.shape(0) && picture.shape(2) == areas.shape(2), "pictures must agree in pixels");
}

// The numbers of an array of this many, or null for an empty one, whose gradient is not wanted.
template <class T>
T* wanted(Packed<T>& gradient, py::ssize_t size) {
    if (gradient.size() == 0) return nullptr;
    require(gradient.size() == size, "gradients must be as many as what they are of");
    return gradient.mutable_data();
}

void sums(const Packed<float>& areas, const Packed<double>& mu, const Packed<double>& weights, Packed<float> out,
          int threads) {
    const Spectral spectral = tables(mu, weights);
    require_picture(areas, areas, spectral.mu.rows);
    require_picture(out, areas, spectral.weights.rows);
    const PixelBlocks blocks(areas.shape(0), areas.shape(2));
    const float* from = areas.data();
    float* to = out.mutable_data();
    const py::gil_scoped_release unlocked;
    spectral_sums(from, spectral, blocks, to, threads);
}

void adjoint(const Packed<float>& upstream, const Packed<float>& areas, const Packed<double>& mu,
             const Packed<double>& weights, Packed<float> grad_areas, Packed<double> grad_mu,
             Packed<double> grad_weights, int threads) {
    const Spectral spectral = tables(mu, weights);
    require_picture(areas, areas, spectral.mu.rows);
    require_picture(upstream, areas, spectral.weights.rows);
    const SpectralGradients gradients{wanted(grad_areas, areas.size()), wanted(grad_mu, mu.size()),
                                      wanted(grad_weights, weights.size())};
    const PixelBlocks blocks(areas.shape(0), areas.shape(2));
    const float *pull = upstream.data(), *from = areas.data();
    const py::gil_scoped_release unlocked;
    spectral_sums_adjoint(pull, from, spectral, blocks, gradients, threads);
}

}  // namespace

void define_spectral_sums(py::module_& module) {
    module.def("spectral_sums", &sums, py::arg("areas").noconvert(), py::arg("mu").noconvert(),
               py::arg("weights").noconvert(), py::arg("out").noconvert(), py::arg("threads"));
    module.def("spectral_sums_adjoint", &adjoint, py::arg("upstream").noconvert(), py::arg("areas").noconvert(),
               py::arg("mu").noconvert(), py::arg("weights").noconvert(), py::arg("grad_areas").noconvert(),
               py::arg("grad_mu").noconvert(), py::arg("grad_weights").noconvert(), py::arg("threads"));
}

}  // namespace deepdrr

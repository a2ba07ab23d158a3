// The detector's noise in the Python module. deepdrr/detector/draws/_draws.py has checked types and shapes; `require`
// guards memory.

#include <pybind11/pybind11.h>

#include <cmath>

#include "deepdrr/scalar.h"
#include "modules/arrays.h"
#include "parallel.h"

DEEPDRR_NO_FUSED_PRODUCTS

#include "deepdrr/noise.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

constexpr std::int64_t PIXELS_PER_TASK = 4096;

// Calls work(first, end) for pieces of the pixels.
template <class Work>
void for_pixels(std::int64_t pixels, int threads, const Work& work) {
    parallel_for((pixels + PIXELS_PER_TASK - 1) / PIXELS_PER_TASK, threads, [&](std::int64_t task) {
        const std::int64_t end = lesser(pixels, (task + 1) * PIXELS_PER_TASK);
        work(task * PIXELS_PER_TASK, end);
    });
}

template <class T>
void quantum_noise(const Packed<T>& mean, const Packed<T>& variance, Packed<T> out, std::uint64_t seed, int threads) {
    require(mean.size() == variance.size() && mean.size() == out.size(), "mean, variance and out must be as many");
    const T *s = mean.data(), *v = variance.data();
    T* to = out.mutable_data();
    const std::int64_t pixels = out.size();
    const py::gil_scoped_release unlocked;
    for_pixels(pixels, threads, [&](std::int64_t first, std::int64_t end) {
        std::vector<double> drawn((std::size_t)(end - first));
        double* quick = drawn.data();
        DEEPDRR_LANES
        for (std::int64_t p = first; p < end; ++p)
            quick[p - first] = quick_quantum_draw(s[p], v[p], seed, (std::uint64_t)p);
        for (std::int64_t p = first; p < end; ++p) {
            const double energy = quick[p - first];
            to[p] = (T)(energy >= 0.0 ? energy : quantum_draw(s[p], v[p], seed, (std::uint64_t)p));
        }
    });
}

template <class T>
void electronic_noise(Packed<T> out, double rms, std::uint64_t seed, int threads) {
    T* to = out.mutable_data();
    const std::int64_t pixels = out.size();
    const py::gil_scoped_release unlocked;
    for_pixels(pixels, threads, [&](std::int64_t first, std::int64_t end) {
        DEEPDRR_LANES
        for (std::int64_t p = first; p < end; ++p) to[p] = (T)product(rms, normal_draw(seed, (std::uint64_t)p));
    });
}

template <class T>
void define(py::module_& module) {
    module.def("quantum_noise", &quantum_noise<T>, py::arg("mean").noconvert(), py::arg("variance").noconvert(),
               py::arg("out").noconvert(), py::arg("seed"), py::arg("threads"));
    module.def("electronic_noise", &electronic_noise<T>, py::arg("out").noconvert(), py::arg("rms"), py::arg("seed"),
               py::arg("threads"));
}

}  // namespace

void define_noise(py::module_& module) {
    define<float>(module);
    define<double>(module);
}

}  // namespace deepdrr

// Line integrals in the Python module: nearest, linear and cubic interpolation, exact or at midpoint samples.

#include "forward/line_integrals.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <utility>

#include "forward/cubic_integrals.h"
#include "forward/exact_integrals.h"
#include "modules/arrays.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

template <class T, class Project>
void run(const Project& project_field, const py::array_t<T>& values, const Packed<double>& scale,
         const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float>& out, int threads) {
    const Call call(rays, out);
    const Values<T> field = scaled(values, scale, call.image);
    const Affine matrix = affine(ijk_from_world);
    const py::gil_scoped_release unlocked;
    project_field(field, matrix, call.rays, step, call.image, threads);
}

template <class Stencil, template <class> class March, class T>
void line_integrals(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                    const RayArrays& rays, double step, Packed<float> out, int threads) {
    run(project<Stencil, March, T>, values, scale, ijk_from_world, rays, step, out, threads);
}

// The map of blocks.h for a field, or null for an empty array.
const std::uint32_t* block_map(const Packed<std::uint32_t>& map, const Grid& grid, int channels) {
    if (map.size() == 0) return nullptr;
    const BlockGrid blocks(grid);
    require(map.ndim() == 3 && map.shape(0) == channels && map.shape(1) == blocks.down && map.shape(2) == blocks.across,
            "blocks must be of the field");
    return map.data();
}

// Linear interpolation, whose integrals skip empty blocks.
template <class T, class Project>
void run_linear(const Project& project_field, const py::array_t<T>& values, const Packed<double>& scale,
                const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float>& out, int threads,
                const Packed<std::uint32_t>& blocks) {
    const auto project_mapped = [&](const Values<T>& field, auto... rest) {
        Values<T> mapped = field;
        mapped.blocks = block_map(blocks, field.grid, field.channels);
        project_field(mapped, rest...);
    };
    run(project_mapped, values, scale, ijk_from_world, rays, step, out, threads);
}

template <class T>
void step_linear(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                 const RayArrays& rays, double step, Packed<float> out, int threads,
                 const Packed<std::uint32_t>& blocks) {
    run_linear(project_steps<T>, values, scale, ijk_from_world, rays, step, out, threads, blocks);
}

template <class T>
void exact_linear(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                  const RayArrays& rays, double step, Packed<float> out, int threads,
                  const Packed<std::uint32_t>& blocks) {
    run_linear(project_exact<T>, values, scale, ijk_from_world, rays, step, out, threads, blocks);
}

// The map of blocks.h, and the share of blocks that are occupied.
template <class T>
std::pair<Packed<std::uint32_t>, double> filled_blocks(const py::array_t<T>& values, int threads) {
    require(values.ndim() == 4, "values must be [C, I, J, K]");
    const Values<T> field{values.data(), grid(values), stride_of(values, 0), (int)values.shape(0), nullptr};
    const BlockGrid blocks(field.grid);
    Packed<std::uint32_t> map({values.shape(0), (py::ssize_t)blocks.down, (py::ssize_t)blocks.across});
    std::fill_n(map.mutable_data(), map.size(), 0u);
    find_blocks(field, map.mutable_data(), threads);
    return {map, occupied_share(map.data(), map.size(), blocks)};
}

void step_cubic(const Floats32& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                const RayArrays& rays, double step, Packed<float> out, int threads) {
    run(project_cubic, values, scale, ijk_from_world, rays, step, out, threads);
}

template <class Function, class... More>
void define(py::module_& module, const char* name, Function function, const More&... more) {
    module.def(name, function, py::arg("values").noconvert(), py::arg("scale").noconvert(),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"), py::arg("out").noconvert(),
               py::arg("threads"), more...);
}

// Both kinds of storage under one name.
template <class Stencil, template <class> class March>
void define_both(py::module_& module, const char* name) {
    define(module, name, &line_integrals<Stencil, March, float>);
    define(module, name, &line_integrals<Stencil, March, std::int16_t>);
}

// Linear interpolation, and the maps of occupied blocks that it takes.
template <class T>
void define_linear(py::module_& module) {
    define(module, "exact_linear", &exact_linear<T>, py::arg("blocks") = Packed<std::uint32_t>(0));
    define(module, "step_linear", &step_linear<T>, py::arg("blocks") = Packed<std::uint32_t>(0));
    module.def("filled_blocks", &filled_blocks<T>, py::arg("values").noconvert(), py::arg("threads"));
}

}  // namespace

void define_line_integrals(py::module_& module) {
    define_both<Stencil1, CellWalk>(module, "exact_nearest");
    define_both<Stencil1, StepMarch>(module, "step_nearest");
    define_linear<float>(module);
    define_linear<std::int16_t>(module);
    define(module, "step_cubic", &step_cubic);
}

}  // namespace deepdrr

// The Python module: numpy arrays in, one function per operation. It is compiled once per instruction set, with the
// module's name in DEEPDRR_MODULE, and links to nothing but Python: any version of torch can sit on the other side.
// deepdrr/raycast/cpu/_line_integrals.py has checked types, shapes and values; what is checked here guards memory.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <string>

#include "modules/arrays.h"
#include "packets/blocks.h"
#include "adjoint/cubic_basis.h"
#include "forward/cubic_integrals.h"
#include "labels/label_integrals.h"
#include "labels/label_grad_rays.h"
#include "labels/label_grad_values.h"
#include "forward/line_integrals.h"
#include "adjoint/linear_basis.h"
#include "adjoint/nearest_spread.h"
#include "adjoint/grad_rays.h"
#include "adjoint/grad_values.h"

namespace py = pybind11;
using namespace deepdrr;

namespace deepdrr {
void define_noise(py::module_& module);          // noise_module.cpp
void define_prefilter(py::module_& module);      // prefilter_module.cpp
void define_spectral_sums(py::module_& module);  // spectral_module.cpp
}

namespace {

using Doubles = py::array_t<double>;
using Floats = py::array_t<float>;
using Bytes = py::array_t<std::uint8_t>;

Affine affine(const Packed<double>& matrix) {
    require(matrix.ndim() == 2 && matrix.shape(0) == 4 && matrix.shape(1) == 4, "ijk_from_world must be [4, 4]");
    Affine result;
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 4; ++c) result.m[r][c] = matrix.at(r, c);
    return result;
}

Strided strided(const Doubles& array, const std::array<std::int64_t, 3>& shape, int components) {
    require(array.ndim() == (components > 1 ? 4 : 3), "ends must be [B, H, W, 3], limits [B, H, W]");
    for (int a = 0; a < 3; ++a)
        require(array.shape(a) == 1 || array.shape(a) == shape[a], "ends and limits must broadcast to [B, H, W]");
    const auto step = [&](int a) {
        return array.shape(a) == 1 ? 0 : (std::int64_t)(array.strides(a) / (py::ssize_t)sizeof(double));
    };
    if (components > 1)
        require(array.shape(3) == components && array.strides(3) == sizeof(double), "end points must be packed");
    return {array.data(), step(0), step(1), step(2)};
}

// Distance from one element to the next along an axis; 0 for an axis of one.
template <class T, int flags>
std::int64_t stride(const py::array_t<T, flags>& array, py::ssize_t axis) {
    if (array.shape(axis) == 1) return 0;
    require(array.strides(axis) > 0, "the grid must not run backwards");
    require(array.strides(axis) % (py::ssize_t)sizeof(T) == 0, "padding must be whole voxels");
    return array.strides(axis) / (py::ssize_t)sizeof(T);
}

// The last three axes [I, J, K] of an array whose rows (along K) are dense; rows and planes may be padded.
template <class T, int flags>
Grid grid(const py::array_t<T, flags>& array) {
    const py::ssize_t i = array.ndim() - 3, j = i + 1, k = i + 2;
    require(stride(array, k) <= 1, "the last axis of the grid must be dense");
    const double reach =
        (double)array.shape(i) * (double)stride(array, i) + (double)array.shape(j) * (double)stride(array, j);
    require(reach + (double)array.shape(k) < 2147483648.0, "the grid must have fewer than 2^31 voxels");
    return {{(int)array.shape(i), (int)array.shape(j), (int)array.shape(k)},
            (int)stride(array, i),
            (int)stride(array, j)};
}

template <class T>
void require_channels(const py::array_t<T>& array, const Image& image) {
    require(array.ndim() == 4, "values must be [C, I, J, K]");
    require(image.channels == array.shape(0), "images must have as many channels as values");
}

template <class T>
Values<T> scaled(const py::array_t<T>& array, const Packed<double>& scale, const Image& image) {
    require_channels(array, image);
    require(scale.size() == array.shape(0), "scale must be [C]");
    return {array.data(), grid(array), stride(array, 0), (int)array.shape(0), scale.data()};
}

// Rays [B, H, W] as arrays: ends [B, H, W, 3], each a sum of two, and limits [B, H, W]. An axis of one is repeated.
struct RayArrays {
    Doubles source, source_too, target, target_too, start, stop;
    Rays rays;

    RayArrays(const std::array<std::int64_t, 3>& shape, const Doubles& source_, const Doubles& source_too_,
              const Doubles& target_, const Doubles& target_too_, const Doubles& start_, const Doubles& stop_)
        : source(source_), source_too(source_too_), target(target_), target_too(target_too_), start(start_), stop(stop_) {
        rays = {{strided(source, shape, 3), strided(source_too, shape, 3)},
                {strided(target, shape, 3), strided(target_too, shape, 3)},
                strided(start, shape, 1),
                strided(stop, shape, 1),
                shape[0],
                shape[1],
                shape[2]};
    }
};

struct Call {
    Rays rays;
    Image image;

    Call(const RayArrays& arrays, Packed<float>& out) : rays(arrays.rays) {
        require(out.ndim() == 4, "out must be [B, C, H, W]");
        require(out.shape(0) == rays.views && out.shape(2) == rays.height && out.shape(3) == rays.width,
                "rays and image must agree in [B, H, W]");
        image = {out.mutable_data(), out.shape(1), rays.height, rays.width};
    }
};

template <class T, class Project>
void run_projection(const Project& run, const py::array_t<T>& values, const Packed<double>& scale,
                    const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float>& out, int threads) {
    const Call call(rays, out);
    const Values<T> field = scaled(values, scale, call.image);
    const Affine matrix = affine(ijk_from_world);
    const py::gil_scoped_release unlocked;
    run(field, matrix, call.rays, step, call.image, threads);
}

template <class Stencil, template <class> class March, class T>
void line_integrals(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                    const RayArrays& rays,
                    double step, Packed<float> out, int threads) {
    run_projection(project<Stencil, March, T>, values, scale, ijk_from_world, rays, step, out,
                   threads);
}

// The map of blocks.h for a field, or none for an empty array.
const std::uint32_t* block_map(const Packed<std::uint32_t>& map, const Grid& grid, int channels) {
    if (map.size() == 0) return nullptr;
    const BlockGrid blocks(grid);
    require(map.ndim() == 3 && map.shape(0) == channels && map.shape(1) == blocks.down && map.shape(2) == blocks.across,
            "blocks must be of the field");
    return map.data();
}

template <class T>
void step_linear(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                 const RayArrays& rays, double step, Packed<float> out, int threads,
                 const Packed<std::uint32_t>& blocks) {
    const auto run = [&](const Values<T>& field, auto... rest) {
        Values<T> mapped = field;
        mapped.blocks = block_map(blocks, field.grid, field.channels);
        project_steps<T>(mapped, rest...);
    };
    run_projection(run, values, scale, ijk_from_world, rays, step, out, threads);
}

// The map of blocks.h, and which part of all blocks is filled.
template <class T>
std::pair<Packed<std::uint32_t>, double> filled_blocks(const py::array_t<T>& values, int threads) {
    require(values.ndim() == 4, "values must be [C, I, J, K]");
    const Values<T> field{values.data(), grid(values), stride(values, 0), (int)values.shape(0), nullptr};
    const BlockGrid blocks(field.grid);
    Packed<std::uint32_t> map({values.shape(0), (py::ssize_t)blocks.down, (py::ssize_t)blocks.across});
    std::fill_n(map.mutable_data(), map.size(), 0u);
    find_blocks(field, map.mutable_data(), threads);
    return {map, filled_part(map.data(), map.size(), blocks)};
}

void cubic_integrals(const Floats& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                     const RayArrays& rays,
                     double step, Packed<float> out, int threads) {
    run_projection(project_cubic, values, scale, ijk_from_world, rays, step, out, threads);
}

// Labels [I, J, K], and values [1, I, J, K] that lie as they do, or an empty array.
template <class T>
LabelledField<T> labelled(const Bytes& labels, const py::array_t<T>& values, const Packed<double>& scale,
                          std::int64_t count) {
    require(labels.ndim() == 3, "labels must be [I, J, K]");
    require(count <= MAX_LABELS, "there are at most 128 labels");
    require(scale.size() == 1, "scale must be [1]");
    const Grid g = grid(labels);
    if (values.size() > 0) {
        require(values.ndim() == 4 && values.shape(0) == 1, "values must be [1, I, J, K]");
        const Grid same = grid(values);
        for (int a = 0; a < 3; ++a) require(same.n[a] == g.n[a], "values must be as many as labels");
        require(same.plane == g.plane && same.row == g.row, "values and labels must lie alike");
    }
    const int last = g.voxel(g.n[0] - 1, g.n[1] - 1, g.n[2] - 1);
    return {Values<T>{values.size() > 0 ? values.data() : nullptr, g, 0, 1, scale.data()},
            Labels{labels.data(), last, (int)count}};
}

template <class T, class Packet>
void label_integrals(const Bytes& labels, const py::array_t<T>& values, const Packed<double>& scale,
                     const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float> out, int threads) {
    const Call call(rays, out);
    const LabelledField<T> field = labelled(labels, values, scale, call.image.channels);
    const Affine matrix = affine(ijk_from_world);
    const py::gil_scoped_release unlocked;
    project_labels<Packet>(field, matrix, call.rays, step, call.image, threads);
}

// The numbers of an array that is as large as the rays, or null for an empty one.
double* per_ray(Packed<double>& array, const Rays& rays, int components) {
    if (array.size() == 0) return nullptr;
    require(array.size() == rays.views * rays.height * rays.width * components, "gradients must be as many as the rays");
    return array.mutable_data();
}

// What the gradients by the rays are written to, as arrays; those by limits that are not wanted are empty.
struct ByRays {
    Packed<double> source, target, start, stop, placement;

    RayTask task(const Affine& matrix, const Rays& rays, const Grid& grid) {
        require(source.size() > 0 && target.size() > 0, "there must be gradients by source and target");
        require(placement.size() == 12, "by_placement must be [3, 4]");
        return {matrix, rays, grid, {per_ray(source, rays, 3), per_ray(target, rays, 3), per_ray(start, rays, 1),
                                     per_ray(stop, rays, 1)}};
    }
};

template <class T>
using Gradients = Placement (*)(const RayTask&, const Values<T>&, double, const Image&, int);

template <class T, Gradients<T> gradients>
void by_rays(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
             const RayArrays& rays, double step,
             Packed<float> upstream, Packed<double> by_source, Packed<double> by_target, Packed<double> by_start,
             Packed<double> by_stop, Packed<double> by_placement, int threads) {
    const Call call(rays, upstream);
    const Values<T> field = scaled(values, scale, call.image);
    ByRays out{by_source, by_target, by_start, by_stop, by_placement};
    const RayTask task = out.task(affine(ijk_from_world), call.rays, field.grid);
    double* placement = by_placement.mutable_data();
    const py::gil_scoped_release unlocked;
    const Placement total = gradients(task, field, step, call.image, threads);
    std::memcpy(placement, total.m, sizeof total.m);
}

template <class T, class March, template <class, bool> class Cells>
void label_gradients(const Bytes& labels, const py::array_t<T>& values, const Packed<double>& scale,
                     const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float> upstream,
                     Packed<double> by_source, Packed<double> by_target, Packed<double> by_start,
                     Packed<double> by_stop, Packed<double> by_placement, int threads) {
    const Call call(rays, upstream);
    const LabelledField<T> field = labelled(labels, values, scale, call.image.channels);
    ByRays out{by_source, by_target, by_start, by_stop, by_placement};
    const RayTask task = out.task(affine(ijk_from_world), call.rays, field.values.grid);
    double* placement = by_placement.mutable_data();
    const py::gil_scoped_release unlocked;
    const Placement total = labels_by_rays<March, Cells>(task, field, step, call.image, threads);
    std::memcpy(placement, total.m, sizeof total.m);
}

// Sums of one channel that hold its integrals and all that their gradients by the rays need; out [B, 7 or 9, H, W].
template <class March, class T>
void with_slopes(const py::array_t<T>& values, const Packed<double>& scale, const Packed<double>& ijk_from_world,
                 const RayArrays& rays, double step,
                 Packed<float> out, int threads) {
    const Call call(rays, out);
    require(call.image.channels == (March::exact ? EXACT_SUMS : STEP_SUMS), "out must be [B, 7 or 9, H, W]");
    const Image one{nullptr, 1, call.image.height, call.image.width};
    const Values<T> field = scaled(values, scale, one);
    const Affine matrix = affine(ijk_from_world);
    const py::gil_scoped_release unlocked;
    project_with_slopes<March>(field, matrix, call.rays, step, call.image, threads);
}

void from_slopes(Packed<float> slopes, const std::array<int, 3>& shape, const Packed<double>& ijk_from_world,
                 const RayArrays& rays,
                 Packed<float> upstream, Packed<double> by_source, Packed<double> by_target, Packed<double> by_start,
                 Packed<double> by_stop, Packed<double> by_placement, int threads) {
    const Call call(rays, slopes), given(rays, upstream);
    require(call.image.channels == STEP_SUMS || call.image.channels == EXACT_SUMS, "slopes must be [B, 7 or 9, H, W]");
    require(given.image.channels == 1, "upstream must be [B, 1, H, W]");
    ByRays out{by_source, by_target, by_start, by_stop, by_placement};
    const RayTask task = out.task(affine(ijk_from_world), call.rays, {{shape[0], shape[1], shape[2]}, 0, 0});
    double* placement = by_placement.mutable_data();
    const py::gil_scoped_release unlocked;
    const Placement total = gradients_from_slopes(task, call.image, given.image, threads);
    std::memcpy(placement, total.m, sizeof total.m);
}

template <class Spread>
void by_values(Floats gradient, const Packed<double>& ijk_from_world, const RayArrays& rays, double step, Packed<float> upstream,
               int threads) {
    const Call call(rays, upstream);
    require_channels(gradient, call.image);
    const Gradient into{gradient.mutable_data(), grid(gradient), stride(gradient, 0), (int)gradient.shape(0)};
    const Adjoint job{affine(ijk_from_world), call.rays, call.image, step, into};
    const py::gil_scoped_release unlocked;
    adjoint_by_values(job, Spread{}, threads);
}

// `gradient` [1, I, J, K] lies like the labels.
template <class Marching, class Basis>
void label_values(const Bytes& labels, Floats gradient, const Packed<double>& ijk_from_world, const RayArrays& rays, double step,
                  Packed<float> upstream, int threads) {
    const Call call(rays, upstream);
    const Packed<double> one(1);
    const LabelledField<float> field = labelled(labels, gradient, one, call.image.channels);
    require(field.values.data != nullptr, "there must be room for the gradient");
    const Gradient into{gradient.mutable_data(), field.values.grid, 0, 1};
    const Adjoint job{affine(ijk_from_world), call.rays, call.image, step, into};
    const py::gil_scoped_release unlocked;
    adjoint_by_values(job, NodeSpread<Marching, Basis>{Basis{field.labels}}, threads);
}

template <class Function>
void define_by_rays(py::module_& module, const char* name, Function function) {
    module.def(name, function, py::arg("values").noconvert(), py::arg("scale").noconvert(),
               py::arg("ijk_from_world").noconvert(),
               py::arg("rays"), py::arg("step"), py::arg("upstream").noconvert(),
               py::arg("by_source").noconvert(), py::arg("by_target").noconvert(), py::arg("by_start").noconvert(),
               py::arg("by_stop").noconvert(), py::arg("by_placement").noconvert(), py::arg("threads"));
}

template <class Function>
void define_forward(py::module_& module, const char* name, Function function) {
    module.def(name, function, py::arg("values").noconvert(), py::arg("scale").noconvert(),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"), py::arg("out").noconvert(),
               py::arg("threads"));
}

// Linear interpolation at midpoint samples, and the maps that it takes.
template <class T>
void define_step_linear(py::module_& module) {
    module.def("step_linear", &step_linear<T>, py::arg("values").noconvert(), py::arg("scale").noconvert(),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"), py::arg("out").noconvert(),
               py::arg("threads"), py::arg("blocks") = Packed<std::uint32_t>(0));
    module.def("filled_blocks", &filled_blocks<T>, py::arg("values").noconvert(), py::arg("threads"));
}

// Both kinds of storage under one name.
template <class Stencil, template <class> class March>
void define_both(py::module_& module, const char* name) {
    define_forward(module, name, &line_integrals<Stencil, March, float>);
    define_forward(module, name, &line_integrals<Stencil, March, std::int16_t>);
}

// A march's integrals with slopes, and its gradients by the rays.
template <class March>
void define_slopes(py::module_& module, const std::string& rule) {
    define_forward(module, (rule + "_with_slopes").c_str(), &with_slopes<March, float>);
    define_forward(module, (rule + "_with_slopes").c_str(), &with_slopes<March, std::int16_t>);
    define_by_rays(module, (rule + "_by_rays").c_str(), &by_rays<float, linear_by_rays<March, float>>);
    define_by_rays(module, (rule + "_by_rays").c_str(), &by_rays<std::int16_t, linear_by_rays<March, std::int16_t>>);
}

template <class Function>
void define(py::module_& module, const char* name, Function function, const char* field, const char* parameter) {
    module.def(name, function, py::arg(field).noconvert(), py::arg("ijk_from_world").noconvert(),
               py::arg("rays"), py::arg(parameter), py::arg("out").noconvert(), py::arg("threads"));
}

// Both kinds of storage under one name.
template <class Packet>
void define_labels(py::module_& module, const char* name) {
    const auto define = [&](auto function) {
        module.def(name, function, py::arg("labels").noconvert(), py::arg("values").noconvert(),
                   py::arg("scale").noconvert(), py::arg("ijk_from_world").noconvert(), py::arg("rays"),
                   py::arg("step"), py::arg("out").noconvert(), py::arg("threads"));
    };
    define(&label_integrals<float, Packet>);
    define(&label_integrals<std::int16_t, Packet>);
}

template <class March, template <class, bool> class Cells>
void define_label_gradients(py::module_& module, const char* name) {
    const auto define = [&](auto function) {
        module.def(name, function, py::arg("labels").noconvert(), py::arg("values").noconvert(),
                   py::arg("scale").noconvert(), py::arg("ijk_from_world").noconvert(), py::arg("rays"),
                   py::arg("step"), py::arg("upstream").noconvert(), py::arg("by_source").noconvert(),
                   py::arg("by_target").noconvert(), py::arg("by_start").noconvert(), py::arg("by_stop").noconvert(),
                   py::arg("by_placement").noconvert(), py::arg("threads"));
    };
    define(&label_gradients<float, March, Cells>);
    define(&label_gradients<std::int16_t, March, Cells>);
}

template <class Function>
void define_label_values(py::module_& module, const char* name, Function function) {
    module.def(name, function, py::arg("labels").noconvert(), py::arg("gradient").noconvert(),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("step"),
               py::arg("upstream").noconvert(), py::arg("threads"));
}

}  // namespace

PYBIND11_MODULE(DEEPDRR_MODULE, module) {
    module.doc() = "Compiled line integrals; see deepdrr.raycast.project.";
    py::class_<RayArrays>(module, "Rays", py::module_local())
        .def(py::init<const std::array<std::int64_t, 3>&, const Doubles&, const Doubles&, const Doubles&, const Doubles&,
                      const Doubles&, const Doubles&>(),
             py::arg("shape"), py::arg("source").noconvert(), py::arg("source_too").noconvert(), py::arg("target").noconvert(),
             py::arg("target_too").noconvert(), py::arg("start").noconvert(), py::arg("stop").noconvert());
    define_both<Stencil1, CellWalk>(module, "exact_nearest");
    define_both<Stencil8, CellWalk>(module, "exact_linear");
    define_both<Stencil1, StepMarch>(module, "step_nearest");
    define_step_linear<float>(module);
    define_step_linear<std::int16_t>(module);
    define_slopes<PieceMarch>(module, "exact_linear");
    define_slopes<SlopeMarch>(module, "step_linear");
    module.def("by_rays_from_slopes", &from_slopes, py::arg("slopes").noconvert(), py::arg("shape"),
               py::arg("ijk_from_world").noconvert(), py::arg("rays"), py::arg("upstream").noconvert(),
               py::arg("by_source").noconvert(), py::arg("by_target").noconvert(), py::arg("by_start").noconvert(),
               py::arg("by_stop").noconvert(), py::arg("by_placement").noconvert(), py::arg("threads"));
    define(module, "exact_linear_by_values", &by_values<NodeSpread<PieceNodes, Linear>>, "gradient", "step");
    define(module, "step_linear_by_values", &by_values<LinearStepSpread>, "gradient", "step");
    define_forward(module, "step_cubic", &cubic_integrals);
    define_by_rays(module, "step_cubic_by_rays", &by_rays<float, adjoint_by_rays<Cubic, float>>);
    define(module, "exact_nearest_by_values", &by_values<NearestExactSpread>, "gradient", "step");
    define(module, "step_nearest_by_values", &by_values<NearestStepSpread>, "gradient", "step");
    define(module, "step_cubic_by_values", &by_values<NodeSpread<StepNodes, Cubic>>, "gradient", "step");
    define_labels<HardWalk>(module, "exact_nearest_hard");
    define_labels<RoutedTraveller<Hard, Stencil1, StepMarch>>(module, "step_nearest_hard");
    define_labels<RoutedTraveller<Hard, NearStencil8, CellWalk>>(module, "exact_linear_hard");
    define_labels<HardSteps>(module, "step_linear_hard");
    define_labels<RoutedTraveller<Soft, Stencil8, CellWalk>>(module, "exact_linear_soft");
    define_labels<RoutedTraveller<Soft, Stencil8, StepMarch>>(module, "step_linear_soft");
    define_label_gradients<HalfPieceMarch, HardCells>(module, "exact_linear_hard_by_rays");
    define_label_gradients<SlopeMarch, HardCells>(module, "step_linear_hard_by_rays");
    define_label_gradients<PieceMarch, SoftCells>(module, "exact_linear_soft_by_rays");
    define_label_gradients<SlopeMarch, SoftCells>(module, "step_linear_soft_by_rays");
    define_label_values(module, "exact_linear_hard_by_values", &label_values<HalfPieceNodes, HardSpread>);
    define_label_values(module, "step_linear_hard_by_values", &label_values<StepNodes, HardSpread>);
    define_label_values(module, "exact_linear_soft_by_values", &label_values<PieceNodes, SoftSpread>);
    define_label_values(module, "step_linear_soft_by_values", &label_values<StepNodes, SoftSpread>);
    define_noise(module);
    define_prefilter(module);
    define_spectral_sums(module);
}

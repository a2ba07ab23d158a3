// Crossings of rays with meshes, and the trees of meshes, in the Python module. deepdrr/tools/_operator.py has checked
// types and shapes; `require` guards memory.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <tuple>

#include "deepdrr/scalar.h"
#include "modules/arrays.h"
#include "packets/lanes.h"

DEEPDRR_NO_FUSED_PRODUCTS

#include "mesh/crossings.h"
#include "mesh/parts.h"
#include "mesh/tree.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

using Longs = Packed<long long>;

template <class T>
Packed<T> copied(const std::vector<T>& values) {
    Packed<T> array((py::ssize_t)values.size());
    std::copy(values.begin(), values.end(), array.mutable_data());
    return array;
}

// The nodes [N, 8] (MeshNode, its floats by their bits), and in their order the corners [F, 3, 3], float32 from the
// centre, and the numbers [F] of the faces; the centre.
using TreeArrays = std::tuple<Packed<int>, Packed<float>, Packed<int>, std::array<double, 3>>;

TreeArrays tree_of_mesh(const Packed<double>& vertices, const Longs& faces) {
    require(vertices.ndim() == 2 && vertices.shape(1) == 3, "vertices must be [V, 3]");
    require(faces.ndim() == 2 && faces.shape(1) == 3 && faces.shape(0) > 0, "faces must be [F, 3]");
    require(faces.shape(0) < 1 << 30, "faces must be fewer than 2^30");
    for (py::ssize_t i = 0; i < faces.size(); ++i)
        require(faces.data()[i] >= 0 && faces.data()[i] < vertices.shape(0), "faces must be of the vertices");
    const double* points = vertices.data();
    const long long* triples = faces.data();
    const std::int64_t count = faces.shape(0);
    MeshTree tree;
    {
        const py::gil_scoped_release unlocked;
        tree = mesh_tree(points, triples, count);
    }
    static_assert(sizeof(MeshNode) == 8 * sizeof(int), "a node is eight numbers");
    Packed<int> nodes({(py::ssize_t)tree.nodes.size(), (py::ssize_t)8});
    std::memcpy(nodes.mutable_data(), tree.nodes.data(), tree.nodes.size() * sizeof(MeshNode));
    return {nodes, copied(tree.corners), copied(tree.faces), tree.centre};
}

// A mesh: its vertices [V, 3] and faces [F, 3], and its tree.
using MeshArrays = std::tuple<Packed<double>, Longs, TreeArrays>;

Triangles triangles(const MeshArrays& arrays) {
    const auto& [vertices, triples, tree] = arrays;
    const auto& [nodes, corners, faces, centre] = tree;
    require(nodes.ndim() == 2 && nodes.shape(0) > 0 && nodes.shape(1) == 8, "nodes must be [N, 8]");
    require(corners.size() == 3 * triples.size() && 3 * faces.size() == triples.size(), "the tree must be of the mesh");
    return {(const MeshNode*)nodes.data(), corners.data(), faces.data(), vertices.data(), triples.data(),
            {centre[0], centre[1], centre[2]}};
}

PlacedMesh placed(const MeshArrays& arrays, const Packed<double>& mesh_from_world, py::ssize_t n) {
    PlacedMesh one{triangles(arrays), {}};
    for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 4; ++c) one.mesh_from_world.m[r][c] = mesh_from_world.at(n, r, c);
    return one;
}

// [N] each: number of the ray, of the mesh and of the face, change of the winding number, and t along the ray.
using CrossingArrays = std::tuple<Longs, Packed<int>, Packed<int>, Packed<signed char>, Packed<double>>;

CrossingArrays arrays_of(const std::vector<std::vector<Crossing>>& found) {
    py::ssize_t count = 0;
    for (const auto& part : found) count += (py::ssize_t)part.size();
    CrossingArrays arrays{Longs(count), Packed<int>(count), Packed<int>(count), Packed<signed char>(count),
                          Packed<double>(count)};
    auto* rays = std::get<0>(arrays).mutable_data();
    auto *meshes = std::get<1>(arrays).mutable_data(), *faces = std::get<2>(arrays).mutable_data();
    auto* windings = std::get<3>(arrays).mutable_data();
    auto* places = std::get<4>(arrays).mutable_data();
    for (const auto& part : found)
        for (const Crossing& one : part) {
            *rays++ = one.ray, *meshes++ = one.mesh, *faces++ = one.face;
            *windings++ = one.winding, *places++ = one.t;
        }
    return arrays;
}

CrossingArrays mesh_crossings(const std::vector<MeshArrays>& meshes, const Packed<double>& mesh_from_world,
                              const RayArrays& arrays, const Longs& windows, int threads) {
    const Rays& rays = arrays.rays;
    const auto count = (py::ssize_t)meshes.size();
    require(mesh_from_world.ndim() == 3 && mesh_from_world.shape(0) == count && mesh_from_world.shape(1) == 4 &&
                mesh_from_world.shape(2) == 4, "mesh_from_world must be [T, 4, 4]");
    require(windows.ndim() == 3 && windows.shape(0) == rays.views && windows.shape(1) == count && windows.shape(2) == 4,
            "windows must be [B, T, 4]");
    std::vector<PlacedMesh> in_room;
    for (py::ssize_t n = 0; n < count; ++n) in_room.push_back(placed(meshes[n], mesh_from_world, n));
    static_assert(sizeof(Window) == 4 * sizeof(long long), "a window is four numbers");
    const auto* window = (const Window*)windows.data();
    for (py::ssize_t n = 0; n < rays.views * count; ++n)
        require(0 <= window[n].row && window[n].row_end <= rays.height && 0 <= window[n].column &&
                    window[n].column_end <= rays.width, "windows must lie in the image");
    std::vector<std::vector<Crossing>> found;
    {
        const py::gil_scoped_release unlocked;
        found = crossings(in_room, rays, window, threads);
    }
    return arrays_of(found);
}

// [K]: solid, first and last crossing of the parts in which solids are there; [L]: of those without anatomy.
using PartArrays = std::tuple<Packed<int>, Longs, Longs, Longs, Longs>;

PartArrays mesh_parts(const Longs& ray, const Packed<int>& solid, const Packed<signed char>& winding,
                      const Packed<double>& t, const Packed<std::uint64_t>& displaced_by, int threads) {
    const py::ssize_t count = ray.size(), solids = displaced_by.size() - 1;
    require(solid.size() == count && winding.size() == count && t.size() == count, "crossings must be as many");
    require(0 <= solids && solids <= MOST_SOLIDS, "displaced_by must be of at most 64 solids and the anatomy");
    for (py::ssize_t n = 0; n < count; ++n)
        require(0 <= solid.data()[n] && solid.data()[n] < solids, "solids must be those of displaced_by");
    const CrossingList list{ray.data(), solid.data(), winding.data(), t.data(), count};
    const Displacers by{displaced_by.data(), (int)solids, displaced_by.data()[solids]};
    std::vector<RayParts> found;
    {
        const py::gil_scoped_release unlocked;
        found = ray_parts(list, by, threads);
    }
    std::vector<int> of;
    std::vector<long long> from, to, empty_from, empty_to;
    for (const RayParts& parts : found) {
        for (const RayPart& part : parts.present) of.push_back(part.solid), from.push_back(part.from), to.push_back(part.to);
        for (const RayPart& part : parts.displaced) empty_from.push_back(part.from), empty_to.push_back(part.to);
    }
    return {copied(of), copied(from), copied(to), copied(empty_from), copied(empty_to)};
}

}  // namespace

void define_mesh_crossings(py::module_& module) {
    module.def("mesh_tree", &tree_of_mesh, py::arg("vertices").noconvert(), py::arg("faces").noconvert());
    module.def("mesh_crossings", &mesh_crossings, py::arg("meshes"), py::arg("mesh_from_world").noconvert(),
               py::arg("rays"), py::arg("windows").noconvert(), py::arg("threads"));
    module.def("mesh_parts", &mesh_parts, py::arg("ray").noconvert(), py::arg("solid").noconvert(),
               py::arg("winding").noconvert(), py::arg("t").noconvert(), py::arg("displaced_by").noconvert(),
               py::arg("threads"));
}

}  // namespace deepdrr

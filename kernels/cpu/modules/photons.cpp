// Photon transport in the Python module. deepdrr/montecarlo/ has checked types, shapes and values; `require` guards
// memory.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "modules/arrays.h"

DEEPDRR_NO_FUSED_PRODUCTS

#include "photons/histories.h"

namespace py = pybind11;

namespace deepdrr {
namespace {

using Bytes = Packed<std::uint8_t>;
using Shorts = Packed<std::uint16_t>;
using Whole = Packed<std::int64_t>;
using Sides = std::array<std::array<float, 3>, 3>;

Vector vector_of(const std::array<float, 3>& v) { return {{v[0], v[1], v[2]}}; }

Panel panel_of(const Sides& sides, const std::array<float, 3>& normal, const std::array<int, 2>& shape) {
    require(shape[0] > 0 && shape[1] > 0, "a panel must have cells");
    Panel panel{vector_of(sides[0]), vector_of(sides[1]), vector_of(sides[2]), vector_of(normal), shape[0], shape[1], 0};
    const double across = dot(panel.across, panel.across), down = dot(panel.down, panel.down);
    panel.area_mm2 = (float)(std::sqrt(across * down) * shape[0] * shape[1]);
    return panel;
}

struct TableArrays {
    Packed<float> energy, angle, coherent;
    int materials;

    TableArrays(Packed<float> energy_, Packed<float> angle_, Packed<float> coherent_)
        : energy(std::move(energy_)), angle(std::move(angle_)), coherent(std::move(coherent_)) {
        require(energy.ndim() == 3 && angle.ndim() == 3 && coherent.ndim() == 2, "tables must be [nodes, columns, S]");
        materials = (int)energy.shape(2);
        require(energy.shape(0) == ENERGY_NODES && energy.shape(1) == ENERGY_COLUMNS, "energies do not fit");
        require(angle.shape(0) == ANGLE_NODES && angle.shape(1) == ANGLE_COLUMNS, "angles do not fit");
        require(coherent.shape(1) == ANGLE_NODES, "sums do not fit");
        require(angle.shape(2) == materials && coherent.shape(0) == materials, "tables must be of the same materials");
    }
};

struct BodyArrays {
    Shorts density;
    Packed<float> most, unit;
    Bytes region;
    std::array<float, 3> voxel_mm;
    int edge;  // voxels along the edge of a block

    BodyArrays(Shorts density_, Packed<float> most_, Packed<float> unit_, Bytes region_,
               const std::array<float, 3>& voxel_mm_, int edge_)
        : density(std::move(density_)),
          most(std::move(most_)),
          unit(std::move(unit_)),
          region(std::move(region_)),
          voxel_mm(voxel_mm_),
          edge(edge_) {
        require(density.ndim() == 4 && most.ndim() == 4, "densities must be [I, J, K, S]");
        require(density.shape(3) + 1 == most.shape(3) && density.shape(3) == unit.size(), "materials must fit");
        require(region.size() == 0 || region.size() == voxels(), "regions must be as many as voxels");
        for (int a = 0; a < 3; ++a) {
            require(density.shape(a) > 0 && density.shape(a) < (1 << 20), "the grid is empty or too large");
            require(edge > 0 && most.shape(a) == (density.shape(a) + edge - 1) / edge, "the grid must have all blocks");
        }
    }
    std::int64_t blocks() const { return most.shape(0) * most.shape(1) * most.shape(2); }
    std::int64_t voxels() const { return density.shape(0) * density.shape(1) * density.shape(2); }

    template <int S>
    PhotonBody<S> body() const {
        PhotonBody<S> found{density.data(), most.data(), unit.data(), region.size() ? region.data() : nullptr, {}, {}, {}, {}, {}, {}};
        for (int a = 0; a < 3; ++a) {
            found.voxels[a] = (int)density.shape(a), found.blocks[a] = (int)most.shape(a);
            found.voxel_mm[a] = voxel_mm[a], found.per_mm[a] = 1.0f / voxel_mm[a];
            found.block_mm[a] = voxel_mm[a] * (float)edge;
            found.extent_mm[a] = voxel_mm[a] * (float)density.shape(a);
        }
        return found;
    }
};

struct SourceArrays {
    Packed<float> cells, spectra, energies;
    PhotonSource source;

    SourceArrays(const std::array<float, 3>& point, const Sides& sides, const std::array<float, 3>& normal,
                 Packed<float> cells_, Packed<float> spectra_, Packed<float> energies_)
        : cells(std::move(cells_)), spectra(std::move(spectra_)), energies(std::move(energies_)) {
        require(cells.ndim() == 2 && spectra.ndim() == 2 && energies.ndim() == 1, "the source's arrays do not fit");
        require(spectra.shape(1) == energies.shape(0) && energies.shape(0) > 0, "spectra must have all energies");
        require(spectra.shape(0) == 1 || spectra.shape(0) == cells.size(), "spectra must be one, or of each cell");
        for (std::int64_t n = 0; n < energies.size(); ++n)
            require(energies.data()[n] >= LEAST_KEV && energies.data()[n] < 256.0f, "energies must be in the tables");
        const Panel field = panel_of(sides, normal, {(int)cells.shape(0), (int)cells.shape(1)});
        source = {vector_of(point), field, cells.data(), spectra.data(), energies.data(), (int)spectra.shape(0),
                  (int)energies.size()};
    }
};

struct SumArrays {
    Whole photons, energy, square, groups, balance, regions, voxels;
    float lowest_kev, per_kev;

    PhotonSums sums(const BodyArrays& body, const std::array<int, 2>& shape) {
        const std::int64_t cells = (std::int64_t)shape[0] * shape[1], count = groups.size();
        require(count > 0 && photons.size() == KINDS * count * cells, "photons must be [KINDS, groups, cells]");
        require(energy.size() == KINDS * cells && square.size() == 2 * cells, "energy must be [KINDS, cells]");
        require(balance.size() == 4, "balance must be [4]");
        require(regions.size() == 0 || (regions.size() == 256 && body.region.size()), "regions must be [256]");
        require(voxels.size() == 0 || voxels.size() == body.voxels(), "voxels must be those of the grid");
        return {photons.mutable_data(), energy.mutable_data(),  square.mutable_data(), groups.mutable_data(),
                balance.mutable_data(), regions.mutable_data(), voxels.mutable_data(), cells,
                count,                  regions.size(),         voxels.size(),         lowest_kev,
                per_kev};
    }
};

struct Settings {
    std::uint64_t seed, first;
    std::int64_t count;
    int estimator;
    Packed<float> importance;
    float per_ray;
    int threads;
};

template <int S>
void run(const TableArrays& tables, const BodyArrays& body, const SourceArrays& source, const Panel& detector,
         const Settings& settings, const PhotonSums& sums) {
    const PhotonJob<S> job{{tables.energy.data(), tables.angle.data(), tables.coherent.data()},
                           body.body<S>(),
                           source.source,
                           detector,
                           settings.seed,
                           settings.estimator,
                           settings.importance.data(),
                           settings.per_ray};
    const py::gil_scoped_release unlocked;
    follow_histories(job, settings.first, settings.count, sums, settings.threads);
}

void photons(const TableArrays& tables, const BodyArrays& body, const SourceArrays& source, const Sides& sides,
             const std::array<float, 3>& normal, const std::array<int, 2>& shape, const Settings& settings,
             SumArrays sums) {
    require(body.density.shape(3) == tables.materials, "body and tables must be of the same materials");
    require(settings.estimator == ANALOG || settings.importance.size() == body.blocks(),
            "importance must be [BI, BJ, BK]");
    const Panel detector = panel_of(sides, normal, shape);
    const PhotonSums to = sums.sums(body, shape);
    if (tables.materials == 4) return run<4>(tables, body, source, detector, settings, to);
    require(tables.materials == 16, "materials must be padded to 4 or 16");
    run<16>(tables, body, source, detector, settings, to);
}

template <int S>
void importance(const TableArrays& tables, const BodyArrays& body, const Panel& detector, float kev, float* found,
                int threads) {
    float mu[S];
    const PhotonTables<S> table{tables.energy.data(), tables.angle.data(), tables.coherent.data()};
    table.row(energy_node(kev), TOTAL, mu);
    const py::gil_scoped_release unlocked;
    find_importance(body.body<S>(), detector, mu, found, threads);
}

void photon_importance(const TableArrays& tables, const BodyArrays& body, const Sides& sides,
                       const std::array<float, 3>& normal, const std::array<int, 2>& shape, float kev,
                       Packed<float> out, int threads) {
    require(body.density.shape(3) == tables.materials, "body and tables must be of the same materials");
    require(out.size() == body.blocks(), "importance must be [BI, BJ, BK]");
    require(kev >= LEAST_KEV && kev < 256.0f, "the energy must be in the tables");
    const Panel detector = panel_of(sides, normal, shape);
    if (tables.materials == 4) return importance<4>(tables, body, detector, kev, out.mutable_data(), threads);
    require(tables.materials == 16, "materials must be padded to 4 or 16");
    importance<16>(tables, body, detector, kev, out.mutable_data(), threads);
}

}  // namespace

void define_photons(py::module_& module) {
    using Floats = Packed<float>;
    py::class_<TableArrays>(module, "PhotonTables", py::module_local())
        .def(py::init<Floats, Floats, Floats>(), py::arg("energy").noconvert(), py::arg("angle").noconvert(),
             py::arg("coherent").noconvert());
    py::class_<BodyArrays>(module, "PhotonBody", py::module_local())
        .def(py::init<Shorts, Floats, Floats, Bytes, const std::array<float, 3>&, int>(), py::arg("density").noconvert(),
             py::arg("most").noconvert(), py::arg("unit").noconvert(), py::arg("region").noconvert(), py::arg("voxel_mm"), py::arg("edge"));
    py::class_<SourceArrays>(module, "PhotonSource", py::module_local())
        .def(py::init<const std::array<float, 3>&, const Sides&, const std::array<float, 3>&, Floats, Floats, Floats>(),
             py::arg("point"), py::arg("sides"), py::arg("normal"), py::arg("cells").noconvert(),
             py::arg("spectra").noconvert(), py::arg("energies").noconvert());
    py::class_<SumArrays>(module, "PhotonSums", py::module_local())
        .def(py::init<Whole, Whole, Whole, Whole, Whole, Whole, Whole, float, float>(), py::arg("photons").noconvert(),
             py::arg("energy").noconvert(), py::arg("square").noconvert(), py::arg("groups").noconvert(),
             py::arg("balance").noconvert(), py::arg("regions").noconvert(), py::arg("voxels").noconvert(),
             py::arg("lowest_kev"), py::arg("per_kev"));
    py::class_<Settings>(module, "PhotonSettings", py::module_local())
        .def(py::init<std::uint64_t, std::uint64_t, std::int64_t, int, Floats, float, int>(), py::arg("seed"),
             py::arg("first"), py::arg("count"), py::arg("estimator"), py::arg("importance").noconvert(),
             py::arg("per_ray"), py::arg("threads"));
    module.def("photons", &photons, py::arg("tables"), py::arg("body"), py::arg("source"), py::arg("sides"),
               py::arg("normal"), py::arg("shape"), py::arg("settings"), py::arg("sums"));
    module.def("photon_importance", &photon_importance, py::arg("tables"), py::arg("body"), py::arg("sides"),
               py::arg("normal"), py::arg("shape"), py::arg("kev"), py::arg("out").noconvert(), py::arg("threads"));
}

}  // namespace deepdrr

// Histories of photons from a point source through a body to a detector, 1 to 200 keV, without electrons.
//
//   photoelectric  absorbed where it happens
//   Compton        Klein and Nishina (1929) times the incoherent scattering function S(x), by rejection
//   Rayleigh       (1 + cos^2) times the squared form factor F^2(x), by the inverse of its integral and rejection
//
// A mixture's interaction is that of one of its materials, chosen by its share of the cross section. Two estimators:
// ANALOG counts the photons that cross the detector; FORCED lets every interaction send what it is expected to send to
// random points of the detector, attenuated on the way (Williamson 1987, Med Phys 14:567, "next event").
//
// `Scores` is where results go; it has
//     arrives(kind, kev, cell, photons)   brings(kind, cell, kev): all that one arrival brings, for the error
//     absorbs(voxel, kev)   emits(kev)   escapes(kev)
#pragma once

#include "deepdrr/photon_body.h"

namespace deepdrr {

enum Estimator { ANALOG = 0, FORCED = 1 };
enum Kind { PRIMARY, SINGLE_COMPTON, SINGLE_RAYLEIGH, MULTIPLE, KINDS };

// A rectangle of rows x columns cells, from its corner along two perpendicular edges of a cell.
struct Panel {
    Vector corner, across, down, normal;  // normal: unit vector, away from the source
    int rows, columns;
    float area_mm2;  // of all cells

    DEEPDRR_FN Vector point(float column, float row) const { return along(along(corner, across, column), down, row); }
};

// A point that shines on the cells of a panel.
struct PhotonSource {
    Vector point;
    Panel field;
    const float* cells;     // [rows * columns], cumulative share of the photons
    const float* spectra;   // [spectra_count, bins], cumulative share of the photons, of each cell or of all
    const float* energies;  // [bins], keV
    int spectra_count, bins;
};

template <int S>
struct PhotonJob {
    PhotonTables<S> tables;
    PhotonBody<S> body;
    PhotonSource source;
    Panel detector;
    std::uint64_t seed;
    int estimator;
    const float* importance;  // [BI, BJ, BK], steradians, see `importance_of`
    float per_ray;            // photons that a ray to the detector is meant to bring
};

constexpr float MOST_RAYS = 256.0f, FEWEST_RAYS = 0.004f;  // of one interaction, expected

template <int S>
struct Photon {
    Vector p, d;
    float kev;
    int scatters = 0, kind = PRIMARY;
    Attenuation<S> mu;
};

// First of n ascending numbers that is not below u.
DEEPDRR_FN int first_above(const float* numbers, int n, float u) {
    int low = 0, high = n - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (numbers[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

DEEPDRR_FN float x_squared(float kev, float cosine) {
    const float most = kev * (1.0f / HC_KEV_ANGSTROM);
    return 0.5f * (1.0f - cosine) * most * most;
}

// Energy after Compton scattering as a share of that before, and the cross section relative to forward scattering.
DEEPDRR_FN float compton_share(float kev, float cosine) {
    return 1.0f / (1.0f + kev * (1.0f / ELECTRON_KEV) * (1.0f - cosine));
}
DEEPDRR_FN float klein_nishina(float share, float cosine) {
    return 0.5f * share * share * (share + 1.0f / share - 1.0f + cosine * cosine);
}

template <int S>
DEEPDRR_FN float compton_cosine(const PhotonTables<S>& tables, float kev, int s, Stream& random) {
    const float most = tables.shape(angle_node(kev * (1.0f / HC_KEV_ANGSTROM)), INCOHERENT, s);
    for (;;) {
        const float cosine = 1.0f - 2.0f * random.next(), u = random.next();
        const float free = klein_nishina(compton_share(kev, cosine), cosine);
        if (u > free) continue;
        if (u * most <= free * tables.shape(angle_node(sqrtf(x_squared(kev, cosine))), INCOHERENT, s)) return cosine;
    }
}

template <int S>
DEEPDRR_FN float rayleigh_cosine(const PhotonTables<S>& tables, float kev, int s, Stream& random) {
    const float* sums = tables.coherent + s * ANGLE_NODES;
    const auto x_of = [](int row) {
        const int octave = row >> ANGLE_PARTS, part = row & ((1 << ANGLE_PARTS) - 1);
        const float low = (float)(1u << octave) * (1.0f / (float)(1 << -ANGLE_LOWEST));
        return low * (1.0f + (float)part * (1.0f / (float)(1 << ANGLE_PARTS)));
    };
    const float most = kev * (1.0f / HC_KEV_ANGSTROM), most2 = most * most;
    const Node end = angle_node(most);
    const float all = sums[end.row] + end.share * (sums[end.row + 1] - sums[end.row]);
    for (;;) {
        const float wanted = random.next() * all;
        const int above = first_above(sums, end.row + 2, wanted);
        float x2 = wanted / sums[0] * x_of(0) * x_of(0);
        if (above > 0) {
            const float low = x_of(above - 1), high = x_of(above), step = sums[above] - sums[above - 1];
            x2 = low * low + (high * high - low * low) * (step > 0.0f ? (wanted - sums[above - 1]) / step : 0.0f);
        }
        const float cosine = greater(-1.0f, 1.0f - 2.0f * x2 / most2);
        if (2.0f * random.next() <= 1.0f + cosine * cosine) return cosine;
    }
}

// A direction at an angle to d, at a random turn about it.
DEEPDRR_FN Vector turned(const Vector& d, float cosine, Stream& random) {
    float a, b, r2;
    do {
        a = 2.0f * random.next() - 1.0f, b = 2.0f * random.next() - 1.0f;
        r2 = a * a + b * b;
    } while (r2 > 1.0f || r2 < 1e-12f);
    const float sine = sqrtf(greater(0.0f, 1.0f - cosine * cosine) / r2);
    a *= sine, b *= sine;
    const float x = d.at[0], y = d.at[1], z = d.at[2], flat = x * x + y * y;
    if (flat < 1e-8f) return {{a, z > 0.0f ? b : -b, z > 0.0f ? cosine : -cosine}};
    const float length = sqrtf(flat), inverse = 1.0f / length;
    return {{x * cosine + (x * z * a - y * b) * inverse, y * cosine + (y * z * a + x * b) * inverse,
             z * cosine - length * a}};
}

// Where a line meets a panel's plane, mm; FAR_MM if it runs away from it.
DEEPDRR_FN float reaches(const Panel& panel, const Vector& p, const Vector& d) {
    const float slope = dot(d, panel.normal);
    const float mm = slope > 1e-9f ? dot(difference(panel.corner, p), panel.normal) / slope : -1.0f;
    return mm > 0.0f ? mm : FAR_MM;
}

// The cell in which a line meets a panel after `mm`, or -1.
DEEPDRR_FN int cell_of(const Panel& panel, const Vector& p, const Vector& d, float mm) {
    if (mm >= FAR_MM) return -1;
    const Vector on = difference(along(p, d, mm), panel.corner);
    const float column = dot(on, panel.across) / dot(panel.across, panel.across);
    const float row = dot(on, panel.down) / dot(panel.down, panel.down);
    if (!(column >= 0.0f && row >= 0.0f && column < (float)panel.columns && row < (float)panel.rows)) return -1;
    return (int)row * panel.columns + (int)column;
}

template <int S>
DEEPDRR_FN Photon<S> emitted(const PhotonSource& source, Stream& random) {
    const int count = source.field.rows * source.field.columns;
    const int cell = first_above(source.cells, count, random.next());
    const float* spectrum = source.spectra + (source.spectra_count > 1 ? (std::int64_t)cell * source.bins : 0);
    Photon<S> photon;
    photon.kev = source.energies[first_above(spectrum, source.bins, random.next())];
    const float column = (float)(cell % source.field.columns) + random.next();
    const float row = (float)(cell / source.field.columns) + random.next();
    const Vector way = difference(source.field.point(column, row), source.point);
    photon.p = source.point;
    photon.d = along({{0.0f, 0.0f, 0.0f}}, way, 1.0f / sqrtf(dot(way, way)));
    return photon;
}

DEEPDRR_FN int kind_after(int scatters, int kind) { return scatters == 0 ? kind : MULTIPLE; }

// Photons per steradian that an interaction is expected to send along d.
struct Sent {
    float compton, rayleigh, kev;  // kev: of the former
};

template <int S>
DEEPDRR_FN Sent sent_along(const PhotonJob<S>& job, const Photon<S>& photon, const std::uint16_t* density, const Vector& d) {
    const float cosine = lesser(1.0f, greater(-1.0f, dot(d, photon.d)));
    const float share = compton_share(photon.kev, cosine);
    const Node at = energy_node(photon.kev), x = angle_node(sqrtf(x_squared(photon.kev, cosine)));
    float compton_scale[S], rayleigh_scale[S], compton = 0.0f, rayleigh = 0.0f;
    job.tables.row(at, COMPTON_SCALE, compton_scale);
    job.tables.row(at, RAYLEIGH_SCALE, rayleigh_scale);
    for (int s = 0; s < S; ++s) {
        compton += (float)density[s] * compton_scale[s] * job.tables.shape(x, INCOHERENT, s);
        rayleigh += (float)density[s] * rayleigh_scale[s] * job.tables.shape(x, COHERENT, s);
    }
    const float each = 1.0f / PhotonBody<S>::attenuation(density, photon.mu.of);
    return {compton * klein_nishina(share, cosine) * each, rayleigh * 0.5f * (1.0f + cosine * cosine) * each,
            greater(LEAST_KEV, photon.kev * share)};
}

// From p to a point of a panel: the direction, the distance, and the panel's size, all of it seen there, in steradians.
struct Sight {
    Vector d;
    float mm, steradians;
};

DEEPDRR_FN Sight sight_of(const Panel& panel, const Vector& p, float column, float row) {
    const Vector way = difference(panel.point(column, row), p);
    const float square = dot(way, way), mm = sqrtf(square);
    const Vector d = along({{0.0f, 0.0f, 0.0f}}, way, 1.0f / mm);
    return {d, mm, panel.area_mm2 * greater(0.0f, dot(d, panel.normal)) / square};
}

// What a block of voxels means for the detector: its size in steradians, attenuated on the way, from the block's
// middle on average over 3 x 3 points.
template <int S>
DEEPDRR_FN float importance_of(const PhotonBody<S>& body, const Panel& panel, const float* mu, int i, int j, int k) {
    const int at[3] = {i, j, k};
    Vector middle;
    for (int a = 0; a < 3; ++a) middle.at[a] = lesser(body.extent_mm[a], ((float)at[a] + 0.5f) * body.block_mm[a]);
    float sum = 0.0f;
    for (int n = 0; n < 9; ++n) {
        const float column = (float)panel.columns * (float)(2 * (n % 3) + 1) / 6.0f;
        const float row = (float)panel.rows * (float)(2 * (n / 3) + 1) / 6.0f;
        const Sight sight = sight_of(panel, middle, column, row);
        float area[S] = {};
        body.area_densities(middle, sight.d, sight.mm, area);
        sum += sight.steradians * PhotonBody<S>::transmission(area, mu) * (1.0f / 9.0f);
    }
    return sum;
}

// Sends the photons that an interaction is expected to send to random points of the detector: along as many rays, on
// average, as all of them are expected to be, in portions of `per_ray`.
template <int S, class Scores>
DEEPDRR_FN void force(const PhotonJob<S>& job, const Photon<S>& photon, const std::uint16_t* density, Stream& random,
                      Scores& scores) {
    const Panel& panel = job.detector;
    const float columns = (float)panel.columns, rows = (float)panel.rows;
    const Sent middle = sent_along(job, photon, density, sight_of(panel, photon.p, 0.5f * columns, 0.5f * rows).d);
    const float all = (middle.compton + middle.rayleigh) * job.importance[job.body.block_at(photon.p)];
    const float wanted = clamp(all / job.per_ray, FEWEST_RAYS, MOST_RAYS);
    for (int left = (int)(wanted + random.next()); left > 0; --left) {
        const float column = random.next() * columns, row = random.next() * rows;
        const Sight sight = sight_of(panel, photon.p, column, row);
        const Sent sent = sent_along(job, photon, density, sight.d);
        float area[S] = {}, mu[S];
        job.body.area_densities(photon.p, sight.d, sight.mm, area);
        job.tables.row(energy_node(sent.kev), TOTAL, mu);
        const float portion = sight.steradians / wanted;
        const int cell = lesser((int)row, panel.rows - 1) * panel.columns + lesser((int)column, panel.columns - 1);
        const float compton = portion * sent.compton * PhotonBody<S>::transmission(area, mu);
        const float rayleigh = portion * sent.rayleigh * PhotonBody<S>::transmission(area, photon.mu.of);
        scores.arrives(kind_after(photon.scatters, SINGLE_COMPTON), sent.kev, cell, compton);
        scores.arrives(kind_after(photon.scatters, SINGLE_RAYLEIGH), photon.kev, cell, rayleigh);
        scores.brings(MULTIPLE, cell, compton * sent.kev + rayleigh * photon.kev);
    }
}

// Lets a photon interact where it is; false if it is absorbed.
template <int S, class Scores>
DEEPDRR_FN bool interact(const PhotonJob<S>& job, Photon<S>& photon, Stream& random, Scores& scores) {
    const std::int64_t voxel = job.body.voxel_at(photon.p);
    const std::uint16_t* density = job.body.density + voxel * S;
    const float attenuation = PhotonBody<S>::attenuation(density, photon.mu.of);
    if (job.estimator == FORCED) force(job, photon, density, random, scores);

    const Node at = energy_node(photon.kev);
    float part[S], left = random.next() * attenuation;
    for (const EnergyColumn process : {COMPTON, RAYLEIGH}) {
        job.tables.row(at, process, part);
        for (int s = 0; s < S; ++s) {
            left -= (float)density[s] * part[s];
            if (left >= 0.0f) continue;
            const bool compton = process == COMPTON;
            const float cosine = compton ? compton_cosine(job.tables, photon.kev, s, random)
                                         : rayleigh_cosine(job.tables, photon.kev, s, random);
            photon.kind = kind_after(photon.scatters, compton ? SINGLE_COMPTON : SINGLE_RAYLEIGH);
            ++photon.scatters;
            photon.d = turned(photon.d, cosine, random);
            if (!compton) return true;
            const float after = photon.kev * compton_share(photon.kev, cosine);
            scores.absorbs(voxel, photon.kev - after);
            photon.kev = after;
            if (after < LEAST_KEV) break;
            job.body.set(photon.mu, job.tables, after);
            return true;
        }
        if (left < 0.0f) break;
    }
    scores.absorbs(voxel, photon.kev);
    return false;
}

template <int S, class Scores>
DEEPDRR_FN void follow(const PhotonJob<S>& job, std::uint64_t history, Scores& scores) {
    Stream random(job.seed, history);
    Photon<S> photon = emitted<S>(job.source, random);
    scores.emits(photon.kev);
    job.body.set(photon.mu, job.tables, photon.kev);

    float enters, leaves, plane = reaches(job.detector, photon.p, photon.d);
    if (job.body.meets(photon.p, photon.d, &enters, &leaves) && enters < plane) {
        photon.p = along(photon.p, photon.d, enters);
        plane = reaches(job.detector, photon.p, photon.d);
        while (job.body.fly(photon.p, photon.d, photon.mu, plane, random)) {
            if (!interact(job, photon, random, scores)) return;
            plane = reaches(job.detector, photon.p, photon.d);
        }
    }
    scores.escapes(photon.kev);
    if (job.estimator != ANALOG) return;
    const int cell = cell_of(job.detector, photon.p, photon.d, plane);
    if (cell < 0) return;
    scores.arrives(photon.kind, photon.kev, cell, 1.0f);
    scores.brings(photon.kind, cell, photon.kev);
}

}  // namespace deepdrr

// The derivative of an integral along a chord, carried back to the ray that was clipped to it.
//
// A ray p(t) = o + t d is clipped to t in [a, b]; L is its length in mm. With u = (t - a) / (b - a), w the weights in mm
// and f' the field's derivative by the position, a march along the chord collects
//
//     slope = sum w f',        lever = sum w u f',        integral = sum w f,
//
// which is all that the derivatives by o and d at fixed a and b need: dI/do = slope, dI/dd = a slope + (b - a) lever.
// The ends a and b move too: an end on a face of the box obeys a = (face - o_x) / d_x along that axis.
#pragma once

#include "deepdrr/chord.h"
#include "deepdrr/scalar.h"

namespace deepdrr {

// What ends a chord: the face of axis 0, 1 or 2, the limit that came with the ray, or the ray's own end.
enum Bound { BY_LIMIT = 3, BY_RAY = 4 };

struct End {
    double t;
    int by;
};

struct TracedChord {
    Chord chord;
    double d[3];       // voxels per unit of t
    double length_mm;  // of the ray from source to target
    End start, stop;
};

DEEPDRR_FN End limit(double t) { return {clamp(t, 0.0, 1.0), t >= 0.0 && t <= 1.0 ? BY_LIMIT : BY_RAY}; }

DEEPDRR_FN void trace_axis(double o, double d, int n, int axis, End& start, End& stop) {
    const double low = -0.5, high = n - 0.5;
    if (d == 0.0) {
        if (!(o >= low && o < high)) stop = start;
        return;
    }
    const double a = (low - o) / d, b = (high - o) / d;
    const double near = lesser(a, b), far = greater(a, b);
    if (near > start.t) start = {near, axis};
    if (far < stop.t) stop = {far, axis};
}

// `clip` of chord.h with a record of what it met; the chord is the same to the last bit.
DEEPDRR_FN TracedChord trace(const Affine& ijk_from_world, const double* source, const double* target, double length_mm,
                             double start, double stop, const Grid& grid) {
    TracedChord traced;
    traced.start = limit(start), traced.stop = limit(stop), traced.length_mm = length_mm;
    double o[3];
    for (int a = 0; a < 3; ++a) {
        const double* row = ijk_from_world.m[a];
        o[a] = row[0] * source[0] + row[1] * source[1] + row[2] * source[2] + row[3];
        traced.d[a] =
            row[0] * (target[0] - source[0]) + row[1] * (target[1] - source[1]) + row[2] * (target[2] - source[2]);
        trace_axis(o[a], traced.d[a], grid.n[a], a, traced.start, traced.stop);
    }
    const bool hit = traced.start.t < traced.stop.t && length_mm > 0.0;
    for (int a = 0; a < 3; ++a) {
        traced.chord.entry[a] = hit ? o[a] + traced.start.t * traced.d[a] : 0.0;
        traced.chord.slope[a] = hit ? traced.d[a] / length_mm : 0.0;
    }
    traced.chord.length = hit ? (traced.stop.t - traced.start.t) * length_mm : 0.0;
    return traced;
}

// An exact integral needs the field at the chord's ends too.
struct RaySums {
    double slope[3], lever[3], integral, first, last;
};

// Derivatives of the integral by the ray's end points in voxel coordinates, its limits, and the logarithm of its length.
struct RayGradient {
    double source[3], target[3], start, stop, length;
};

DEEPDRR_FN void pull_end(const TracedChord& ray, const End& end, double by_end, double* by_o, double* by_d,
                         double& by_limit) {
    if (end.by == BY_LIMIT) by_limit += by_end;
    if (end.by > 2) return;
    const double by_face = -by_end / ray.d[end.by];
    by_o[end.by] += by_face;
    by_d[end.by] += end.t * by_face;
}

// by_start, by_stop: derivatives of the integral by a and b at fixed o, d and L.
DEEPDRR_FN RayGradient ray_gradient(const TracedChord& ray, const RaySums& sums, double by_start, double by_stop) {
    const double a = ray.start.t, span = ray.stop.t - ray.start.t;
    double by_o[3], by_d[3];
    for (int x = 0; x < 3; ++x) by_o[x] = sums.slope[x], by_d[x] = a * sums.slope[x] + span * sums.lever[x];
    RayGradient gradient{{0, 0, 0}, {0, 0, 0}, 0, 0, sums.integral};
    pull_end(ray, ray.start, by_start, by_o, by_d, gradient.start);
    pull_end(ray, ray.stop, by_stop, by_o, by_d, gradient.stop);
    for (int x = 0; x < 3; ++x) gradient.source[x] = by_o[x] - by_d[x], gradient.target[x] = by_d[x];
    return gradient;
}

// Midpoint samples: they move with both ends, and their weight (b - a) L / n with the chord.
DEEPDRR_FN RayGradient step_gradient(const TracedChord& ray, const RaySums& sums) {
    const double stretch = sums.integral / (ray.stop.t - ray.start.t);
    double by_start = -stretch, by_stop = stretch;
    for (int x = 0; x < 3; ++x) {
        by_start += ray.d[x] * (sums.slope[x] - sums.lever[x]);
        by_stop += ray.d[x] * sums.lever[x];
    }
    return ray_gradient(ray, sums, by_start, by_stop);
}

// The exact integral: its ends add or take away the field's value there.
DEEPDRR_FN RayGradient exact_gradient(const TracedChord& ray, const RaySums& sums) {
    return ray_gradient(ray, sums, -ray.length_mm * sums.first, ray.length_mm * sums.last);
}

// The same by the end points in the world, and by the transform between the two.
struct WorldGradient {
    double source[3], target[3], start, stop, ijk_from_world[3][4];
};

DEEPDRR_FN WorldGradient to_world(const RayGradient& ijk, const Affine& ijk_from_world, const double* source,
                                  const double* target, double length_mm) {
    WorldGradient world{{0, 0, 0}, {0, 0, 0}, ijk.start, ijk.stop, {}};
    const double stretch = ijk.length / (length_mm * length_mm);
    for (int x = 0; x < 3; ++x) {
        world.source[x] = -stretch * (target[x] - source[x]);
        world.target[x] = stretch * (target[x] - source[x]);
        for (int a = 0; a < 3; ++a) {
            world.source[x] += ijk_from_world.m[a][x] * ijk.source[a];
            world.target[x] += ijk_from_world.m[a][x] * ijk.target[a];
            world.ijk_from_world[a][x] = ijk.source[a] * source[x] + ijk.target[a] * target[x];
        }
    }
    for (int a = 0; a < 3; ++a) world.ijk_from_world[a][3] = ijk.source[a] + ijk.target[a];
    return world;
}

}  // namespace deepdrr

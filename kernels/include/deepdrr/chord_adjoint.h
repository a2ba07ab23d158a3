// The gradient of an integral along a chord, carried back to the ray that was clipped to the chord.
//
// A ray p(t) = o + t d is clipped to t in [a, b]; L is its length in mm. With u = (t - a) / (b - a), w the weights in
// mm and f' the field's derivative with respect to the position, a march along the chord collects
//
//     slope = sum w f',        first_moment = sum w u f',        integral = sum w f,
//
// from which follow the derivatives at fixed a and b: dI/do = slope, dI/dd = a slope + (b - a) first_moment. The ends a
// and b move too: an end on a face of the box obeys a = (face - o_x) / d_x along that axis.
#pragma once

#include "deepdrr/chord.h"
#include "deepdrr/scalar.h"

namespace deepdrr {

// What bounds a chord: the face of axis 0, 1 or 2, the limit given with the ray, or the ray's own end.
enum Bound { LIMIT = 3, RAY_END = 4 };

struct End {
    double t;
    int bound;
};

struct TracedChord {
    Chord chord;
    double d[3];       // voxels per unit of t
    double length_mm;  // of the ray from source to target
    End start, stop;
};

DEEPDRR_FN End limit(double t) { return {clamp(t, 0.0, 1.0), t >= 0.0 && t <= 1.0 ? LIMIT : RAY_END}; }

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

// `clip` of chord.h with a record of what bounds the chord; the chord is the same to the last bit.
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

// `first` and `last`, the field at the chord's ends, are for exact integrals.
struct RaySums {
    double slope[3], first_moment[3], integral, first, last;
};

// Gradients with respect to the ray's end points in voxel coordinates, its limits, and the logarithm of its length.
struct RayGradient {
    double source[3], target[3], start, stop, length;
};

DEEPDRR_FN void pull_end(const TracedChord& ray, const End& end, double grad_end, double* grad_o, double* grad_d,
                         double& grad_limit) {
    if (end.bound == LIMIT) grad_limit += grad_end;
    if (end.bound > 2) return;
    const double grad_face = -grad_end / ray.d[end.bound];
    grad_o[end.bound] += grad_face;
    grad_d[end.bound] += end.t * grad_face;
}

// grad_start, grad_stop: derivatives with respect to a and b at fixed o, d and L.
DEEPDRR_FN RayGradient ray_gradient(const TracedChord& ray, const RaySums& sums, double grad_start, double grad_stop) {
    const double a = ray.start.t, span = ray.stop.t - ray.start.t;
    double grad_o[3], grad_d[3];
    for (int x = 0; x < 3; ++x) grad_o[x] = sums.slope[x], grad_d[x] = a * sums.slope[x] + span * sums.first_moment[x];
    RayGradient gradient{{0, 0, 0}, {0, 0, 0}, 0, 0, sums.integral};
    pull_end(ray, ray.start, grad_start, grad_o, grad_d, gradient.start);
    pull_end(ray, ray.stop, grad_stop, grad_o, grad_d, gradient.stop);
    for (int x = 0; x < 3; ++x) gradient.source[x] = grad_o[x] - grad_d[x], gradient.target[x] = grad_d[x];
    return gradient;
}

// Midpoint samples: they move with both ends, and their weight (b - a) L / n with the chord.
DEEPDRR_FN RayGradient step_gradient(const TracedChord& ray, const RaySums& sums) {
    const double stretch = sums.integral / (ray.stop.t - ray.start.t);
    double grad_start = -stretch, grad_stop = stretch;
    for (int x = 0; x < 3; ++x) {
        grad_start += ray.d[x] * (sums.slope[x] - sums.first_moment[x]);
        grad_stop += ray.d[x] * sums.first_moment[x];
    }
    return ray_gradient(ray, sums, grad_start, grad_stop);
}

// The exact integral: its ends add or take away the field's value there.
DEEPDRR_FN RayGradient exact_gradient(const TracedChord& ray, const RaySums& sums) {
    return ray_gradient(ray, sums, -ray.length_mm * sums.first, ray.length_mm * sums.last);
}

// Gradients with respect to the end points in the world, the limits, and the transform from the world to voxels.
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

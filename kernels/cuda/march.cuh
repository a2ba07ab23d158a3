// The marches along a ray: samples at even distances, cells one after another, and the voxels about a point.
#pragma once

#include "deepdrr/bspline.h"
#include "deepdrr/half_cells.h"
#include "deepdrr/midpoints.h"
#include "deepdrr/trilinear.h"
#include "deepdrr/walk.h"
#include "job.cuh"

namespace deepdrr {

// Midpoint samples of a chord, or of one of its parts.
struct Samples {
    float entry[3], pace[3], weight;
    int first, last;  // those of this part

    __device__ Samples(const Chord& chord, const RayJob& job) {
        const Midpoints midpoints(chord, job.step);
        for (int a = 0; a < 3; ++a) entry[a] = midpoints.entry[a], pace[a] = midpoints.pace[a];
        weight = midpoints.weight;
        first = 0, last = midpoints.count;
    }
    __device__ void keep_part(int part, int parts) {
        const int count = last;  // times parts it fits an int: there are at most a million
        first = count * part / parts;
        last = count * (part + 1) / parts;
    }
    __device__ float at(int axis, int k) const { return entry[axis] + (float)k * pace[axis]; }
};

// A chord, and the mm from plane to plane of voxels along each axis.
struct WalkedChord {
    Chord chord;
    float inverse[3];

    __device__ explicit WalkedChord(const Chord& c) : chord(c) {
        for (int a = 0; a < 3; ++a) inverse[a] = mm_per_cell(chord.slope[a]);
    }
};

// Chords are found in double, which most GPUs have few units for. Where rays are cut into parts, or channels into
// groups, the kernel find_chords does it once for all.
__device__ inline WalkedChord walked_chord_of(const RayJob& job, const Pixel& p) {
    if (job.found) return ((const WalkedChord*)job.found)[ray_number(job, p)];
    return WalkedChord(chord_of(job, p));
}

__device__ inline Samples samples_of(const RayJob& job, const Pixel& p) {
    Samples samples = job.found ? ((const Samples*)job.found)[ray_number(job, p)] : Samples(chord_of(job, p), job);
    samples.keep_part(p.part, job.parts);
    return samples;
}

// A chord's walk from cell to cell, cut into parts by length; every part begins in the cell where it starts.
template <Cells CELLS>
struct Walk {
    Axis axis[3];
    int walked[3];
    float at, end;

    __device__ Walk(const WalkedChord& walked_chord, const Grid& grid, int part, int parts) {
        const Chord& chord = walked_chord.chord;
        constexpr int per_voxel = CELLS == Cells::HALVES ? 2 : 1;
        constexpr bool whole = CELLS == Cells::VOXELS;
        const double from = chord.length * part / parts;
        for (int a = 0; a < 3; ++a) {
            const double q = per_voxel * (chord.entry[a] + from * chord.slope[a]) + (whole ? 0.5 : 0.0);
            axis[a] = make_axis(q, per_voxel * chord.slope[a], walked_chord.inverse[a] / per_voxel, whole ? 0 : -1,
                                per_voxel * (grid.n[a] - 1));
            walked[a] = 0;
        }
        at = 0.0f, end = (float)(chord.length * (part + 1) / parts - from);
    }
    __device__ bool going() const { return at < end; }
    __device__ int cell(int a) const { return axis[a].first + walked[a]; }
    __device__ float leaves(int a) const {
        return leaves_at(axis[a].entry, axis[a].slope, axis[a].inverse, walked[a]);
    }
    __device__ CellStep next() const {
        return next_cell(at, end, leaves(0), leaves(1), leaves(2), axis[0].slope, axis[1].slope, axis[2].slope);
    }
    __device__ void go(const CellStep& step) {
        walked[0] += step.di, walked[1] += step.dj, walked[2] += step.dk;
        at = step.stop;
    }
};

// The voxel of a walk.
__device__ inline int voxel_of(const Walk<Cells::VOXELS>& walk, const Grid& grid) {
    int at[3];
    for (int a = 0; a < 3; ++a) at[a] = clamp(walk.cell(a), 0, grid.n[a] - 1);
    return grid.voxel(at[0], at[1], at[2]);
}

// The nearest voxel of a sample.
__device__ inline int voxel_of(const Samples& samples, int k, const Grid& grid) {
    int at[3];
    for (int a = 0; a < 3; ++a) at[a] = (int)clamp(samples.at(a, k) + 0.5f, 0.0f, (float)(grid.n[a] - 1));
    return grid.voxel(at[0], at[1], at[2]);
}

// The cell of a walk, the position in it at the walk's beginning, and how that moves per mm.
struct CellOfWalk {
    int low[3];
    float enter[3], slope[3];

    __device__ CellOfWalk(const Walk<Cells::BETWEEN>& walk, const Grid& grid) {
        for (int a = 0; a < 3; ++a) {
            low[a] = lowest_corner(walk.cell(a), grid.n[a]);
            enter[a] = walk.axis[a].entry + (float)(walk.axis[a].first - low[a]);
            slope[a] = walk.axis[a].slope;
        }
    }
    __device__ CellOfWalk(const Walk<Cells::HALVES>& walk, const Grid& grid) {
        for (int a = 0; a < 3; ++a) {
            low[a] = lowest_corner(cell_of_half(walk.cell(a)), grid.n[a]);
            enter[a] = enter_from_half(walk.axis[a].entry, walk.axis[a].first, low[a]);
            slope[a] = 0.5f * walk.axis[a].slope;
        }
    }
    __device__ int voxel(const Grid& grid) const { return grid.voxel(low[0], low[1], low[2]); }
    __device__ Weights weights(float from, float to) const {
        return gauss_weights(Point{enter[0], enter[1], enter[2]}, Point{slope[0], slope[1], slope[2]}, from, to);
    }
};

__device__ inline int voxel_of(const Walk<Cells::HALVES>& walk, const Grid& grid) {
    return grid.voxel(voxel_of_half(walk.cell(0), grid.n[0]), voxel_of_half(walk.cell(1), grid.n[1]),
                      voxel_of_half(walk.cell(2), grid.n[2]));
}

// Of a position in a cell.
__device__ inline int nearest_corner_at(float x, float y, float z) {
    return (x >= 0.5f) << 2 | (y >= 0.5f) << 1 | (z >= 0.5f);
}

// The cell about a sample.
struct CellOfSample {
    Corner x, y, z;

    __device__ CellOfSample(const Samples& samples, int k, const Grid& grid)
        : x(locate(samples.at(0, k), grid.n[0])),
          y(locate(samples.at(1, k), grid.n[1])),
          z(locate(samples.at(2, k), grid.n[2])) {}

    __device__ int voxel(const Grid& grid) const { return grid.voxel(x.low, y.low, z.low); }
    __device__ Weights weights(float weight) const { return corner_weights(x.part, y.part, z.part, weight); }
    __device__ int nearest_corner() const { return nearest_corner_at(x.part, y.part, z.part); }
};

// Calls visit(samples, k) for every sample of a pixel's ray, or of the pixel's part of it.
template <class Visit>
__device__ void for_each_sample(const RayJob& job, const Pixel& p, const Visit& visit) {
    const Samples samples = samples_of(job, p);
    for (int k = samples.first; k < samples.last; ++k) visit(samples, k);
}

// Calls visit(walk, stop) for every piece, which runs from walk.at to stop.
template <Cells CELLS, class Visit>
__device__ void for_each_piece(const RayJob& job, const Pixel& p, const Visit& visit) {
    for (Walk<CELLS> walk(walked_chord_of(job, p), job.grid, p.part, job.parts); walk.going();) {
        const CellStep step = walk.next();
        visit(walk, step.stop);
        walk.go(step);
    }
}

// The four voxels and weights of a cubic B-spline along one axis.
struct Taps {
    int at[4];
    float weight[4];

    __device__ Taps(const Corner& corner, int n, int stride) {
        bspline_weights(corner.part, weight[0], weight[1], weight[2], weight[3]);
        for (int a = 0; a < 4; ++a) at[a] = mirrored(corner.low - 1 + a, n) * stride;
    }
};

}  // namespace deepdrr

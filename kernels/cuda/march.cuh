// Where a ray stops on its way: samples at even distances, cells one after another, and the voxels about a point.
#pragma once

#include "deepdrr/bspline.h"
#include "deepdrr/midpoints.h"
#include "deepdrr/trilinear.h"
#include "deepdrr/walk.h"
#include "job.cuh"

namespace deepdrr {

// Midpoint samples of a chord, in float from the entry, as the CPU's march places them.
struct Samples {
    float entry[3], pace[3], weight;
    int first, last;  // those of this part

    __device__ Samples(const Chord& chord, const RayJob& job, int part) {
        const int count = sample_count(chord.length, job.step);
        const double mm = count > 0 ? chord.length / count : 0.0;
        for (int a = 0; a < 3; ++a) {
            entry[a] = (float)(chord.entry[a] + 0.5 * mm * chord.slope[a]);
            pace[a] = (float)(mm * chord.slope[a]);
        }
        weight = (float)mm;
        first = (int)((long long)count * part / job.parts);
        last = (int)((long long)count * (part + 1) / job.parts);
    }
    __device__ float at(int axis, int k) const { return entry[axis] + (float)k * pace[axis]; }
};

// A chord's walk from cell to cell, cut into parts by length; every part begins in the cell where it starts.
struct Walk {
    Axis axis[3];
    int walked[3];
    float at, end;

    __device__ Walk(const Chord& chord, const Grid& grid, bool linear, int part, int parts) {
        const double from = chord.length * part / parts;
        for (int a = 0; a < 3; ++a) {
            const double q = chord.entry[a] + from * chord.slope[a] + (linear ? 0.0 : 0.5);
            axis[a] = make_axis(q, chord.slope[a], linear ? -1 : 0, grid.n[a] - 1);
            walked[a] = 0;
        }
        at = 0.0f, end = (float)(chord.length * (part + 1) / parts - from);
    }
    __device__ bool going() const { return at < end; }
    __device__ float leaves(int a) const {
        return leaves_at(axis[a].entry, axis[a].slope, axis[a].inverse, walked[a]);
    }
    __device__ Stride next() const {
        return next_cell(at, end, leaves(0), leaves(1), leaves(2), axis[0].slope, axis[1].slope, axis[2].slope);
    }
    __device__ void go(const Stride& stride) {
        walked[0] += stride.di, walked[1] += stride.dj, walked[2] += stride.dk;
        at = stride.stop;
    }
};

// The cell of a walk and the position in it at the walk's beginning.
struct CellOfWalk {
    int low[3];
    float enter[3];

    __device__ CellOfWalk(const Walk& walk, const Grid& grid) {
        for (int a = 0; a < 3; ++a) {
            low[a] = lowest_corner(walk.axis[a].first + walk.walked[a], grid.n[a]);
            enter[a] = walk.axis[a].entry + (float)(walk.axis[a].first - low[a]);
        }
    }
};

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

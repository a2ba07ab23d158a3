// Half cells: along each axis, from a plane of voxel centres to the plane of voxel faces beside it.
//
// Labels route by the nearest voxel, and values are linear between the centres of eight voxels: within one half cell
// both are one polynomial along a ray. A walk through them (walk.h) counts in halves, q = 2 p: half cell h lies in the
// cell of the lowest corner h / 2, rounded down, and in the voxel (h + 1) / 2. h = -1 and h = 2 n - 2 are the outer
// halves of the first and the last voxel, where the field keeps the value of the face.
#pragma once

#include "deepdrr/scalar.h"
#include "deepdrr/trilinear.h"

namespace deepdrr {

DEEPDRR_FN int cell_of_half(int half) { return half >> 1; }

DEEPDRR_FN int voxel_of_half(int half, int n) { return clamp((half + 1) >> 1, 0, n - 1); }

// The position in the cell `low` of a walk that began at `entry` in the half cell `first`.
DEEPDRR_FN float enter_from_half(float entry, int first, int low) { return 0.5f * (entry + (float)(first - 2 * low)); }

// Whether a position there is not clamped to a face.
DEEPDRR_FN int half_moves(int half, int n) { return (half >= 0) & (half <= 2 * n - 3); }

}  // namespace deepdrr

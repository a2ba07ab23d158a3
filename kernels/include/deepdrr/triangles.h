// Where lines cross the triangles of a closed mesh, so that no line crosses its surface an odd number of times.
//
// A line is looked at along itself: every corner v of a face becomes a point (u·v + p, w·v + q) of the plane across the
// line, in which the line is the origin. A face is crossed if the origin is on the same side of its three edges (Woop,
// Benthin and Wald, "Watertight Ray/Triangle Intersection", JCGT 2(1), 2013, whose shear is here a rotation). Points are
// float32, and the same for all faces that share a corner. The side of an edge is the sign of a 2 x 2 determinant of
// float32, which double precision finds without rounding. An edge through the origin has the side that it would have if
// the line were moved by (e, e²) for an e smaller than any number (Edelsbrunner and Mücke, "Simulation of simplicity",
// 1990). So the faces crossed are those of a polyhedron in general position, crossed by one line: as many times inwards
// as outwards. The tree's boxes are wider than the points are wrong, so that none of them is passed by.
//
// Which faces are crossed is exact for a line displaced by about 1e-6 of the mesh's radius; where, t, is double.
#pragma once

#include <cmath>

#include "deepdrr/scalar.h"

namespace deepdrr {

// A node of the tree: a leaf of `count` faces from `first` on, or, with none, the parent of `first` and `first` + 1.
struct MeshNode {
    float low[3], high[3];
    int first, count;
};

constexpr int MOST_DEPTH = 62;           // of the tree's leaves
constexpr double BOX_MARGIN = 4e-6;      // of the boxes, in radii of the mesh: about three times the error of a point

// One mesh, in its own frame, mm.
struct Triangles {
    const MeshNode* nodes;
    const float* corners;        // [F, 3, 3] from the centre, in the tree's order
    const int* faces;            // [F]: their numbers in `triples`
    const double* vertices;      // [V, 3]
    const long long* triples;    // [F, 3]
    double centre[3];
};

// Lines, one per lane of the number type F, as the tree and the faces are tested against them.
template <class F>
struct Aimed {
    F across[3], down[3];        // unit vectors u, w; with the line's direction they are right-handed
    F p, q;
    F near[3], inverse[3];       // the line's point nearest the centre, and 1 / direction
};

struct Perpendicular {
    double direction[3], across[3], down[3];
};

// Duff et al., "Building an orthonormal basis, revisited", JCGT 6(1), 2017.
DEEPDRR_FN Perpendicular perpendicular(const double* way) {
    const double shrink = 1.0 / sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2]);
    const double x = way[0] * shrink, y = way[1] * shrink, z = way[2] * shrink;
    const double s = z < 0 ? -1.0 : 1.0, a = -1.0 / (s + z), b = x * y * a;
    return {{x, y, z}, {1.0 + s * x * x * a, s * b, -s * x}, {b, s + y * y * a, -y}};
}

// A line through `source`, relative to the mesh's centre.
DEEPDRR_FN Aimed<float> aimed(const double* source, const Perpendicular& axes) {
    Aimed<float> line;
    double along = 0, near[3], p = 0, q = 0;
    for (int a = 0; a < 3; ++a) along += source[a] * axes.direction[a];
    for (int a = 0; a < 3; ++a) {
        near[a] = source[a] - along * axes.direction[a];
        line.across[a] = (float)axes.across[a], line.down[a] = (float)axes.down[a];
        p -= (double)line.across[a] * near[a], q -= (double)line.down[a] * near[a];
        const float d = (float)axes.direction[a];
        line.near[a] = (float)near[a];
        line.inverse[a] = 1.0f / (magnitude(d) < 1e-20f ? 1e-20f : d);
    }
    line.p = (float)p, line.q = (float)q;
    return line;
}

// Far and near ends of the part of each line in a node's box; a line meets the box if near <= far.
template <class F>
struct InBox {
    F near, far;
};

template <class F>
DEEPDRR_FN InBox<F> in_box(const Aimed<F>& lines, const MeshNode& node) {
    InBox<F> part;
    for (int a = 0; a < 3; ++a) {
        const F one = (node.low[a] - lines.near[a]) * lines.inverse[a];
        const F other = (node.high[a] - lines.near[a]) * lines.inverse[a];
        const F enter = lesser(one, other), leave = greater(one, other);
        part.near = a ? greater(part.near, enter) : enter;
        part.far = a ? lesser(part.far, leave) : leave;
    }
    return part;
}

// A face in the plane across a line.
template <class F>
struct Seen {
    F x[3], y[3];
};

template <class F>
DEEPDRR_FN Seen<F> seen(const Aimed<F>& lines, const float* corners) {
    Seen<F> face;
    for (int c = 0; c < 3; ++c) {
        const float *v = corners + 3 * c;
        face.x[c] = fused(lines.across[0], v[0], fused(lines.across[1], v[1], fused(lines.across[2], v[2], lines.p)));
        face.y[c] = fused(lines.down[0], v[0], fused(lines.down[1], v[1], fused(lines.down[2], v[2], lines.q)));
    }
    return face;
}

// The side of the edge from a to b on which the origin is, 1 or -1; 0 for an edge without a length.
DEEPDRR_FN int side(float ax, float ay, float bx, float by) {
    const double one = (double)ax * (double)by, other = (double)ay * (double)bx;  // exact
    if (one != other) return one > other ? 1 : -1;
    if (ay != by) return ay > by ? 1 : -1;
    return bx > ax ? 1 : bx < ax ? -1 : 0;
}

// How the winding number of the surface changes along a line at a face: 1 on the way in, -1 out, 0 if it passes by.
DEEPDRR_FN int winding(const Seen<float>& face) {
    const int ab = side(face.x[0], face.y[0], face.x[1], face.y[1]);
    const int bc = side(face.x[1], face.y[1], face.x[2], face.y[2]);
    const int ca = side(face.x[2], face.y[2], face.x[0], face.y[0]);
    return ab == bc && bc == ca ? -ab : 0;
}

// Where a line crosses a face that it was found to cross, in units of `way`. Beside an edge, where rounding decides, it
// is the edge's place.
DEEPDRR_FN double crossing(const Triangles& mesh, int face, const double* source, const double* way,
                           const Perpendicular& axes, int turn) {
    double x[3], y[3], z[3], square = 0;
    for (int a = 0; a < 3; ++a) square += way[a] * way[a];
    for (int c = 0; c < 3; ++c) {
        const double* vertex = mesh.vertices + 3 * mesh.triples[3 * (long long)face + c];
        x[c] = y[c] = z[c] = 0;
        for (int a = 0; a < 3; ++a) {
            const double from = (vertex[a] - mesh.centre[a]) - source[a];
            x[c] += axes.across[a] * from, y[c] += axes.down[a] * from, z[c] += way[a] * from;
        }
    }
    double total = 0, sum = 0;
    for (int c = 0; c < 3; ++c) {
        const int n = c == 2 ? 0 : c + 1, m = n == 2 ? 0 : n + 1;  // the edge opposite corner m
        const double weight = greater(-turn * (x[c] * y[n] - y[c] * x[n]), 0.0);
        total += weight, sum += weight * z[m];
    }
    return (total > 0 ? sum / total : (z[0] + z[1] + z[2]) / 3) / square;
}

}  // namespace deepdrr

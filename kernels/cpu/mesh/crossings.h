// Where rays cross meshes: as many rays at once as a vector has lanes walk the tree of a mesh together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "deepdrr/chord.h"
#include "deepdrr/triangles.h"
#include "packets/lanes.h"
#include "packets/rays.h"
#include "parallel.h"

namespace deepdrr {

constexpr std::int64_t ROWS_PER_TASK = 8;

struct PlacedMesh {
    Triangles mesh;
    Affine mesh_from_world;
};

// The pixels of a view that a mesh can cover: rows and columns [first, end).
struct Window {
    std::int64_t row, row_end, column, column_end;
};

struct Crossing {
    std::int64_t ray;
    double t;
    int mesh, face;
    signed char winding;
};

// The rays of a packet in the frame of a mesh.
struct MeshPacket {
    Aimed<Floats> lines;
    double source[GROUP][3], way[GROUP][3];
    Perpendicular axes[GROUP];
    unsigned valid = 0;

    void set(int lane, const PlacedMesh& placed, const PointWorld& from, const PointWorld& to) {
        double square = 0;
        for (int a = 0; a < 3; ++a) {
            const double* m = placed.mesh_from_world.m[a];
            source[lane][a] = m[3] - placed.mesh.centre[a], way[lane][a] = 0;
            for (int b = 0; b < 3; ++b)
                source[lane][a] += m[b] * from.mm[b], way[lane][a] += m[b] * (to.mm[b] - from.mm[b]);
            square += way[lane][a] * way[lane][a];
        }
        if (square > 0) axes[lane] = perpendicular(way[lane]), valid |= 1u << lane;
    }

    // After all lanes: those without a ray get that of another.
    void aim() {
        int any = 0;
        while (!(valid >> any & 1)) ++any;
        float numbers[14][GROUP];
        for (int l = 0; l < GROUP; ++l) {
            const int from = valid >> l & 1 ? l : any;
            const Aimed<float> line = aimed(source[from], axes[from]);
            for (int a = 0; a < 3; ++a) {
                numbers[a][l] = line.across[a], numbers[3 + a][l] = line.down[a];
                numbers[8 + a][l] = line.near[a], numbers[11 + a][l] = line.inverse[a];
            }
            numbers[6][l] = line.p, numbers[7][l] = line.q;
        }
        for (int a = 0; a < 3; ++a) {
            lines.across[a] = load<Floats>(numbers[a]), lines.down[a] = load<Floats>(numbers[3 + a]);
            lines.near[a] = load<Floats>(numbers[8 + a]), lines.inverse[a] = load<Floats>(numbers[11 + a]);
        }
        lines.p = load<Floats>(numbers[6]), lines.q = load<Floats>(numbers[7]);
    }
};

// The lanes in which the origin may be on one side of all edges, as far as float32 can tell: `winding` decides.
DEEPDRR_FN unsigned candidates(const Seen<Floats>& face) {
    constexpr float ROUNDING = 1.2e-7f, LEAST = 1e-37f;  // 2^-23 of the products, and what is flushed to 0
    Floats least, most;
    for (int c = 0; c < 3; ++c) {
        const int n = c == 2 ? 0 : c + 1;
        const Floats one = face.x[c] * face.y[n], other = face.y[c] * face.x[n], edge = one - other;
        const Floats slack = (greater(one, -one) + greater(other, -other)) * ROUNDING + LEAST;
        least = c ? lesser(least, edge + slack) : edge + slack;
        most = c ? greater(most, edge - slack) : edge - slack;
    }
    return bits_of((least >= 0.0f) | (most <= 0.0f));
}

struct Met {
    int lane, face, winding;
    double t;
};

inline void meet(const Triangles& mesh, const MeshPacket& packet, std::vector<Met>& met) {
    int stack[MOST_DEPTH + 2], top = 0;
    stack[top++] = 0;
    while (top) {
        const MeshNode& node = mesh.nodes[stack[--top]];
        const InBox<Floats> part = in_box(packet.lines, node);
        if (!any(part.near <= part.far)) continue;
        if (!node.count) {
            stack[top++] = node.first, stack[top++] = node.first + 1;
            continue;
        }
        for (int i = node.first; i < node.first + node.count; ++i) {
            const Seen<Floats> face = seen(packet.lines, mesh.corners + 9 * (std::int64_t)i);
            for (unsigned left = candidates(face) & packet.valid, l = 0; left; left >>= 1, ++l) {
                if (!(left & 1)) continue;
                Seen<float> one;
                for (int c = 0; c < 3; ++c) one.x[c] = lane(face.x[c], (int)l), one.y[c] = lane(face.y[c], (int)l);
                if (const int turn = winding(one)) met.push_back({(int)l, mesh.faces[i], turn, 0.0});
            }
        }
    }
}

// The crossings of a window's rows, ray by ray, each along its ray; on the way in first where two are at one place.
inline void cross_rows(const PlacedMesh& placed, int number, const Rays& rays, std::int64_t view, const Window& window,
                       std::vector<Crossing>& found) {
    std::vector<Met> met;
    for (std::int64_t row = window.row; row < window.row_end; ++row)
        for (std::int64_t column = window.column; column < window.column_end; column += GROUP) {
            MeshPacket packet;
            for (int l = 0; l < GROUP && column + l < window.column_end; ++l)
                packet.set(l, placed, rays.source.at(view, row, column + l), rays.target.at(view, row, column + l));
            if (!packet.valid) continue;
            packet.aim();
            met.clear();
            meet(placed.mesh, packet, met);
            for (Met& one : met)
                one.t = crossing(placed.mesh, one.face, packet.source[one.lane], packet.way[one.lane],
                                 packet.axes[one.lane], one.winding);
            std::sort(met.begin(), met.end(), [](const Met& a, const Met& b) {
                if (a.lane != b.lane) return a.lane < b.lane;
                if (a.t != b.t) return a.t < b.t;
                return a.winding != b.winding ? a.winding > b.winding : a.face < b.face;
            });
            const std::int64_t first = (view * rays.height + row) * rays.width + column;
            for (const Met& one : met)
                found.push_back({first + one.lane, one.t, number, one.face, (signed char)one.winding});
        }
}

// Puts crossings of some rows of a view, mesh by mesh, in the order of their rays; those of a ray stay in theirs.
inline std::vector<Crossing> by_ray(const std::vector<Crossing>& found, std::int64_t first, std::int64_t rays) {
    std::vector<std::int64_t> place((std::size_t)rays + 1);
    for (const Crossing& one : found) ++place[one.ray - first + 1];
    for (std::int64_t r = 0; r < rays; ++r) place[r + 1] += place[r];
    std::vector<Crossing> sorted(found.size());
    for (const Crossing& one : found) sorted[place[one.ray - first]++] = one;
    return sorted;
}

// windows [views, meshes]. One list per task; they follow each other by ray, mesh and t.
inline std::vector<std::vector<Crossing>> crossings(const std::vector<PlacedMesh>& meshes, const Rays& rays,
                                                    const Window* windows, int threads) {
    const std::int64_t blocks = (rays.height + ROWS_PER_TASK - 1) / ROWS_PER_TASK, tasks = rays.views * blocks;
    std::vector<std::vector<Crossing>> found((std::size_t)tasks);
    parallel_for(tasks, threads, [&](std::int64_t task) {
        const std::int64_t view = task / blocks, row = task % blocks * ROWS_PER_TASK;
        const std::int64_t end = lesser(row + ROWS_PER_TASK, rays.height);
        int seen = 0;
        for (int m = 0; m < (int)meshes.size(); ++m) {
            const Window whole = windows[view * (std::int64_t)meshes.size() + m];
            const Window part{greater(row, whole.row), lesser(end, whole.row_end), whole.column, whole.column_end};
            const std::size_t before = found[task].size();
            cross_rows(meshes[m], m, rays, view, part, found[task]);
            seen += found[task].size() > before;
        }
        const std::int64_t first = (view * rays.height + row) * rays.width;
        if (seen > 1) found[task] = by_ray(found[task], first, (end - row) * rays.width);
    });
    return found;
}

}  // namespace deepdrr

// Crossings of rays with meshes: one thread, one ray, all meshes whose window holds its pixel (triangles.h). A first
// launch counts the crossings of every ray, a second one writes them where the counts have made room.
//
// Bytes: 32 per node and 36 per face that a ray looks at, mostly from the caches, as neighbouring rays walk the same
// nodes; 17 per crossing. Operations: 20 per node, 50 per face, about 200 double per crossing.
#include "deepdrr/triangles.h"
#include "job.cuh"

namespace deepdrr {

struct DeviceMesh {
    Triangles mesh;
    Affine mesh_from_world;
};

struct CrossingJob {
    Strided source, source_too, target, target_too;  // ends [B, H, W, 3] as sums of two
    const DeviceMesh* meshes;      // [T]
    const long long* windows;      // [B, T, 4]: first row, end, first column, end
    int count, views, height, width;
    int* counts;                   // [B, H, W], or null
    const long long* first;        // [B, H, W]: where the crossings of a ray are written
    int *mesh, *face;              // [N]
    signed char* winding;          // [N]
    double* t;                     // [N]
};

struct LineInMesh {
    double source[3], way[3];  // from the mesh's centre
    Perpendicular axes;
    bool valid;
};

__device__ inline LineInMesh line_in_mesh(const CrossingJob& job, const DeviceMesh& placed, const Pixel& p) {
    const double *from = job.source.at(p.view, p.row, p.column), *from_too = job.source_too.at(p.view, p.row, p.column);
    const double *to = job.target.at(p.view, p.row, p.column), *to_too = job.target_too.at(p.view, p.row, p.column);
    LineInMesh line;
    double square = 0;
    for (int a = 0; a < 3; ++a) {
        const double* m = placed.mesh_from_world.m[a];
        line.source[a] = m[3] - placed.mesh.centre[a], line.way[a] = 0;
        for (int b = 0; b < 3; ++b) {
            const double start = from[b] + from_too[b];
            line.source[a] += m[b] * start, line.way[a] += m[b] * (to[b] + to_too[b] - start);
        }
        square += line.way[a] * line.way[a];
    }
    line.valid = square > 0, line.axes = perpendicular(line.way);
    return line;
}

// Calls found(face's place in the tree, change of the winding number) for every face that a line crosses.
template <class Found>
__device__ void meet(const Triangles& mesh, const Aimed<float>& line, Found&& found) {
    int stack[MOST_DEPTH + 2], top = 0;
    stack[top++] = 0;
    while (top) {
        const MeshNode node = mesh.nodes[stack[--top]];
        const InBox<float> part = in_box(line, node);
        if (!(part.near <= part.far)) continue;
        if (!node.count) {
            stack[top++] = node.first, stack[top++] = node.first + 1;
            continue;
        }
        for (int i = node.first; i < node.first + node.count; ++i)
            if (const int turn = winding(seen(line, mesh.corners + 9 * (long long)i))) found(i, turn);
    }
}

__device__ inline Pixel crossing_pixel(const CrossingJob& job) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    Pixel pixel = {};
    pixel.column = (long long)blockIdx.x * BLOCK_WIDTH + (warp & 1) * 8 + (lane & 7);
    pixel.row = (long long)blockIdx.y * BLOCK_HEIGHT + (warp >> 1) * 4 + (lane >> 3);
    pixel.view = blockIdx.z;
    pixel.inside = pixel.row < job.height && pixel.column < job.width;
    return pixel;
}

// Calls work(mesh's number, line in it, the line aimed) for every mesh whose window holds the pixel.
template <class Work>
__device__ void for_meshes(const CrossingJob& job, const Pixel& p, Work&& work) {
    for (int m = 0; m < job.count; ++m) {
        const long long* window = job.windows + 4 * (p.view * job.count + m);
        if (p.row < window[0] || p.row >= window[1] || p.column < window[2] || p.column >= window[3]) continue;
        const LineInMesh line = line_in_mesh(job, job.meshes[m], p);
        if (line.valid) work(m, line, aimed(line.source, line.axes));
    }
}

__device__ inline bool comes_before(const CrossingJob& job, long long a, long long b) {
    if (job.t[a] != job.t[b]) return job.t[a] < job.t[b];
    return job.winding[a] != job.winding[b] ? job.winding[a] > job.winding[b] : job.face[a] < job.face[b];
}

// Puts the last of the crossings [first, last] where it belongs.
__device__ inline void sort_in(const CrossingJob& job, long long first, long long last) {
    for (long long n = last; n > first && comes_before(job, n, n - 1); --n) {
        const int face = job.face[n];
        const signed char winding = job.winding[n];
        const double t = job.t[n];
        job.face[n] = job.face[n - 1], job.winding[n] = job.winding[n - 1], job.t[n] = job.t[n - 1];
        job.face[n - 1] = face, job.winding[n - 1] = winding, job.t[n - 1] = t;
    }
}

}  // namespace deepdrr

extern "C" __global__ void __launch_bounds__(128) count_crossings(deepdrr::CrossingJob job) {
    using namespace deepdrr;
    const Pixel p = crossing_pixel(job);
    if (!p.inside) return;
    int count = 0;
    for_meshes(job, p, [&](int m, const LineInMesh&, const Aimed<float>& aim) {
        meet(job.meshes[m].mesh, aim, [&](int, int) { ++count; });
    });
    job.counts[(p.view * job.height + p.row) * job.width + p.column] = count;
}

extern "C" __global__ void __launch_bounds__(128) write_crossings(deepdrr::CrossingJob job) {
    using namespace deepdrr;
    const Pixel p = crossing_pixel(job);
    if (!p.inside) return;
    long long next = job.first[(p.view * job.height + p.row) * job.width + p.column];
    for_meshes(job, p, [&](int m, const LineInMesh& line, const Aimed<float>& aim) {
        const DeviceMesh& placed = job.meshes[m];
        const long long first = next;
        meet(placed.mesh, aim, [&](int i, int turn) {
            const int face = placed.mesh.faces[i];
            job.mesh[next] = m, job.face[next] = face, job.winding[next] = (signed char)turn;
            job.t[next] = crossing(placed.mesh, face, line.source, line.way, line.axes, turn);
            sort_in(job, first, next++);
        });
    });
}

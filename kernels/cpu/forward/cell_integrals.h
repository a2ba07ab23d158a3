// Exact integrals of a linear field for rays that share their cells: what the lanes have in common is computed once.
//
// Across the main axis the field of a slab is piecewise bilinear in u and v. With (x)+ = max(x, 0) it is the polynomial of one
// cell, continued over all of the packet's cells, and a kink at every plane u = p or v = q of voxel centers between them:
//
//     f = bilinear + sum_p (u - p)+ K_p(v) + sum_q (v - q)+ K_q(u) + sum_pq (u - p)+ (v - q)+ K_pq,
//
// K being second differences of the voxels. Along a ray u = u0 + t du and v = v0 + t dv. The bilinear part needs the sums of
// the voxels' planes weighted with 1, t and t^2: numbers, not lanes, for as many slabs as the packet's lowest cell stays the
// same; the lanes have a term of eight products for all of these slabs. A kink is a cubic along the ray from where the lane
// meets it: two Gauss-Legendre points are exact.
#pragma once

#include "march/slabs.h"
#include "packets/row.h"
#include "packets/values.h"

namespace deepdrr {

constexpr float GAUSS_EARLY = 0.211324865f, GAUSS_LATE = 0.788675135f;  // of an interval

// Parts of a slab, lane by lane, and the two points in each.
struct Pieces {
    Floats begin, end;

    DEEPDRR_FN Floats half() const { return 0.5f * (end - begin); }
    DEEPDRR_FN Floats early() const { return begin + GAUSS_EARLY * (end - begin); }
    DEEPDRR_FN Floats late() const { return begin + GAUSS_LATE * (end - begin); }
};

// Moments of the hat function about a plane at t, and of its halves after and before the plane: of 1, t and t^2.
struct Hat {
    float once, t, square;

    DEEPDRR_FN static Hat whole(float t) { return {1.0f, t, t * t + 1.0f / 6}; }
    DEEPDRR_FN static Hat after(float t) { return {0.5f, 0.5f * t + 1.0f / 6, 0.5f * t * t + t / 3 + 1.0f / 12}; }
    DEEPDRR_FN static Hat before(float t) { return {0.5f, 0.5f * t - 1.0f / 6, 0.5f * t * t - t / 3 + 1.0f / 12}; }
};

// Planes of four corners, weighted with such moments and summed.
struct PlaneSums {
    Row once = row_of(0.0f), t = row_of(0.0f), square = row_of(0.0f);

    DEEPDRR_FN void add(const Hat& hat, Row plane) {
        once = multiply_add(hat.once, plane, once), t = multiply_add(hat.t, plane, t);
        square = multiply_add(hat.square, plane, square);
    }
};

// The polynomials of 1, v, u, u v that such sums are.
struct RunCoefficients {
    alignas(16) float once[4], t[4], square[4];

    DEEPDRR_FN void set(const PlaneSums& sums) {
        store_row(once, bilinear(sums.once)), store_row(t, bilinear(sums.t)), store_row(square, bilinear(sums.square));
    }
};

// A channel's voxels, and its sums for the lanes.
template <int WIDTH, class T>
struct Summand {
    const T* data;
    alignas(64) float sum[WIDTH];

    DEEPDRR_FN void add(int g, Floats more) { add_to(sum + g * GROUP, more); }
};

// Four voxels at the corners of a square in memory: two pairs, whose members may be neighbors.
struct Face {
    std::int64_t at[4];
    bool paired;

    Face(std::int64_t low, std::int64_t high, std::int64_t left, std::int64_t right)
        : at{low + left, low + right, high + left, high + right}, paired(right - left == 1) {}

    template <class T>
    DEEPDRR_FN Row load(const T* data) const {
        if (paired) return load_pairs(data + at[0], data + at[2]);
        return row_of((float)data[at[0]], (float)data[at[1]], (float)data[at[2]], (float)data[at[3]]);
    }
};

// The integrals over a block of slabs.
template <int WIDTH, class T>
class SlabSums {
   public:
    using Channel = Summand<WIDTH, T>;

    SlabSums(const Grid& grid, const SlabAxes& axes, const SlabBlock<WIDTH>& block, Channel* channels, int count)
        : block_(block), channels_(channels), count_(count) {
        const int stride[3] = {grid.plane, grid.row, 1};
        for (int c = 0; c < 2; ++c) n_[c] = grid.n[axes.across[c]], stride_[c] = stride[axes.across[c]];
        const int n = grid.n[axes.main], step = stride[axes.main];
        for (int slab = 0; slab <= block.count; ++slab)
            plane_[slab] = (std::int64_t)clamp(block.first + slab, 0, n - 1) * step;
    }

    void add() {
        const int from = clamp(block_.whole_from, 0, block_.count), to = clamp(block_.whole_to, from, block_.count);
        for (int slab = 0; slab < from; ++slab) add_pieces(slab);
        for (int slab = from; slab < to;) {
            const int start = slab;
            while (++slab < to && same_cell(start, slab)) {}
            add_run(start, slab);
        }
        for (int slab = from; slab < to; ++slab)
            if (block_.from[0][slab] < block_.to[0][slab] || block_.from[1][slab] < block_.to[1][slab]) add_kinks(slab);
        for (int slab = to; slab < block_.count; ++slab) add_pieces(slab);
    }

   private:
    static constexpr int GROUPS = SlabBlock<WIDTH>::GROUPS;

    DEEPDRR_FN std::int64_t node(int c, int cell) const { return (std::int64_t)clamp(cell, 0, n_[c] - 1) * stride_[c]; }

    // -- the polynomial of the lowest cell --

    DEEPDRR_FN bool same_cell(int a, int b) const {
        return block_.from[0][a] == block_.from[0][b] && block_.from[1][a] == block_.from[1][b];
    }

    // The slabs start .. stop - 1.
    DEEPDRR_FN void add_run(int start, int stop) {
        const int i = block_.from[0][start], j = block_.from[1][start];
        const Face face(node(0, i), node(0, i + 1), node(1, j), node(1, j + 1));
        RunCoefficients k[CHANNELS];
        for (int n = 0; n < count_; ++n) k[n].set(plane_sums(channels_[n].data, face, start, stop));
        for (int g = 0; g < GROUPS; ++g) {
            const Floats u = block_.place(0, g, start, i), v = block_.place(1, g, start, j);
            const Floats du = block_.speed(0, g), dv = block_.speed(1, g);
            const Floats uv = u * v, mixed = u * dv + v * du, both = du * dv;
            for (int n = 0; n < count_; ++n) {
                const float *once = k[n].once, *t = k[n].t;
                const Floats level = once[0] + once[1] * v + once[2] * u, slope = t[1] * dv + t[2] * du;
                channels_[n].add(g, (level + once[3] * uv) + (slope + t[3] * mixed + k[n].square[3] * both));
            }
        }
    }

    DEEPDRR_FN PlaneSums plane_sums(const T* data, const Face& face, int start, int stop) const {
        PlaneSums run;
        run.add(Hat::after(0.0f), face.load(data + plane_[start]));
        for (int slab = start + 1; slab < stop; ++slab)
            run.add(Hat::whole((float)(slab - start)), face.load(data + plane_[slab]));
        run.add(Hat::before((float)(stop - start)), face.load(data + plane_[stop]));
        return run;
    }

    // -- kinks --

    DEEPDRR_FN void add_kinks(int slab) {
        const int from[2] = {block_.from[0][slab], block_.from[1][slab]};
        const int to[2] = {block_.to[0][slab], block_.to[1][slab]};
        for (int p = from[0] + 1; p <= to[0]; ++p) add_kink(0, slab, p, from[1]);
        for (int q = from[1] + 1; q <= to[1]; ++q) add_kink(1, slab, q, from[0]);
        for (int p = from[0] + 1; p <= to[0]; ++p)
            for (int q = from[1] + 1; q <= to[1]; ++q) add_corner(slab, p, q);
    }

    // Where x + t dx > 0 in a slab that the lanes cross whole.
    DEEPDRR_FN static Pieces beyond(Floats x, Floats per_cell) {
        const Floats none{}, one = none + 1.0f;
        const Floats meets = lesser(greater(-x * per_cell, none), one);
        const auto rises = per_cell > none;
        return {where(rises, meets, none), where(rises, one, meets)};
    }

    // The term (x - p)+ K_p(y) for x = u, y = v (c = 0) or the other way round.
    DEEPDRR_FN void add_kink(int c, int slab, int p, int base) {
        const int o = 1 - c;
        const Face face(plane_[slab], plane_[slab + 1], node(o, base), node(o, base + 1));
        const std::int64_t before = node(c, p - 1), here = node(c, p), after = node(c, p + 1);
        alignas(16) float k[CHANNELS][4];
        for (int n = 0; n < count_; ++n) {
            const T* data = channels_[n].data;
            const Row sides = face.load(data + before) + face.load(data + after);
            store_row(k[n], bilinear(multiply_add(-2.0f, face.load(data + here), sides)));
        }
        for (int g = 0; g < GROUPS; ++g) {
            const Floats x = block_.place(c, g, slab, p), dx = block_.speed(c, g);
            const Pieces piece = beyond(x, block_.slabs_per_cell(c, g));
            if (GROUPS > 1 && !any_less(piece.begin, piece.end)) continue;
            const Floats y = block_.place(o, g, slab, base), dy = block_.speed(o, g);
            const Floats half = piece.half(), s1 = piece.early(), s2 = piece.late();
            const Floats w1 = half * (x + s1 * dx), w2 = half * (x + s2 * dx);
            const Floats y1 = y + s1 * dy, y2 = y + s2 * dy, m1 = w1 * s1, m2 = w2 * s2;
            const Floats w = w1 + w2, wy = w1 * y1 + w2 * y2, wm = m1 + m2, wmy = m1 * y1 + m2 * y2;
            for (int n = 0; n < count_; ++n)
                channels_[n].add(g, (k[n][0] * w + k[n][1] * wy) + (k[n][2] * wm + k[n][3] * wmy));
        }
    }

    // The term (u - p)+ (v - q)+ K_pq.
    DEEPDRR_FN void add_corner(int slab, int p, int q) {
        const std::int64_t u_nodes[3] = {node(0, p - 1), node(0, p), node(0, p + 1)};
        const std::int64_t v_nodes[3] = {node(1, q - 1), node(1, q), node(1, q + 1)};
        float near[CHANNELS], far[CHANNELS];
        for (int n = 0; n < count_; ++n) {
            near[n] = mixed_difference(channels_[n].data + plane_[slab], u_nodes, v_nodes);
            far[n] = mixed_difference(channels_[n].data + plane_[slab + 1], u_nodes, v_nodes);
        }
        for (int g = 0; g < GROUPS; ++g) {
            const Floats u = block_.place(0, g, slab, p), v = block_.place(1, g, slab, q);
            const Floats du = block_.speed(0, g), dv = block_.speed(1, g);
            const Pieces a = beyond(u, block_.slabs_per_cell(0, g)), b = beyond(v, block_.slabs_per_cell(1, g));
            const Floats begin = greater(a.begin, b.begin), end = lesser(a.end, b.end);
            if (!any_less(begin, end)) continue;
            const Pieces piece{begin, greater(begin, end)};
            const Floats half = piece.half(), s1 = piece.early(), s2 = piece.late();
            const Floats w1 = half * ((u + s1 * du) * (v + s1 * dv)), w2 = half * ((u + s2 * du) * (v + s2 * dv));
            const Floats w = w1 + w2, wm = w1 * s1 + w2 * s2;
            for (int n = 0; n < count_; ++n) channels_[n].add(g, near[n] * w + (far[n] - near[n]) * wm);
        }
    }

    DEEPDRR_FN static float mixed_difference(const T* data, const std::int64_t* u, const std::int64_t* v) {
        const auto second = [&](const T* d) { return (float)d[v[0]] - 2.0f * (float)d[v[1]] + (float)d[v[2]]; };
        return second(data + u[0]) - 2.0f * second(data + u[1]) + second(data + u[2]);
    }

    // -- slabs where chords begin or end --

    // Each lane has an interval of its own in each cell, which may be empty.
    void add_pieces(int slab) {
        const int from[2] = {block_.from[0][slab], block_.from[1][slab]};
        const int to[2] = {block_.to[0][slab], block_.to[1][slab]};
        for (int g = 0; g < GROUPS; ++g) {
            const Floats n = Floats{} + (float)slab;
            const Pieces chord{clip(load<Floats>(block_.enter + g * GROUP) - n),
                               clip(load<Floats>(block_.leave + g * GROUP) - n)};
            for (int i = from[0]; i <= to[0]; ++i) {
                const Floats u = block_.place(0, g, slab, i);
                const Pieces part = narrow(u, block_.slabs_per_cell(0, g), i > from[0], i < to[0], chord);
                if (!any_less(part.begin, part.end)) continue;
                for (int j = from[1]; j <= to[1]; ++j) {
                    const Floats v = block_.place(1, g, slab, j);
                    const Pieces piece = narrow(v, block_.slabs_per_cell(1, g), j > from[1], j < to[1], part);
                    if (any_less(piece.begin, piece.end)) add_piece(slab, g, i, j, u, v, piece);
                }
            }
        }
    }

    DEEPDRR_FN static Floats clip(Floats s) { return lesser(greater(s, Floats{}), Floats{} + 1.0f); }

    // Cuts a piece down to where 0 <= x + s / per_cell <= 1, on the sides where the lanes have another cell.
    DEEPDRR_FN static Pieces narrow(Floats x, Floats per_cell, bool below, bool above, Pieces piece) {
        if (!below && !above) return piece;
        const Floats at_low = ((below ? 0.0f : -1e30f) - x) * per_cell, at_high = ((above ? 1.0f : 1e30f) - x) * per_cell;
        const Floats begin = lesser(greater(piece.begin, lesser(at_low, at_high)), piece.end);
        return {begin, greater(lesser(piece.end, greater(at_low, at_high)), begin)};
    }

    // Both points of the pieces in one cell, as weights of its corners.
    DEEPDRR_FN void add_piece(int slab, int g, int i, int j, Floats u, Floats v, const Pieces& piece) {
        const std::int64_t main[2] = {plane_[slab], plane_[slab + 1]}, across[2] = {node(0, i), node(0, i + 1)};
        const std::int64_t along[2] = {node(1, j), node(1, j + 1)};
        const Floats half = piece.half(), point[2] = {piece.early(), piece.late()};
        for (int n = 0; n < 2; ++n) {
            const Floats s = point[n], x = u + s * block_.speed(0, g), y = v + s * block_.speed(1, g);
            const Floats far = half * s, near = half - far;
            for (int corner = 0; corner < 4; ++corner) {
                const Floats w = (corner & 2 ? x : 1.0f - x) * (corner & 1 ? y : 1.0f - y);
                const std::int64_t at = across[corner >> 1] + along[corner & 1];
                for (int c = 0; c < count_; ++c) {
                    const T* data = channels_[c].data + at;
                    channels_[c].add(g, w * (near * (float)data[main[0]] + far * (float)data[main[1]]));
                }
            }
        }
    }

    const SlabBlock<WIDTH>& block_;
    Channel* channels_;
    int count_, n_[2], stride_[2];
    std::int64_t plane_[SLABS + 1];
};

}  // namespace deepdrr

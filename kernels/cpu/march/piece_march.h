// Value and derivative of a linear field, integrated exactly from cell to cell along the rays of a packet.
//
// In a cell both are polynomials along the ray, of degree 3 and 2: two Gauss-Legendre nodes are exact for both, and for
// the derivative times a linear function. The march collects the sums of slope_march.h, and the field at the chords'
// ends.
#pragma once

#include "deepdrr/chord_adjoint.h"
#include "march/cells.h"
#include "march/nodes.h"

namespace deepdrr {

// The field where the chords of a packet start and end.
template <class Field>
void add_ends(const Field& field, const Chord* chords, const Grid& grid, RaySums* sums) {
    for (int end = 0; end < 2; ++end) {
        alignas(64) int voxel[LANES];
        alignas(64) float part[3][LANES], value[LANES];
        for (int l = 0; l < LANES; ++l) {
            int low[3];
            for (int a = 0; a < 3; ++a) {
                const double p = chords[l].entry[a] + end * chords[l].length * chords[l].slope[a];
                const double inner = clamp(p, 0.0, (double)(grid.n[a] - 1));
                low[a] = lowest_corner((int)inner, grid.n[a]), part[a][l] = (float)(inner - low[a]);
            }
            voxel[l] = grid.voxel(low[0], low[1], low[2]);
        }
        for (int first = 0; first < LANES; first += GROUP) {
            const auto at = [&](int a) { return load<Floats>(part[a] + first); };
            const Cell<Floats> cell = field.cell(load<Ints>(voxel + first), at(0), at(1), at(2), first);
            store(trilinear_slope(cell, at(0), at(1), at(2)).value, value + first);
        }
        for (int l = 0; l < LANES; ++l) (end ? sums[l].last : sums[l].first) = value[l];
    }
}

// The sums of a chunk, in float.
struct ChunkSums {
    alignas(64) float value[LANES], slope[3][LANES], first_moment[3][LANES];
};

// A march over Marching's nodes; Integrand adds what they contribute to the sums of a chunk.
template <class Marching, class Integrand>
class ExactMarch {
   public:
    static constexpr bool exact = true;

    ExactMarch(const Chord* chords, const Grid& grid, double step)
        : nodes_(chords, grid, CellRange::whole(grid), step), grid_(grid) {
        for (int l = 0; l < LANES; ++l) chords_[l] = chords[l];
    }

    // One chunk; false where it was the last.
    template <class Field>
    bool advance(const Field& field) {
        if (!started_) add_ends(field, chords_, grid_, sums_);
        started_ = true;
        typename Marching::Packet nodes;
        ChunkSums chunk = {};
        bool more = true;
        for (int n = 0; n < CHUNK && (more = nodes_.next(nodes)); ++n)
            for (int first = 0; first < LANES; first += GROUP) integrand_.add(field, nodes, first, chunk);
        for (int l = 0; l < LANES; ++l) {
            sums_[l].integral += chunk.value[l];
            for (int a = 0; a < 3; ++a)
                sums_[l].slope[a] += chunk.slope[a][l], sums_[l].first_moment[a] += chunk.first_moment[a][l];
        }
        return more;
    }

    const RaySums& sums(int l) const { return sums_[l]; }

   private:
    static constexpr int CHUNK = 8;

    Marching nodes_;
    Integrand integrand_;
    Grid grid_;
    bool started_ = false;
    Chord chords_[LANES];
    RaySums sums_[LANES] = {};
};

// A linear field that is continuous along the ray.
struct ContinuousIntegrand {
    template <class Field>
    DEEPDRR_FN void add(const Field& field, const Nodes<2>& nodes, int first, ChunkSums& chunk) const {
        const auto within = [&](int n, int a) { return load<Floats>(nodes.at[n][a] + first); };
        const Cell<Floats> cell =
            field.cell(load<Ints>(nodes.voxel + first), within(0, 0), within(0, 1), within(0, 2), first);
        const auto moves = [&](int a) { return load<Floats>(nodes.moves[a] + first); };
        for (int n = 0; n < 2; ++n) {
            const Slope<Floats> f = trilinear_slope(cell, within(n, 0), within(n, 1), within(n, 2));
            const Floats w = load<Floats>(nodes.weight[n] + first), wu = w * load<Floats>(nodes.fraction[n] + first);
            const Floats slope[3] = {f.x * moves(0), f.y * moves(1), f.z * moves(2)};
            add_to(chunk.value + first, w * f.value);
            for (int a = 0; a < 3; ++a) {
                add_to(chunk.slope[a] + first, w * slope[a]);
                add_to(chunk.first_moment[a] + first, wu * slope[a]);
            }
        }
    }
};

using PieceMarch = ExactMarch<PieceNodes, ContinuousIntegrand>;

}  // namespace deepdrr

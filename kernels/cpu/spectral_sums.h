// Sums over a spectrum behind a body, and their derivatives: for every pixel, with the area densities a_m of M
// materials,
//
//   S_k = sum_n w_kn T_n,   T_n = exp(-sum_m mu_mn a_m),   k < K sums, n < N energies
//
// Pixels are processed in blocks whose planes (M of area densities, K of sums, a few of transmissions) stay in the
// first cache, a few energies at a time: no array of pixels times energies is ever made. The adjoint computes the
// transmissions again. The gradients of mu and w, to which all pixels add, are summed per task, in double, and then
// over the tasks in order. Tasks are the same for any number of threads, and so are the results to the last bit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "deepdrr/exp2.h"
#include "deepdrr/target.h"
#include "parallel.h"

namespace deepdrr {

constexpr int BLOCK_PIXELS = 256;
constexpr int NODES_AT_ONCE = 4;           // energies, or planes, taken together
constexpr int WIDTH = 16;                  // partial sums of a dot product
constexpr int LEAST_BLOCKS = 4;            // in a task
constexpr std::int64_t MOST_TASKS = 1024;  // what the sums per task may cost: 1024 * (M + K) * N doubles
constexpr double LOG2_E = 1.4426950408889634;

struct alignas(64) Plane {
    float at[BLOCK_PIXELS];
};

// A table [rows, N] as float32 in the two orders that are read.
struct Table {
    int rows, nodes;
    std::vector<float> by_node;   // [N, rows]
    std::vector<float> by_group;  // [N / NODES_AT_ONCE upwards, rows, NODES_AT_ONCE]

    Table(const double* values, int row_count, int node_count, double node_scale, double group_scale)
        : rows(row_count), nodes(node_count) {
        by_node.resize((std::size_t)nodes * rows);
        by_group.resize((std::size_t)((nodes + NODES_AT_ONCE - 1) / NODES_AT_ONCE) * rows * NODES_AT_ONCE);
        for (int r = 0; r < rows; ++r)
            for (int n = 0; n < nodes; ++n) {
                const double value = values[(std::int64_t)r * nodes + n];
                by_node[(std::size_t)n * rows + r] = (float)(node_scale * value);
                const std::size_t group = (std::size_t)(n / NODES_AT_ONCE) * rows + r;
                by_group[group * NODES_AT_ONCE + n % NODES_AT_ONCE] = (float)(group_scale * value);
            }
    }
    const float* node(int n) const { return by_node.data() + (std::size_t)n * rows; }
    const float* group(int n, int r) const {
        return by_group.data() + ((std::size_t)(n / NODES_AT_ONCE) * rows + r) * NODES_AT_ONCE;
    }
};

// mu with the sign and the unit of the exponent, and w.
struct Spectral {
    Table mu, weights;

    Spectral(const double* mu_values, int materials, const double* weight_values, int sums, int nodes)
        : mu(mu_values, materials, nodes, -LOG2_E, -1.0), weights(weight_values, sums, nodes, 1.0, 1.0) {}

    int group_at(int n) const { return std::min(NODES_AT_ONCE, mu.nodes - n); }  // nodes in the group that begins with n
};

// -- planes of a block -------------------------------------------------------------------------------------------------

template <int COUNT>
DEEPDRR_FN float mixture(const Plane* planes, const float* factor, int p) {
    float sum = factor[0] * planes[0].at[p];
    for (int i = 1; i < COUNT; ++i) sum += factor[i] * planes[i].at[p];
    return sum;
}

// out = or += the sum of some planes times their factors.
template <int COUNT>
void put(Plane& out, const Plane* planes, const float* factor) {
    float* DEEPDRR_RESTRICT to = out.at;
    DEEPDRR_LANES
    for (int p = 0; p < BLOCK_PIXELS; ++p) to[p] = mixture<COUNT>(planes, factor, p);
}

template <int COUNT>
void add(Plane& out, const Plane* planes, const float* factor) {
    float* DEEPDRR_RESTRICT to = out.at;
    DEEPDRR_LANES
    for (int p = 0; p < BLOCK_PIXELS; ++p) to[p] += mixture<COUNT>(planes, factor, p);
}

inline void put_up_to_four(Plane& out, const Plane* planes, const float* factor, int count) {
    switch (count) {
        case 1: return put<1>(out, planes, factor);
        case 2: return put<2>(out, planes, factor);
        case 3: return put<3>(out, planes, factor);
        default: return put<4>(out, planes, factor);
    }
}

inline void add_up_to_four(Plane& out, const Plane* planes, const float* factor, int count) {
    switch (count) {
        case 1: return add<1>(out, planes, factor);
        case 2: return add<2>(out, planes, factor);
        case 3: return add<3>(out, planes, factor);
        default: return add<4>(out, planes, factor);
    }
}

inline void mix(Plane& out, const Plane* planes, const float* factor, int count) {
    put_up_to_four(out, planes, factor, std::min(count, 4));
    for (int i = 4; i < count; i += 4) add_up_to_four(out, planes + i, factor + i, std::min(count - i, 4));
}

inline void raise_two(Plane& exponent) {
    float* at = exponent.at;
    DEEPDRR_LANES
    for (int p = 0; p < BLOCK_PIXELS; ++p) at[p] = exp2_of(at[p]);
}

inline void multiply(Plane& out, const Plane& by) {
    float* DEEPDRR_RESTRICT to = out.at;
    DEEPDRR_LANES
    for (int p = 0; p < BLOCK_PIXELS; ++p) to[p] *= by.at[p];
}

inline double dot(const Plane& a, const Plane& b) {
    float lane[WIDTH] = {};
    for (int p = 0; p < BLOCK_PIXELS; p += WIDTH) {
        DEEPDRR_LANES
        for (int l = 0; l < WIDTH; ++l) lane[l] += a.at[p + l] * b.at[p + l];
    }
    double sum = 0.0;
    for (int l = 0; l < WIDTH; ++l) sum += lane[l];
    return sum;
}

// -- pixels ------------------------------------------------------------------------------------------------------------

// Which pixels a task and a block have: pictures [B, planes, pixels], cut alike for any number of threads.
struct PixelBlocks {
    std::int64_t pixels, per_picture, per_task, tasks;

    PixelBlocks(std::int64_t pictures, std::int64_t pixels_each)
        : pixels(pixels_each),
          per_picture((pixels_each + BLOCK_PIXELS - 1) / BLOCK_PIXELS),
          all_(pictures * per_picture) {
        per_task = std::max<std::int64_t>(LEAST_BLOCKS, (all_ + MOST_TASKS - 1) / MOST_TASKS);
        tasks = (all_ + per_task - 1) / per_task;
    }

    // Calls work(picture, first pixel, pixels) for every block of a task.
    template <class Work>
    void for_each(std::int64_t task, const Work& work) const {
        for (std::int64_t b = task * per_task; b < std::min(all_, (task + 1) * per_task); ++b) {
            const std::int64_t first = b % per_picture * BLOCK_PIXELS;
            work(b / per_picture, first, (int)std::min<std::int64_t>(BLOCK_PIXELS, pixels - first));
        }
    }

   private:
    std::int64_t all_;
};

// The block of a picture [planes, pixels], zero after the last pixel; and back.
inline void load(Plane* to, const float* picture, int planes, const PixelBlocks& blocks, std::int64_t first, int count) {
    for (int i = 0; i < planes; ++i) {
        std::copy_n(picture + i * blocks.pixels + first, count, to[i].at);
        std::fill(to[i].at + count, to[i].at + BLOCK_PIXELS, 0.0f);
    }
}

inline void store(const Plane* from, float* picture, int planes, const PixelBlocks& blocks, std::int64_t first,
                  int count) {
    for (int i = 0; i < planes; ++i) std::copy_n(from[i].at, count, picture + i * blocks.pixels + first);
}

// Transmissions at the nodes of the group that begins with n.
inline void transmit(Plane* out, const Plane* areas, const Spectral& spectral, int n) {
    for (int j = 0; j < spectral.group_at(n); ++j) {
        mix(out[j], areas, spectral.mu.node(n + j), spectral.mu.rows);
        raise_two(out[j]);
    }
}

// -- the operator ------------------------------------------------------------------------------------------------------

// areas [B, M, pixels] → sums [B, K, pixels].
inline void spectral_sums(const float* areas, const Spectral& spectral, const PixelBlocks& blocks, float* sums,
                          int threads) {
    const int materials = spectral.mu.rows, count = spectral.weights.rows;
    parallel_for(blocks.tasks, threads, [&](std::int64_t task) {
        std::vector<Plane> room((std::size_t)(materials + count + NODES_AT_ONCE));
        Plane *area = room.data(), *sum = area + materials, *transmission = sum + count;
        blocks.for_each(task, [&](std::int64_t picture, std::int64_t first, int pixels) {
            load(area, areas + picture * materials * blocks.pixels, materials, blocks, first, pixels);
            std::fill(sum, sum + count, Plane{});
            for (int n = 0; n < spectral.mu.nodes; n += NODES_AT_ONCE) {
                transmit(transmission, area, spectral, n);
                for (int k = 0; k < count; ++k)
                    add_up_to_four(sum[k], transmission, spectral.weights.group(n, k), spectral.group_at(n));
            }
            store(sum, sums + picture * count * blocks.pixels, count, blocks, first, pixels);
        });
    });
}

// Arrays for the gradients; null where not wanted.
struct SpectralGradients {
    float* grad_areas;     // [B, M, pixels]
    double* grad_mu;       // [M, N]
    double* grad_weights;  // [K, N]
};

class SpectralAdjoint {
   public:
    SpectralAdjoint(const Spectral& spectral, const SpectralGradients& wanted)
        : spectral_(spectral), wanted_(wanted), materials_(spectral.mu.rows), count_(spectral.weights.rows) {}

    int nodes() const { return spectral_.mu.nodes; }
    int table_size() const { return (materials_ + count_) * nodes(); }

    // One block: area and upstream hold it, by_area gets its derivative, and table [M + K, nodes] what it adds there.
    void block(const Plane* area, const Plane* upstream, Plane* by_area, Plane* work, double* table) const {
        Plane *transmission = work, &pull = work[NODES_AT_ONCE];
        std::fill(by_area, by_area + materials_, Plane{});
        for (int n = 0; n < nodes(); n += NODES_AT_ONCE) {
            const int group = spectral_.group_at(n);
            transmit(transmission, area, spectral_, n);
            if (wanted_.grad_weights) products(table + materials_ * nodes(), upstream, count_, transmission, n, 1.0);
            if (!wanted_.grad_areas && !wanted_.grad_mu) continue;
            for (int j = 0; j < group; ++j) {  // from here on dL/dT times T, the derivative with respect to the exponent
                mix(pull, upstream, spectral_.weights.node(n + j), count_);
                multiply(transmission[j], pull);
            }
            if (wanted_.grad_mu) products(table, area, materials_, transmission, n, -1.0);
            if (wanted_.grad_areas)
                for (int m = 0; m < materials_; ++m)
                    add_up_to_four(by_area[m], transmission, spectral_.mu.group(n, m), group);
        }
    }

   private:
    void products(double* table, const Plane* planes, int rows, const Plane* by, int n, double sign) const {
        for (int r = 0; r < rows; ++r)
            for (int j = 0; j < spectral_.group_at(n); ++j) table[r * nodes() + n + j] += sign * dot(planes[r], by[j]);
    }

    const Spectral& spectral_;
    const SpectralGradients& wanted_;
    int materials_, count_;
};

// upstream [B, K, pixels] and areas [B, M, pixels] → derivatives.
inline void spectral_sums_adjoint(const float* upstream, const float* areas, const Spectral& spectral,
                                  const PixelBlocks& blocks, const SpectralGradients& wanted, int threads) {
    const int materials = spectral.mu.rows, count = spectral.weights.rows;
    const SpectralAdjoint adjoint(spectral, wanted);
    const bool tables = wanted.grad_mu || wanted.grad_weights;
    const std::size_t size = tables ? (std::size_t)adjoint.table_size() : 0;
    std::vector<double> partial(size * (std::size_t)blocks.tasks, 0.0);
    parallel_for(blocks.tasks, threads, [&](std::int64_t task) {
        std::vector<Plane> room((std::size_t)(2 * materials + count + NODES_AT_ONCE + 1));
        Plane *area = room.data(), *pull = area + materials, *by_area = pull + count, *work = by_area + materials;
        blocks.for_each(task, [&](std::int64_t picture, std::int64_t first, int pixels) {
            load(area, areas + picture * materials * blocks.pixels, materials, blocks, first, pixels);
            load(pull, upstream + picture * count * blocks.pixels, count, blocks, first, pixels);
            adjoint.block(area, pull, by_area, work, partial.data() + size * (std::size_t)task);
            if (wanted.grad_areas)
                store(by_area, wanted.grad_areas + picture * materials * blocks.pixels, materials, blocks, first,
                      pixels);
        });
    });
    if (!tables) return;
    const auto total = [&](double* row, std::size_t at, std::size_t numbers) {
        std::fill(row, row + numbers, 0.0);
        for (std::int64_t task = 0; task < blocks.tasks; ++task)
            for (std::size_t i = 0; i < numbers; ++i) row[i] += partial[size * (std::size_t)task + at + i];
    };
    const std::size_t grad_mu = (std::size_t)materials * adjoint.nodes();
    if (wanted.grad_mu) total(wanted.grad_mu, 0, grad_mu);
    if (wanted.grad_weights) total(wanted.grad_weights, grad_mu, size - grad_mu);
}

}  // namespace deepdrr

// The coefficients of a cubic B-spline, in place.
//
// Along each axis, (c[i-1] + 4 c[i] + c[i+1]) / 6 = f[i] is solved for c by the recursions of spline_recursion.h.
// Values beyond the grid mirror those inside about the outer voxels' centres, which are not repeated.
//
// The recursion runs in double; between the axes the numbers are floats. SIDE_BY_SIDE lines are filtered together, one
// per lane. The memory is passed twice: once plane by plane, along both axes of a plane while it is in the cache, and
// once across the planes. Gradients need the transpose.
#pragma once

#include <cstdint>
#include <vector>

#include "deepdrr/scalar.h"
#include "deepdrr/spline_recursion.h"
#include "parallel.h"

namespace deepdrr {

constexpr int SIDE_BY_SIDE = 32, BATCH = 16;  // lines, and values of a line, that are loaded together

struct Prefilter {
    float* DEEPDRR_RESTRICT data;        // [N, a, b, c], c dense
    std::int64_t n[4], stride[3];        // sizes, and strides of N, a and b
    bool transposed;
};

// One axis of n > 1 values.
struct Recursion : SplineAxis {
    double first[HORIZON];

    Recursion(std::int64_t length, bool transpose) : SplineAxis{length, transpose} {
        for (int k = 0; k < HORIZON; ++k) first[k] = first_weight(n, k);
    }
};

// SIDE_BY_SIDE lines or fewer: value k of line l at data[k * next + l * apart].
struct Lines {
    float* DEEPDRR_RESTRICT data;
    std::int64_t next, apart;
    int count;

    void load(std::int64_t k, int values, float (*rows)[SIDE_BY_SIDE]) const {
        if (apart == 1 && count == SIDE_BY_SIDE) {
            for (int r = 0; r < values; ++r)
                for (int l = 0; l < SIDE_BY_SIDE; ++l) rows[r][l] = data[(k + r) * next + l];
            return;
        }
        for (int l = 0; l < count; ++l)
            for (int r = 0; r < values; ++r) rows[r][l] = data[(k + r) * next + l * apart];
    }

    void store(std::int64_t k, int values, const float (*rows)[SIDE_BY_SIDE]) const {
        if (apart == 1 && count == SIDE_BY_SIDE) {
            for (int r = 0; r < values; ++r)
                for (int l = 0; l < SIDE_BY_SIDE; ++l) data[(k + r) * next + l] = rows[r][l];
            return;
        }
        for (int l = 0; l < count; ++l)
            for (int r = 0; r < values; ++r) data[(k + r) * next + l * apart] = rows[r][l];
    }
};

inline int batch(std::int64_t n, std::int64_t k) { return (int)lesser(n - k, (std::int64_t)BATCH); }

// sum[l]: the causal sum at the first value.
inline void begin(const Lines& lines, const Recursion& axis, double* sum) {
    alignas(64) float rows[BATCH][SIDE_BY_SIDE] = {};
    for (int l = 0; l < SIDE_BY_SIDE; ++l) sum[l] = 0.0;
    for (std::int64_t k = 0; k < axis.n && k < HORIZON; k += BATCH) {
        const int values = batch(axis.n, k);
        lines.load(k, values, rows);
        for (int r = 0; r < values; ++r) {
            const double weight = axis.gain(k + r) * axis.first[k + r];
            DEEPDRR_LANES
            for (int l = 0; l < SIDE_BY_SIDE; ++l) sum[l] += weight * rows[r][l];
        }
    }
}

// `sums` [n, SIDE_BY_SIDE] is room for the causal sums.
inline void filter(const Lines& lines, const Recursion& axis, double* DEEPDRR_RESTRICT sums) {
    constexpr double pole = POLE, last = LAST;
    alignas(64) float rows[BATCH][SIDE_BY_SIDE] = {};
    alignas(64) double at[SIDE_BY_SIDE];
    begin(lines, axis, at);
    for (std::int64_t k = 0; k < axis.n; k += BATCH) {
        const int values = batch(axis.n, k);
        lines.load(k, values, rows);
        for (int r = 0; r < values; ++r) {
            const double gain = axis.gain(k + r), keep = k + r > 0 ? pole : 1.0, add = k + r > 0 ? gain : 0.0;
            double* sum = sums + (k + r) * SIDE_BY_SIDE;
            DEEPDRR_LANES
            for (int l = 0; l < SIDE_BY_SIDE; ++l) sum[l] = at[l] = keep * at[l] + add * rows[r][l];
        }
    }
    const double* before = sums + (axis.n - 2) * SIDE_BY_SIDE;
    DEEPDRR_LANES
    for (int l = 0; l < SIDE_BY_SIDE; ++l) at[l] = last * (at[l] + pole * before[l]) / pole + at[l];
    for (std::int64_t k = (axis.n - 1) / BATCH * BATCH; k >= 0; k -= BATCH) {
        const int values = batch(axis.n, k);
        for (int r = values - 1; r >= 0; --r) {
            const double share = axis.share(k + r);
            const double* sum = sums + (k + r) * SIDE_BY_SIDE;
            DEEPDRR_LANES
            for (int l = 0; l < SIDE_BY_SIDE; ++l) {
                at[l] = pole * (at[l] - sum[l]);
                rows[r][l] = (float)(share * at[l]);
            }
        }
        lines.store(k, values, rows);
    }
}

// Lines of `next` between their values, `across` of them `apart`.
inline void filter_all(float* data, const Recursion& axis, std::int64_t next, std::int64_t across, std::int64_t apart,
                       double* sums) {
    for (std::int64_t l = 0; l < across; l += SIDE_BY_SIDE)
        filter(Lines{data + l * apart, next, apart, (int)lesser(across - l, (std::int64_t)SIDE_BY_SIDE)}, axis, sums);
}

inline void prefilter(const Prefilter& job, int threads) {
    const std::int64_t na = job.n[1], nb = job.n[2], nc = job.n[3];
    const Recursion a(na, job.transposed), b(nb, job.transposed), c(nc, job.transposed);
    parallel_for(job.n[0] * na, threads, [&](std::int64_t plane) {
        float* data = job.data + plane / na * job.stride[0] + plane % na * job.stride[1];
        std::vector<double> sums((std::size_t)(greater(nb, nc) * SIDE_BY_SIDE));
        if (nc > 1) filter_all(data, c, 1, nb, job.stride[2], sums.data());
        if (nb > 1) filter_all(data, b, job.stride[2], nc, 1, sums.data());
    });
    if (na == 1) return;
    parallel_for(job.n[0] * nb, threads, [&](std::int64_t row) {
        float* data = job.data + row / nb * job.stride[0] + row % nb * job.stride[2];
        std::vector<double> sums((std::size_t)(na * SIDE_BY_SIDE));
        filter_all(data, a, job.stride[1], nc, 1, sums.data());
    });
}

}  // namespace deepdrr

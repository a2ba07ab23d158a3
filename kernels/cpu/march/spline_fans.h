// Fans of rays (fans.h) through a cubic B-spline: at every sample, the sixteen rows of coefficients about them are
// mixed with weights that all rays share, and each ray looks up its four taps along k.
#pragma once

#include "march/bspline_taps.h"
#include "march/fans.h"

namespace deepdrr {

struct SplineFan : Fan {
    static constexpr int TAPS = 4;

    SplineFan(const Pixels& of, const SampledChord* chords) : Fan(of, chords, TAPS) {}
};

// Rows and weights of FAN_CHUNK samples of a fan, from sample `at` on.
struct SplineFanPositions {
    alignas(64) float i[4][FAN_CHUNK], j[4][FAN_CHUNK];  // weights
    alignas(64) int voxel[FAN_CHUNK];                     // the first that is read
    alignas(64) int first[FAN_CHUNK];                     // its k

    SplineFanPositions(const Fan& fan, int at, const Grid& grid) {
        DEEPDRR_LANES
        for (int s = 0; s < FAN_CHUNK; ++s) {
            const FanCell cell = fan_cell(fan, at + s, 1.0, grid);
            const Corner x = cell.x, y = cell.y;
            first[s] = cell.k;
            voxel[s] = grid.voxel(first_tap(x.low, grid.n[0]), first_tap(y.low, grid.n[1]), first[s]);
            bspline_weights(x.part, i[0][s], i[1][s], i[2][s], i[3][s]);
            bspline_weights(y.part, j[0][s], j[1][s], j[2][s], j[3][s]);
            fold_weights(x.low, grid.n[0], i[0][s], i[1][s], i[2][s], i[3][s]);
            fold_weights(y.low, grid.n[1], j[0][s], j[1][s], j[2][s], j[3][s]);
        }
    }
};

// Brings the rows of a later sample into the cache.
template <int ROWS>
DEEPDRR_FN void prefetch_rows(const float* at, const Grid& grid) {
    constexpr int line = 64, bytes = ROWS * LANES * (int)sizeof(float);
    for (int a = 0; a < 4; ++a)
        for (int b = 0; b < 4; ++b)
            for (int byte = 0; byte < bytes + line - 1; byte += line)
                DEEPDRR_PREFETCH((const char*)(at + a * (std::int64_t)grid.plane + b * (std::int64_t)grid.row) +
                                 lesser(byte, bytes - 1));
}

// mixed [LANES] = sum over i and j of weight * row.
DEEPDRR_FN void mix_rows(const float* at, const Grid& grid, const float* i, const float* j, float* mixed) {
    alignas(64) float plane[4][LANES];
    for (int a = 0; a < 4; ++a, at += grid.plane)
        mix(at, at + grid.row, at + 2 * (std::int64_t)grid.row, at + 3 * (std::int64_t)grid.row, j, plane[a]);
    mix(plane[0], plane[1], plane[2], plane[3], i, mixed);
}

// The four weights of every ray along k at sample n, and where its taps are in rows that begin at voxel `first`.
struct SplineLookUp {
    alignas(64) float weight[4][LANES];
    alignas(64) int low[LANES], high[LANES];  // taps 0 and 2

    SplineLookUp(const Fan& fan, int n, int first, const Grid& grid) {
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const Corner z = locate_in_double(fan.k_entry[l] + (double)n * fan.k_pace[l], grid.n[2]);
            bspline_weights(z.part, weight[0][l], weight[1][l], weight[2][l], weight[3][l]);
            fold_weights(z.low, grid.n[2], weight[0][l], weight[1][l], weight[2][l], weight[3][l]);
            low[l] = first_tap(z.low, grid.n[2]) - first, high[l] = low[l] + 2;
        }
    }
};

// Adds up to FAN_CHUNK samples of `count` channels from `first`.
template <int ROWS>
void advance_spline_rows(Fan& fan, const Values<float>& values, int first, int count) {
    const Grid grid = values.grid;
    const SplineFanPositions positions(fan, fan.at, grid), next(fan, fan.at + FAN_CHUNK, grid);
    const int samples = lesser(fan.count - fan.at, FAN_CHUNK);
    const int ahead = lesser(fan.count - fan.at - FAN_CHUNK, FAN_CHUNK);
    alignas(64) float sum[CHANNELS][LANES] = {};
    for (int s = 0; s < samples; ++s) {
        const SplineLookUp k(fan, fan.at + s, positions.first[s], grid);
        float i[4], j[4];
        for (int t = 0; t < 4; ++t) i[t] = positions.i[t][s], j[t] = positions.j[t][s];
        for (int c = 0; c < count; ++c) {
            const float* channel = values.channel(first + c);
            if (s < ahead) prefetch_rows<ROWS>(channel + next.voxel[s], grid);
            alignas(64) float row[ROWS * LANES];
            for (int r = 0; r < ROWS * LANES; r += LANES)
                mix_rows(channel + positions.voxel[s] + r, grid, i, j, row + r);
            Pairs low, high;
            look_up<ROWS>(row, k.low, low), look_up<ROWS>(row, k.high, high);
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l)
                sum[c][l] += (k.weight[0][l] * low.low[l] + k.weight[1][l] * low.high[l]) +
                             (k.weight[2][l] * high.low[l] + k.weight[3][l] * high.high[l]);
        }
    }
    fan.at += samples;
    for (int c = 0; c < count; ++c)
        for (int l = 0; l < LANES; ++l) fan.total[c][l] += fan.part[l] * sum[c][l];
}

// False at the end of the fan's rays.
inline bool advance(SplineFan& fan, const Values<float>& values, int first, int count, const std::int64_t*) {
    if (fan.at >= fan.count) return false;
    if (fan.rows == 1)
        advance_spline_rows<1>(fan, values, first, count);
    else if (fan.rows == 2)
        advance_spline_rows<2>(fan, values, first, count);
    else if (fan.rows == 3)
        advance_spline_rows<3>(fan, values, first, count);
    else
        advance_spline_rows<MOST_ROWS>(fan, values, first, count);
    return fan.at < fan.count;
}

}  // namespace deepdrr

// Fans: packets of neighbouring rays, along a row or a column of pixels, that lie in one plane with the k axis.
//
// At every sample, the rays of a fan have the same position along i and j and differ along k only. The four rows of
// voxels about them are read whole, mixed with weights that all rays share, and looked up along k: no voxel is fetched
// twice and none is gathered. A view has such rows or columns of pixels where an edge of its detector runs along k.
//
// Rays of a fan have chords with the same number of samples, and the same entry and pace along i and j up to
// SAME_POSITION voxels, which changes a result by far less than its rounding. Fans are found from the chords
// themselves; all other rays march in packets of their own.
#pragma once

#include "deepdrr/midpoints.h"
#include "deepdrr/trilinear.h"
#include "march/stencil_marches.h"
#include "packets/blocks.h"
#include "packets/fetch.h"
#include "packets/image.h"
#include "packets/lanes.h"
#include "packets/values.h"

namespace deepdrr {

constexpr double SAME_POSITION = 2e-5;
constexpr int MOST_ROWS = 4;       // of LANES voxels, looked up at once
constexpr int LEAST_RAYS = 5;      // fewer are as fast in packets of their own
constexpr int FAN_CHUNK = LANES;   // samples whose positions are found together

// A chord and its samples at entry + n pace, n = 0 .. count - 1, in voxels.
struct SampledChord {
    double entry[3], last[3];  // samples 0 and count - 1
    double part;               // mm from one to the next
    int count;

    SampledChord(const Chord& chord, double step) : count(sample_count(chord.length, step)) {
        part = count > 0 ? chord.length / count : 0.0;
        for (int a = 0; a < 3; ++a) {
            entry[a] = chord.entry[a] + 0.5 * part * chord.slope[a];
            last[a] = chord.entry[a] + (count - 0.5) * part * chord.slope[a];
        }
    }

    double pace(int axis) const { return count > 1 ? (last[axis] - entry[axis]) / (count - 1) : 0.0; }
};

inline bool coplanar(const SampledChord& a, const SampledChord& b) {
    double apart = 0.0;
    for (int x = 0; x < 2; ++x)
        apart = greater(apart, greater(magnitude(a.entry[x] - b.entry[x]), magnitude(a.last[x] - b.last[x])));
    return a.count > 0 && a.count == b.count && apart <= SAME_POSITION;
}

// Whether, from the first sample to the last, all rays lie between the first ray and the last ray along k.
inline bool ordered_along_k(const SampledChord* chords, int length) {
    const double tolerance = 0.005;  // voxels
    const SampledChord &a = chords[0], &b = chords[length - 1];
    const double way = a.entry[2] + a.last[2] <= b.entry[2] + b.last[2] ? 1.0 : -1.0;
    double beyond = 0.0;
    for (int l = 0; l < length; ++l) {
        const SampledChord& c = chords[l];
        beyond = greater(beyond, greater(way * (a.entry[2] - c.entry[2]), way * (a.last[2] - c.last[2])));
        beyond = greater(beyond, greater(way * (c.entry[2] - b.entry[2]), way * (c.last[2] - b.last[2])));
    }
    return beyond <= tolerance;
}

struct Fan {
    static constexpr int TAPS = 2;
    // Voxels; more than what `ordered_along_k` and rounding allow a ray to lie below the lowest.
    static constexpr float MARGIN = 0.01f;

    Pixels pixels;
    int count, at = 0;        // samples, and how many of them are done
    bool begun = false;       // whether the first were read ahead
    int rows;                 // of LANES voxels, from the first ray to the last
    int span;                 // voxels from the lowest that is looked up to the highest, at most
    double entry[3], pace[3];  // shared along i and j; of the lowest ray along k
    alignas(64) double k_entry[LANES], k_pace[LANES];
    alignas(64) float part[LANES];
    alignas(64) float total[CHANNELS][LANES] = {};
    unsigned occupied[CHANNELS] = {};  // a bit per sample of the next chunk: whether the channel is read there

    // TAPS voxels along k are looked up for a sample.
    Fan(const Pixels& of, const SampledChord* chords, int taps = TAPS) : pixels(of), count(chords[0].count) {
        const SampledChord &first = chords[0], &last = chords[of.count - 1];
        const SampledChord& lowest = first.entry[2] + first.last[2] <= last.entry[2] + last.last[2] ? first : last;
        for (int a = 0; a < 3; ++a) {
            const SampledChord& chord = a < 2 ? chords[of.count / 2] : lowest;
            entry[a] = chord.entry[a], pace[a] = chord.pace(a);
        }
        for (int l = 0; l < LANES; ++l) {
            const SampledChord& chord = chords[lesser(l, of.count - 1)];
            k_entry[l] = chord.entry[2], k_pace[l] = chord.pace(2), part[l] = (float)chord.part;
        }
        rows = rows_between(first, last, taps), span = reach(first, last, taps);
    }

    double result(int c, int l) const { return total[c][l]; }

    // A bit for each sample of the chunk that starts at sample `first`.
    unsigned samples(int first) const { return (1u << clamp(count - first, 0, FAN_CHUNK)) - 1u; }

    // As many as hold the taps of every ray between two.
    static int rows_between(const SampledChord& a, const SampledChord& b, int taps) {
        return reach(a, b, taps) / LANES + 1;
    }

    static int reach(const SampledChord& a, const SampledChord& b, int taps) {
        const double apart = greater(magnitude(a.entry[2] - b.entry[2]), magnitude(a.last[2] - b.last[2]));
        return (int)(apart + taps + 1.0 + MARGIN);
    }
};

// Finds the fans on a line of pixels: on_fan(from, to) for each.
template <class OnFan>
void split_line(const SampledChord* chords, int length, const Grid& grid, int taps, const OnFan& on_fan) {
    const int most = lesser(MOST_ROWS, grid.n[2] / LANES);
    for (int from = 0, to; from < length; from = to) {
        to = from + 1;
        while (to < length && to - from < LANES && coplanar(chords[from], chords[to]) &&
               Fan::rows_between(chords[from], chords[to], taps) <= most)
            ++to;
        if (to - from >= LEAST_RAYS && ordered_along_k(chords + from, to - from)) on_fan(from, to);
    }
}

// `locate` in double: in a large grid, float has too few digits for the position in a cell.
DEEPDRR_FN Corner locate_in_double(double p, int n) {
    const double inner = clamp(p, 0.0, (double)(n - 1));
    const int low = lowest_corner((int)inner, n);
    return {low, (float)(inner - (double)low)};
}

// The cell of sample n of a fan along i and j, and the first voxel along k that its rays read: the lowest ray's cell
// begins `below` voxels above it.
struct FanCell {
    Corner x, y;
    int k;
};

DEEPDRR_FN FanCell fan_cell(const Fan& fan, double n, double below, const Grid& grid) {
    const Corner x = locate_in_double(fan.entry[0] + n * fan.pace[0], grid.n[0]);
    const Corner y = locate_in_double(fan.entry[1] + n * fan.pace[1], grid.n[1]);
    const double lowest = greater(fan.entry[2] + n * fan.pace[2] - Fan::MARGIN - below, 0.0);
    return {x, y, lesser((int)lowest, grid.n[2] - LANES * fan.rows)};
}

// Cells, weights and rows of FAN_CHUNK samples of a fan, from sample `at` on.
struct FanPositions {
    alignas(64) float weight[4][FAN_CHUNK];  // of the rows (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1)
    alignas(64) int voxel[FAN_CHUNK];        // the first that is read
    alignas(64) int first[FAN_CHUNK];        // its k
    alignas(64) int i[FAN_CHUNK], j[FAN_CHUNK];  // of the cell

    DEEPDRR_FN FanPositions(const Fan& fan, int at, const Grid& grid) {
        DEEPDRR_LANES
        for (int s = 0; s < FAN_CHUNK; ++s) {
            const FanCell cell = fan_cell(fan, at + s, 0.0, grid);
            const float x = cell.x.part, y = cell.y.part, both = x * y;
            first[s] = cell.k, i[s] = cell.x.low, j[s] = cell.y.low;
            voxel[s] = grid.voxel(cell.x.low, cell.y.low, cell.k);
            weight[0][s] = 1.0f - x - y + both, weight[1][s] = y - both;
            weight[2][s] = x - both, weight[3][s] = both;
        }
    }
};

// The blocks about the samples of a chunk: a word of the map, and bits of it.
struct FanBlocks {
    alignas(64) int word[FAN_CHUNK];
    alignas(64) std::uint32_t bits[FAN_CHUNK];

    DEEPDRR_FN FanBlocks(const Fan& fan, const FanPositions& positions, const BlockGrid& grid) {
        DEEPDRR_LANES
        for (int s = 0; s < FAN_CHUNK; ++s) {
            word[s] = grid.word(positions.i[s], positions.j[s]);
            bits[s] = grid.bits(positions.first[s], positions.first[s] + fan.span);
        }
    }

    // A bit per sample: whether it lies in occupied blocks of a channel's map.
    unsigned occupied(const std::uint32_t* map) const {
        unsigned samples = 0;
        for (int s = 0; s < FAN_CHUNK; s += GROUP)
            samples |= bits_of(gather(map, load<Ints>(word + s)) & load<Ints>(bits + s)) << s;
        return samples;
    }
};

// Finds the samples of the next chunk to read in each of `count` channels.
template <class T>
void find_occupied(Fan& fan, const Blocks<T>& blocks, const FanPositions& positions, int first, int count) {
    for (int c = 0; c < count; ++c) fan.occupied[c] = fan.samples(fan.at);
    if (!blocks.known()) return;
    const FanBlocks about(fan, positions, blocks.grid());
    for (int c = 0; c < count; ++c) fan.occupied[c] &= about.occupied(blocks.channel(first + c));
}

// Positions of the rays along k at the samples of a chunk: whole voxels from the first that is read, and the rest.
struct FanLookUps {
    alignas(64) int index[FAN_CHUNK][LANES];
    alignas(64) float part[FAN_CHUNK][LANES];

    DEEPDRR_FN FanLookUps(const Fan& fan, const FanPositions& positions, const Grid& grid) {
        alignas(64) int base[LANES];  // whole voxels before the chunk's first sample; positions count from there
        alignas(64) float start[LANES], pace[LANES];
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const double k = fan.k_entry[l] + (double)fan.at * fan.k_pace[l];
            base[l] = (int)k, start[l] = (float)(k - (double)base[l]), pace[l] = (float)fan.k_pace[l];
        }
        for (int s = 0; fan.samples(fan.at) >> s; ++s) {
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) {
                const float k = clamp(start[l] + (float)s * pace[l], (float)-base[l], (float)(grid.n[2] - 1 - base[l]));
                const int whole = (int)k, below = whole - (k < (float)whole);
                const int low = lesser(below, grid.n[2] - 2 - base[l]);
                part[s][l] = k - (float)low, index[s][l] = low + base[l] - positions.first[s];
            }
        }
    }
};

// Brings the rows of a later sample into the cache; of a single row only its first line: the next fan starts at its
// end.
template <int ROWS, class T>
DEEPDRR_FN void prefetch(const T* at, const std::int64_t* offset) {
    constexpr int line = 64, bytes = ROWS == 1 ? 1 : ROWS * LANES * (int)sizeof(T);
    for (int corner = 0; corner < 8; corner += 2)
        for (int byte = 0; byte < bytes + line - 1; byte += line)
            DEEPDRR_PREFETCH_FAR((const char*)(at + offset[corner]) + lesser(byte, bytes - 1));
}

// Adds one channel's values at sample s of a chunk.
template <int ROWS, class T>
DEEPDRR_FN void add_sample(const T* at, const std::int64_t* offset, const FanPositions& positions,
                           const FanLookUps& look_ups, int s, Floats* sum) {
    float weight[4];
    for (int row = 0; row < 4; ++row) weight[row] = positions.weight[row][s];
    alignas(64) float row[ROWS * LANES];
    for (int r = 0; r < ROWS * LANES; r += LANES)
        mix(at + r, at + r + offset[2], at + r + offset[4], at + r + offset[6], weight, row + r);
    Pairs pairs;
    look_up<ROWS>(row, look_ups.index[s], pairs);
    for (int group = 0; group < LANES / GROUP; ++group) {
        const int l = group * GROUP;
        const Floats low = load<Floats>(pairs.low + l), high = load<Floats>(pairs.high + l);
        sum[group] += low + load<Floats>(look_ups.part[s] + l) * (high - low);
    }
}

// Brings the first samples of a fan into the cache.
template <int ROWS, class T>
void read_ahead(Fan& fan, const Values<T>& values, int first, int count, const std::int64_t* offset) {
    fan.begun = true;
    const FanPositions positions(fan, fan.at, values.grid);
    find_occupied(fan, Blocks<T>(values), positions, first, count);
    for (int c = 0; c < count; ++c)
        for (int s = 0; s < FAN_CHUNK; ++s)
            if (fan.occupied[c] >> s & 1) prefetch<ROWS>(values.channel(first + c) + positions.voxel[s], offset);
}

// Adds up to FAN_CHUNK samples of `count` channels from `first`, and brings those after them into the cache.
template <int ROWS, class T>
void advance_rows(Fan& fan, const Values<T>& values, int first, int count, const std::int64_t* offset) {
    if (!fan.begun) return read_ahead<ROWS>(fan, values, first, count, offset);
    const Grid& grid = values.grid;
    const FanPositions positions(fan, fan.at, grid), next(fan, fan.at + FAN_CHUNK, grid);
    const FanLookUps look_ups(fan, positions, grid);
    unsigned occupied[CHANNELS];
    for (int c = 0; c < count; ++c) occupied[c] = fan.occupied[c];
    fan.at += FAN_CHUNK;
    find_occupied(fan, Blocks<T>(values), next, first, count);
    for (int c = 0; c < count; ++c) {
        const T* channel = values.channel(first + c);
        if ((occupied[c] | fan.occupied[c]) == 0) continue;
        Floats sum[LANES / GROUP] = {};
        for (int s = 0; s < FAN_CHUNK; ++s) {
            if (fan.occupied[c] >> s & 1) prefetch<ROWS>(channel + next.voxel[s], offset);
            if (occupied[c] >> s & 1)
                add_sample<ROWS>(channel + positions.voxel[s], offset, positions, look_ups, s, sum);
        }
        for (int l = 0; l < LANES; l += GROUP)
            add_to(fan.total[c] + l, load<Floats>(fan.part + l) * sum[l / GROUP]);
    }
}

// False at the end of the fan's rays.
template <class T>
bool advance(Fan& fan, const Values<T>& values, int first, int count, const std::int64_t* offset) {
    if (fan.at >= fan.count) return false;
    if (fan.rows == 1)
        advance_rows<1>(fan, values, first, count, offset);
    else if (fan.rows == 2)
        advance_rows<2>(fan, values, first, count, offset);
    else if (fan.rows == 3)
        advance_rows<3>(fan, values, first, count, offset);
    else
        advance_rows<MOST_ROWS>(fan, values, first, count, offset);
    return fan.at < fan.count;
}

}  // namespace deepdrr

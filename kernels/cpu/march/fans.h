// Sheets: packets of neighbouring rays, along a row or a column of pixels, that lie in one plane with the k axis.
//
// At every sample such rays share their place along i and j and differ along k only. The four rows of voxels about them
// are read whole, mixed with weights that all rays share, and looked up along k: no voxel is fetched twice and none is
// gathered. A view has such rows or columns of pixels where an edge of its detector runs along k.
//
// Rays of a sheet have chords of the same number of samples, which enter and advance alike along i and j up to
// SAME_PLACE voxels: what that can change is far below the result's rounding. They are found from the chords themselves;
// all other rays march as packets of their own.
#pragma once

#include "deepdrr/midpoints.h"
#include "deepdrr/trilinear.h"
#include "packets/blocks.h"
#include "packets/fetch.h"
#include "packets/image.h"
#include "packets/lanes.h"
#include "march/stencil_marches.h"
#include "packets/values.h"

namespace deepdrr {

constexpr double SAME_PLACE = 2e-5;
constexpr int MOST_ROWS = 4;       // of LANES voxels, that are looked up at once
constexpr int LEAST_RAYS = 5;      // fewer are as fast on their own
constexpr int SHEET_TURN = LANES;  // samples whose places are found together

// Where the samples of a chord lie: entry + n pace, n = 0 .. count - 1, in voxels.
struct Course {
    double entry[3], last[3];  // samples 0 and count - 1
    double part;               // mm from one to the next
    int count;

    Course(const Chord& chord, double step) : count(sample_count(chord.length, step)) {
        part = count > 0 ? chord.length / count : 0.0;
        for (int a = 0; a < 3; ++a) {
            entry[a] = chord.entry[a] + 0.5 * part * chord.slope[a];
            last[a] = chord.entry[a] + (count - 0.5) * part * chord.slope[a];
        }
    }

    double pace(int axis) const { return count > 1 ? (last[axis] - entry[axis]) / (count - 1) : 0.0; }
};

inline bool alongside(const Course& a, const Course& b) {
    double apart = 0.0;
    for (int x = 0; x < 2; ++x)
        apart = greater(apart, greater(magnitude(a.entry[x] - b.entry[x]), magnitude(a.last[x] - b.last[x])));
    return a.count > 0 && a.count == b.count && apart <= SAME_PLACE;
}

// Whether all rays lie between the first and the last along k too, from the first sample to the last one.
inline bool in_order(const Course* courses, int length) {
    const double tolerance = 0.005;  // voxels
    const Course &a = courses[0], &b = courses[length - 1];
    const double way = a.entry[2] + a.last[2] <= b.entry[2] + b.last[2] ? 1.0 : -1.0;
    double beyond = 0.0;
    for (int l = 0; l < length; ++l) {
        const Course& c = courses[l];
        beyond = greater(beyond, greater(way * (a.entry[2] - c.entry[2]), way * (a.last[2] - c.last[2])));
        beyond = greater(beyond, greater(way * (c.entry[2] - b.entry[2]), way * (c.last[2] - b.last[2])));
    }
    return beyond <= tolerance;
}

struct Sheet {
    static constexpr int TAPS = 2;
    static constexpr float MARGIN = 0.01f;  // voxels, more than `in_order` and rounding let a ray lie beyond the lowest

    Pixels pixels;
    int count, at = 0;        // samples, and how many of them are done
    bool begun = false;       // whether the first were read ahead
    int rows;                 // of LANES voxels, from the first ray to the last
    int span;                 // voxels from the lowest that is looked up to the highest, at most
    double entry[3], pace[3];  // shared along i and j; of the lowest ray along k
    alignas(64) double k_entry[LANES], k_pace[LANES];
    alignas(64) float part[LANES];
    alignas(64) float total[CHANNELS][LANES] = {};
    unsigned busy[CHANNELS] = {};  // a bit per sample of the next turn: whether the channel is read there

    // TAPS voxels along k are looked up for a sample.
    Sheet(const Pixels& of, const Course* courses, int taps = TAPS) : pixels(of), count(courses[0].count) {
        const Course &first = courses[0], &last = courses[of.count - 1];
        const Course& lowest = first.entry[2] + first.last[2] <= last.entry[2] + last.last[2] ? first : last;
        for (int a = 0; a < 3; ++a) {
            const Course& course = a < 2 ? courses[of.count / 2] : lowest;
            entry[a] = course.entry[a], pace[a] = course.pace(a);
        }
        for (int l = 0; l < LANES; ++l) {
            const Course& course = courses[lesser(l, of.count - 1)];
            k_entry[l] = course.entry[2], k_pace[l] = course.pace(2), part[l] = (float)course.part;
        }
        rows = rows_between(first, last, taps), span = reach(first, last, taps);
    }

    double result(int c, int l) const { return total[c][l]; }

    // A bit for each sample of the turn from `first` on.
    unsigned samples(int first) const { return (1u << clamp(count - first, 0, SHEET_TURN)) - 1u; }

    // As many as hold the taps of every ray between two.
    static int rows_between(const Course& a, const Course& b, int taps) {
        return reach(a, b, taps) / LANES + 1;
    }

    static int reach(const Course& a, const Course& b, int taps) {
        const double apart = greater(magnitude(a.entry[2] - b.entry[2]), magnitude(a.last[2] - b.last[2]));
        return (int)(apart + taps + 1.0 + MARGIN);
    }
};

// Finds the sheets on a line of pixels: on_sheet(from, to) for each.
template <class OnSheet>
void cut_line(const Course* courses, int length, const Grid& grid, int taps, const OnSheet& on_sheet) {
    const int most = lesser(MOST_ROWS, grid.n[2] / LANES);
    for (int from = 0, to; from < length; from = to) {
        to = from + 1;
        while (to < length && to - from < LANES && alongside(courses[from], courses[to]) &&
               Sheet::rows_between(courses[from], courses[to], taps) <= most)
            ++to;
        if (to - from >= LEAST_RAYS && in_order(courses + from, to - from)) on_sheet(from, to);
    }
}

// A place whose part of a cell does not lose what float has too few digits for in a large grid.
DEEPDRR_FN Corner locate_in_double(double p, int n) {
    const double inner = clamp(p, 0.0, (double)(n - 1));
    const int low = lowest_corner((int)inner, n);
    return {low, (float)(inner - (double)low)};
}

// The places of SHEET_TURN samples of a sheet, from sample `at` on.
struct SheetPlaces {
    alignas(64) float weight[4][SHEET_TURN];  // of the rows (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1)
    alignas(64) int voxel[SHEET_TURN];        // the first that is read
    alignas(64) int first[SHEET_TURN];        // its k
    alignas(64) int i[SHEET_TURN], j[SHEET_TURN];  // of the cell

    DEEPDRR_FN SheetPlaces(const Sheet& sheet, int at, const Grid& grid) {
        const int furthest = grid.n[2] - LANES * sheet.rows;
        DEEPDRR_LANES
        for (int s = 0; s < SHEET_TURN; ++s) {
            const double n = at + s;
            const Corner x = locate_in_double(sheet.entry[0] + n * sheet.pace[0], grid.n[0]);
            const Corner y = locate_in_double(sheet.entry[1] + n * sheet.pace[1], grid.n[1]);
            const double k = greater(sheet.entry[2] + n * sheet.pace[2] - Sheet::MARGIN, 0.0);
            const int low = lesser((int)k, furthest);
            const float both = x.part * y.part;
            first[s] = low, i[s] = x.low, j[s] = y.low, voxel[s] = grid.voxel(x.low, y.low, low);
            weight[0][s] = 1.0f - x.part - y.part + both, weight[1][s] = y.part - both;
            weight[2][s] = x.part - both, weight[3][s] = both;
        }
    }
};

// The blocks about the samples of a turn: a word of the map, and bits of it.
struct SheetBlocks {
    alignas(64) int word[SHEET_TURN];
    alignas(64) std::uint32_t bits[SHEET_TURN];

    DEEPDRR_FN SheetBlocks(const Sheet& sheet, const SheetPlaces& places, const BlockGrid& grid) {
        DEEPDRR_LANES
        for (int s = 0; s < SHEET_TURN; ++s) {
            word[s] = grid.word(places.i[s], places.j[s]);
            bits[s] = grid.bits(places.first[s], places.first[s] + sheet.span);
        }
    }

    // A bit per sample: whether a channel, of this map, is not zero about it.
    unsigned busy(const std::uint32_t* map) const {
        unsigned samples = 0;
        for (int s = 0; s < SHEET_TURN; s += GROUP)
            samples |= bits_of(gather(map, load<Ints>(word + s)) & load<Ints>(bits + s)) << s;
        return samples;
    }
};

// Which samples of the next turn need be read, in each of `count` channels.
template <class T>
void find_busy(Sheet& sheet, const Blocks<T>& blocks, const SheetPlaces& places, int first, int count) {
    for (int c = 0; c < count; ++c) sheet.busy[c] = sheet.samples(sheet.at);
    if (!blocks.known()) return;
    const SheetBlocks about(sheet, places, blocks.grid());
    for (int c = 0; c < count; ++c) sheet.busy[c] &= about.busy(blocks.channel(first + c));
}

// Where the rays lie along k at the samples of a turn: so far from the first voxel that is read, and beyond that.
struct SheetLookUps {
    alignas(64) int index[SHEET_TURN][LANES];
    alignas(64) float part[SHEET_TURN][LANES];

    DEEPDRR_FN SheetLookUps(const Sheet& sheet, const SheetPlaces& places, const Grid& grid) {
        alignas(64) int base[LANES];  // whole voxels before the turn's first sample: the rest counts from there, in float
        alignas(64) float start[LANES], pace[LANES];
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            const double k = sheet.k_entry[l] + (double)sheet.at * sheet.k_pace[l];
            base[l] = (int)k, start[l] = (float)(k - (double)base[l]), pace[l] = (float)sheet.k_pace[l];
        }
        for (int s = 0; sheet.samples(sheet.at) >> s; ++s) {
            DEEPDRR_LANES
            for (int l = 0; l < LANES; ++l) {
                const float k = clamp(start[l] + (float)s * pace[l], (float)-base[l], (float)(grid.n[2] - 1 - base[l]));
                const int whole = (int)k, below = whole - (k < (float)whole);
                const int low = lesser(below, grid.n[2] - 2 - base[l]);
                part[s][l] = k - (float)low, index[s][l] = low + base[l] - places.first[s];
            }
        }
    }
};

// Brings the rows of a later sample into the cache; of one row its first line, as the next sheet begins where it ends.
template <int ROWS, class T>
DEEPDRR_FN void prefetch(const T* at, const std::int64_t* offset) {
    constexpr int line = 64, bytes = ROWS == 1 ? 1 : ROWS * LANES * (int)sizeof(T);
    for (int corner = 0; corner < 8; corner += 2)
        for (int byte = 0; byte < bytes + line - 1; byte += line)
            DEEPDRR_PREFETCH_FAR((const char*)(at + offset[corner]) + lesser(byte, bytes - 1));
}

// What the rays meet at sample s of a turn, in one channel.
template <int ROWS, class T>
DEEPDRR_FN void add_sample(const T* at, const std::int64_t* offset, const SheetPlaces& places,
                           const SheetLookUps& look_ups, int s, Floats* sum) {
    const float weight[4] = {places.weight[0][s], places.weight[1][s], places.weight[2][s], places.weight[3][s]};
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

// The first samples of a sheet into the cache.
template <int ROWS, class T>
void read_ahead(Sheet& sheet, const Values<T>& values, int first, int count, const std::int64_t* offset) {
    sheet.begun = true;
    const SheetPlaces places(sheet, sheet.at, values.grid);
    find_busy(sheet, Blocks<T>(values), places, first, count);
    for (int c = 0; c < count; ++c)
        for (int s = 0; s < SHEET_TURN; ++s)
            if (sheet.busy[c] >> s & 1) prefetch<ROWS>(values.channel(first + c) + places.voxel[s], offset);
}

// Up to SHEET_TURN samples further, in `count` channels from `first`; those after them into the cache.
template <int ROWS, class T>
void advance_rows(Sheet& sheet, const Values<T>& values, int first, int count, const std::int64_t* offset) {
    if (!sheet.begun) return read_ahead<ROWS>(sheet, values, first, count, offset);
    const Grid& grid = values.grid;
    const SheetPlaces places(sheet, sheet.at, grid), next(sheet, sheet.at + SHEET_TURN, grid);
    const SheetLookUps look_ups(sheet, places, grid);
    unsigned busy[CHANNELS];
    for (int c = 0; c < count; ++c) busy[c] = sheet.busy[c];
    sheet.at += SHEET_TURN;
    find_busy(sheet, Blocks<T>(values), next, first, count);
    for (int c = 0; c < count; ++c) {
        const T* channel = values.channel(first + c);
        if ((busy[c] | sheet.busy[c]) == 0) continue;
        Floats sum[LANES / GROUP] = {};
        for (int s = 0; s < SHEET_TURN; ++s) {
            if (sheet.busy[c] >> s & 1) prefetch<ROWS>(channel + next.voxel[s], offset);
            if (busy[c] >> s & 1) add_sample<ROWS>(channel + places.voxel[s], offset, places, look_ups, s, sum);
        }
        for (int l = 0; l < LANES; l += GROUP)
            add_to(sheet.total[c] + l, load<Floats>(sheet.part + l) * sum[l / GROUP]);
    }
}

// False at the end of the sheet's rays.
template <class T>
bool advance(Sheet& sheet, const Values<T>& values, int first, int count, const std::int64_t* offset) {
    if (sheet.at >= sheet.count) return false;
    if (sheet.rows == 1)
        advance_rows<1>(sheet, values, first, count, offset);
    else if (sheet.rows == 2)
        advance_rows<2>(sheet, values, first, count, offset);
    else if (sheet.rows == 3)
        advance_rows<3>(sheet, values, first, count, offset);
    else
        advance_rows<MOST_ROWS>(sheet, values, first, count, offset);
    return sheet.at < sheet.count;
}

}  // namespace deepdrr

// What is where along rays that cross solids: a sweep over the crossings of each ray, of all solids, in order of t.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "deepdrr/scalar.h"
#include "parallel.h"

namespace deepdrr {

constexpr int MOST_SOLIDS = 64;  // a bit each
constexpr std::int64_t CROSSINGS_PER_TASK = 16384;

// Crossings [N], those of a ray behind each other.
struct CrossingList {
    const long long* ray;
    const int* solid;
    const signed char* winding;
    const double* t;
    std::int64_t count;
};

// Which solids displace each of `count` solids, and which the anatomy: a bit for each that does.
struct Displacers {
    const std::uint64_t* of_solid;
    int count;
    std::uint64_t of_anatomy;
};

// From one crossing to another, by number.
struct RayPart {
    int solid;
    long long from, to;
};

struct RayParts {
    std::vector<RayPart> present, displaced;
};

// The crossings [first, end) of one ray.
inline void sweep(const CrossingList& list, std::int64_t first, std::int64_t end, const Displacers& by,
                  std::vector<long long>& order, RayParts& found) {
    order.clear();
    for (std::int64_t n = first; n < end; ++n) order.push_back(n);
    std::sort(order.begin(), order.end(), [&](long long a, long long b) {
        if (list.t[a] != list.t[b]) return list.t[a] < list.t[b];
        return list.winding[a] != list.winding[b] ? list.winding[a] > list.winding[b] : a < b;
    });
    int windings[MOST_SOLIDS] = {};
    long long began[MOST_SOLIDS], emptied = 0;
    std::uint64_t inside = 0, there = 0;
    bool empty = false;
    const auto add = [&](std::vector<RayPart>& parts, int solid, long long from, long long to) {
        if (list.t[to] > list.t[from]) parts.push_back({solid, from, to});
    };
    for (const long long n : order) {
        const int own = list.solid[n];
        windings[own] += list.winding[n];
        inside = windings[own] > 0 ? inside | 1ull << own : inside & ~(1ull << own);
        std::uint64_t now = 0;
        for (int s = 0; s < by.count; ++s)
            if (inside >> s & 1 && !(inside & by.of_solid[s])) now |= 1ull << s;
        for (int s = 0; s < by.count; ++s) {
            if (!((there ^ now) >> s & 1)) continue;
            if (now >> s & 1) began[s] = n;
            else add(found.present, s, began[s], n);
        }
        there = now;
        const bool empties = (inside & by.of_anatomy) != 0;
        if (empties && !empty) emptied = n;
        if (empty && !empties) add(found.displaced, 0, emptied, n);
        empty = empties;
    }
}

// One list per task; they follow each other by ray.
inline std::vector<RayParts> ray_parts(const CrossingList& list, const Displacers& by, int threads) {
    const std::int64_t tasks = (list.count + CROSSINGS_PER_TASK - 1) / CROSSINGS_PER_TASK;
    // The first crossing of a ray from a task's share on.
    const auto start = [&](std::int64_t task) {
        std::int64_t n = lesser(task * CROSSINGS_PER_TASK, list.count);
        while (n > 0 && n < list.count && list.ray[n] == list.ray[n - 1]) ++n;
        return n;
    };
    std::vector<RayParts> found((std::size_t)tasks);
    parallel_for(tasks, threads, [&](std::int64_t task) {
        std::vector<long long> order;
        const std::int64_t stop = start(task + 1);
        for (std::int64_t first = start(task), end; first < stop; first = end) {
            for (end = first; end < stop && list.ray[end] == list.ray[first];) ++end;
            sweep(list, first, end, by, order, found[task]);
        }
    });
    return found;
}

}  // namespace deepdrr

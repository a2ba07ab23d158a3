// Histories of photons on threads: each task follows some in memory of its own and adds what they scored to the call's
// sums.
#pragma once

#include <mutex>

#include "parallel.h"
#include "photons/scores.h"

namespace deepdrr {

constexpr std::int64_t HISTORIES_PER_TASK = 1 << 15;

template <int S>
void follow_histories(const PhotonJob<S>& job, std::uint64_t first, std::int64_t count, const PhotonSums& sums,
                      int threads) {
    std::mutex adding;
    const std::int64_t tasks = (count + HISTORIES_PER_TASK - 1) / HISTORIES_PER_TASK;
    parallel_for(tasks, threads, [&](std::int64_t task) {
        std::vector<std::int64_t> memory((std::size_t)sums.size());
        PhotonScores scores{sums.in(memory.data()), job.body.region};
        const std::int64_t end = lesser(count, (task + 1) * HISTORIES_PER_TASK);
        for (std::int64_t n = task * HISTORIES_PER_TASK; n < end; ++n) follow(job, first + (std::uint64_t)n, scores);
        scores.ends();
        const std::lock_guard<std::mutex> lock(adding);
        sums.add(scores.sums);
    });
}

// The importance of every block, photons having the attenuation `mu`.
template <int S>
void find_importance(const PhotonBody<S>& body, const Panel& panel, const float* mu, float* importance, int threads) {
    parallel_for((std::int64_t)body.blocks[0] * body.blocks[1], threads, [&](std::int64_t task) {
        const int i = (int)(task / body.blocks[1]), j = (int)(task % body.blocks[1]);
        for (int k = 0; k < body.blocks[2]; ++k)
            importance[task * body.blocks[2] + k] = importance_of(body, panel, mu, i, j, k);
    });
}

}  // namespace deepdrr

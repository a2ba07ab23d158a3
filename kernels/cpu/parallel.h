// Threads of the standard library, started for one call and joined before it returns: a later fork finds none to break.
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

#include "flush.h"

namespace deepdrr {

// Calls work(task, room) for every task in [0, tasks), each once, in any order, from `threads` threads (this one included),
// each of which has a Room for what it needs again and again. The result may depend on a task's number only. Where the
// system gives fewer threads, those share the work.
template <class Room, class Work>
void parallel_for_with(std::int64_t tasks, int threads, const Work& work) {
    std::atomic<std::int64_t> next{0};
    const auto drain = [&] {
        const FlushSubnormals flush;
        Room room;
        for (std::int64_t task = next++; task < tasks; task = next++) work(task, room);
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads && i < tasks; ++i) {
        try {
            helpers.emplace_back(drain);
        } catch (const std::system_error&) {
            break;
        }
    }
    drain();
    for (std::thread& helper : helpers) helper.join();
}

// The same without room.
template <class Work>
void parallel_for(std::int64_t tasks, int threads, const Work& work) {
    struct None {};
    parallel_for_with<None>(tasks, threads, [&](std::int64_t task, None&) { work(task); });
}

}  // namespace deepdrr

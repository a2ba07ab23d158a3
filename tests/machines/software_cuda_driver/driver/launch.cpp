// Launches. Blocks run side by side on host threads; the threads of a block run one after another, or, where they wait
// for each other, as fibers that take turns. Odd blocks take them in the opposite order, to find what relies on one.
#include <sys/mman.h>
#include <ucontext.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "state.h"

namespace {

constexpr u32 MOST_THREADS = 1024, MOST_SHARED = 49152;
constexpr size_t STACK_BYTES = 256 << 10;

struct Aborted {};

enum class Waits { no, barrier, meeting };

struct Fiber {
    ucontext_t context;
    Thread thread;
    Waits waits = Waits::no;
    bool done = false;
    u32 mask = 0, value = 0, met = 0;
    u32 values[32];
};

struct Launch {
    const Kernel* kernel;
    int device;
    const std::vector<u8>& parameters;
    std::array<u32, 3> grid, block;
    u32 dynamic_shared;
    std::atomic<u64> next{0};
    std::atomic<bool> failed{false};
    std::string fault;
    std::mutex fault_lock;

    Launch(const Function& f, const std::vector<u8>& p, std::array<u32, 3> g, std::array<u32, 3> b, u32 shared)
        : kernel(f.kernel), device(f.context->device), parameters(p), grid(g), block(b), dynamic_shared(shared) {}

    u64 blocks() const { return (u64)grid[0] * grid[1] * grid[2]; }
    u32 threads() const { return block[0] * block[1] * block[2]; }
};

// One host thread's place to run blocks in.
struct Worker {
    Launch* launch;
    std::vector<u8> shared, local;
    std::vector<Fiber> fibers;
    std::vector<u8*> stacks;
    ucontext_t scheduler;
    Fiber* current = nullptr;

    explicit Worker(Launch& l)
        : launch(&l),
          shared(l.kernel->shared_bytes + l.dynamic_shared + 32),
          local((size_t)l.kernel->local_bytes * (l.kernel->meets ? l.threads() : 1) + 32) {
        if (!l.kernel->meets) return;
        fibers.resize(l.threads());
        for (u32 i = 0; i < l.threads(); ++i)
            stacks.push_back((u8*)mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    }
    ~Worker() {
        for (u8* stack : stacks) munmap(stack, STACK_BYTES);
    }

    void run_block(u64 index);
    void run_fibers(const Thread& first, bool backwards);
    bool release();
    bool release_meeting(u32 first);
};

thread_local Worker* worker = nullptr;

[[noreturn]] void fault(Thread& t, const char* what, u64 address, u32 bytes) {
    Launch& launch = *((Worker*)t.owner)->launch;
    const std::lock_guard<std::mutex> lock(launch.fault_lock);
    if (!launch.failed.exchange(true)) {
        char text[256];
        std::snprintf(text, sizeof text, "kernel %s: %s: %u bytes at %#llx, block (%u, %u, %u), thread (%u, %u, %u)",
                      launch.kernel->name, what, bytes, (unsigned long long)address, t.block[0], t.block[1], t.block[2],
                      t.thread[0], t.thread[1], t.thread[2]);
        launch.fault = text;
    }
    throw Aborted();
}

void yield(Waits waits) {
    Fiber& fiber = *worker->current;
    fiber.waits = waits;
    swapcontext(&fiber.context, &worker->scheduler);
    if (worker->launch->failed) throw Aborted();
}

void barrier(Thread&) { yield(Waits::barrier); }

u32 meet(Thread& t, u32 mask, u32 value, u32* values) {
    Fiber& fiber = *worker->current;
    if (!(mask >> t.lane() & 1)) fault(t, "a lane is not in its own mask", mask, 4);
    fiber.mask = mask, fiber.value = value;
    yield(Waits::meeting);
    std::copy(fiber.values, fiber.values + 32, values);
    return fiber.met;
}

bool can_access(Thread& t, u64 address, u32 bytes) {
    return accessible(((Worker*)t.owner)->launch->device, address, bytes);
}

const Host HOST{barrier, meet, fault, can_access};

void fiber_main() {
    Fiber& fiber = *worker->current;
    try {
        worker->launch->kernel->run(fiber.thread);
    } catch (const Aborted&) {
    }
    fiber.done = true;
    swapcontext(&fiber.context, &worker->scheduler);
}

Thread thread_of(const Thread& first, u32 index, u8* local) {
    Thread t = first;
    t.linear = index;
    t.thread[0] = index % t.block_size[0], t.thread[1] = index / t.block_size[0] % t.block_size[1];
    t.thread[2] = index / t.block_size[0] / t.block_size[1];
    t.local = local;
    return t;
}

u8* aligned(std::vector<u8>& memory) { return (u8*)(((u64)memory.data() + 15) & ~15ull); }

void Worker::run_block(u64 index) {
    const Launch& l = *launch;
    std::fill(shared.begin(), shared.end(), (u8)0xFF);
    Thread first{};
    std::copy(l.block.begin(), l.block.end(), first.block_size);
    std::copy(l.grid.begin(), l.grid.end(), first.grid_size);
    first.block[0] = (u32)(index % l.grid[0]), first.block[1] = (u32)(index / l.grid[0] % l.grid[1]);
    first.block[2] = (u32)(index / l.grid[0] / l.grid[1]);
    first.shared = aligned(shared), first.shared_bytes = l.kernel->shared_bytes + l.dynamic_shared;
    first.dynamic_shared = l.kernel->shared_bytes, first.local_bytes = l.kernel->local_bytes;
    first.parameters = l.parameters.data(), first.parameter_bytes = l.kernel->parameter_bytes;
    first.host = &HOST, first.owner = this;
    const bool backwards = index & 1;
    if (l.kernel->meets) return run_fibers(first, backwards);
    for (u32 i = 0; i < l.threads(); ++i) {
        Thread t = thread_of(first, backwards ? l.threads() - 1 - i : i, aligned(local));
        l.kernel->run(t);
    }
}

void Worker::run_fibers(const Thread& first, bool backwards) {
    const u32 count = launch->threads();
    for (u32 i = 0; i < count; ++i) {
        Fiber& fiber = fibers[i];
        fiber.done = false, fiber.waits = Waits::no;
        fiber.thread = thread_of(first, i, aligned(local) + (size_t)i * launch->kernel->local_bytes);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = stacks[i], fiber.context.uc_stack.ss_size = STACK_BYTES;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
    }
    for (bool alive = true; alive;) {
        alive = false;
        for (u32 i = 0; i < count; ++i) {
            Fiber& fiber = fibers[backwards ? count - 1 - i : i];
            if (fiber.done || (fiber.waits != Waits::no && !launch->failed)) continue;
            current = &fiber;
            swapcontext(&scheduler, &fiber.context);
        }
        for (const Fiber& fiber : fibers) alive |= !fiber.done;
        if (!alive || launch->failed || release()) continue;
        try {
            for (Fiber& fiber : fibers)
                if (!fiber.done) fault(fiber.thread, "threads wait for each other for ever", 0, 0);
        } catch (const Aborted&) {
        }
    }
    if (launch->failed) throw Aborted();
}

// Everybody alive waits: lets go whoever may go on. Exited threads are not waited for.
bool Worker::release() {
    bool all_at_barrier = true, any = false;
    for (const Fiber& fiber : fibers) all_at_barrier &= fiber.done || fiber.waits == Waits::barrier;
    if (all_at_barrier) {
        for (Fiber& fiber : fibers) fiber.waits = Waits::no;
        return true;
    }
    for (u32 i = 0; i < fibers.size(); ++i)
        if (!fibers[i].done && fibers[i].waits == Waits::meeting) any |= release_meeting(i);
    return any;
}

bool Worker::release_meeting(u32 first) {
    const u32 mask = fibers[first].mask, base = first & ~31u;
    u32 met = 0, values[32] = {};
    for (u32 l = 0; l < 32 && base + l < fibers.size(); ++l) {
        const Fiber& fiber = fibers[base + l];
        if (!(mask >> l & 1) || fiber.done) continue;
        if (fiber.waits != Waits::meeting || fiber.mask != mask) return false;
        met |= 1u << l, values[l] = fiber.value;
    }
    for (u32 l = 0; l < 32; ++l)
        if (met >> l & 1) {
            Fiber& fiber = fibers[base + l];
            fiber.waits = Waits::no, fiber.met = met;
            std::copy(values, values + 32, fiber.values);
        }
    return true;
}

void work(Launch& launch) {
    Worker mine(launch);
    worker = &mine;
    for (u64 index; !launch.failed && (index = launch.next++) < launch.blocks();) {
        try {
            mine.run_block(index);
        } catch (const Aborted&) {
        }
    }
    worker = nullptr;
}

CUresult run(const Function& function, Launch& launch) {
    if (function.context->sticky) return function.context->sticky;
    std::vector<std::thread> threads;
    const u64 wanted = (u64)std::atoi(setting("SWCUDA_THREADS", "2"));
    for (u64 i = 0; i < std::min(wanted, launch.blocks()); ++i) threads.emplace_back([&] { work(launch); });
    for (std::thread& thread : threads) thread.join();
    if (!launch.failed) return CUDA_SUCCESS;
    state().last_fault = launch.fault;
    std::fprintf(stderr, "software CUDA driver: %s\n", launch.fault.c_str());
    return function.context->sticky =
               launch.fault.find("access") != std::string::npos ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_ERROR_LAUNCH_FAILED;
}

// PyCUDA passes one packed buffer (`extra`), others an array of pointers.
CUresult pack(const Kernel& kernel, void** pointers, void** extra, std::vector<u8>& parameters) {
    parameters.assign(kernel.parameter_bytes + 16, 0);
    if (pointers) {
        for (u32 i = 0; i < kernel.parameter_count; ++i)
            std::copy((u8*)pointers[i], (u8*)pointers[i] + kernel.parameters[i].bytes,
                      parameters.begin() + kernel.parameters[i].offset);
        return CUDA_SUCCESS;
    }
    const u8* buffer = nullptr;
    size_t bytes = 0;
    for (void** e = extra; e && *e != CU_LAUNCH_PARAM_END; e += 2) {
        if (*e == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = (const u8*)e[1];
        if (*e == CU_LAUNCH_PARAM_BUFFER_SIZE) bytes = *(size_t*)e[1];
    }
    if (bytes < kernel.parameter_bytes) return CUDA_ERROR_INVALID_VALUE;
    if (bytes) std::copy(buffer, buffer + kernel.parameter_bytes, parameters.begin());
    return CUDA_SUCCESS;
}

}  // namespace

EXPORT CUresult cuLaunchKernel(CUfunction handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                               unsigned bz, unsigned dynamic_shared, CUstream stream, void** pointers, void** extra) {
    BEGIN();
    const Function& function = *(Function*)handle;
    if (function.context != &call.context()) return CUDA_ERROR_INVALID_HANDLE;
    const u64 threads = (u64)bx * by * bz;
    const bool empty = !gx || !gy || !gz || !threads;
    if (empty || threads > MOST_THREADS || gy > 65535 || gz > 65535 || bz > 64) return CUDA_ERROR_INVALID_VALUE;
    if (function.kernel->shared_bytes + dynamic_shared > MOST_SHARED) return CUDA_ERROR_INVALID_VALUE;
    const auto parameters = std::make_shared<std::vector<u8>>();
    const CUresult error = pack(*function.kernel, pointers, extra, *parameters);
    if (error) return error;
    enqueue(stream_of(call.context(), stream), [=] {
        Launch launch(function, *parameters, {gx, gy, gz}, {bx, by, bz}, dynamic_shared);
        return run(function, launch);
    });
    return CUDA_SUCCESS;
}

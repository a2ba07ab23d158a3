// Device memory is host memory, filled with 0xFF when it is allocated: a float read before it was written is NaN. Freed
// memory stays mapped in quarantine and filled with 0xFF, and the checked build faults on it.
#include <cstdlib>
#include <cstring>

#include "state.h"

namespace {

constexpr u64 ALIGNMENT = 512;  // cuMemAlloc's own
constexpr size_t QUARANTINED = 256;

u64 padded(u64 bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

void bury(u64 address, u64 bytes) {
    static std::vector<u64> graves;
    std::memset((void*)address, 0xFF, bytes);
    graves.push_back(address);
    if (graves.size() > QUARANTINED) {
        std::free((void*)graves.front());
        graves.erase(graves.begin());
    }
}

}  // namespace

bool accessible(int device, u64 address, u64 bytes) {
    const auto next = state().allocations.upper_bound(address);
    if (next == state().allocations.begin()) return false;
    const auto& [start, allocation] = *std::prev(next);
    const bool here = allocation.device == device || allocation.pinned_host;
    return here && address + bytes <= start + allocation.bytes;
}

EXPORT CUresult cuMemAlloc(CUdeviceptr* address, size_t bytes) {
    BEGIN();
    State& s = state();
    const int device = call.context().device;
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    if (s.used[device] + bytes > device_bytes()) return CUDA_ERROR_OUT_OF_MEMORY;
    void* memory = std::aligned_alloc(ALIGNMENT, padded(bytes));
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    std::memset(memory, 0xFF, padded(bytes));
    s.allocations[(u64)memory] = {bytes, device, false};
    s.used[device] += bytes;
    *address = (CUdeviceptr)memory;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemFree(CUdeviceptr address) {
    BEGIN();
    const auto found = state().allocations.find(address);
    if (found == state().allocations.end() || found->second.pinned_host) return CUDA_ERROR_INVALID_VALUE;
    finish(call.context());  // freeing waits for the device
    state().used[found->second.device] -= found->second.bytes;
    bury(address, found->second.bytes);
    state().allocations.erase(found);
    return call.context().sticky;
}

EXPORT CUresult cuMemGetInfo(size_t* free, size_t* total) {
    BEGIN();
    *total = device_bytes(), *free = *total - state().used[call.context().device];
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    BEGIN();
    *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*memory) return CUDA_ERROR_OUT_OF_MEMORY;
    state().allocations[(u64)*memory] = {bytes, call.context().device, true};
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemFreeHost(void* memory) {
    BEGIN();
    finish(call.context());
    if (!state().allocations.erase((u64)memory)) return CUDA_ERROR_INVALID_VALUE;
    std::free(memory);
    return CUDA_SUCCESS;
}

// Copies. The plain ones wait; those with a stream are queued and read host memory when they run.

static CUresult copy(void* target, const void* source, size_t bytes) {
    std::memmove(target, source, bytes);
    return CUDA_SUCCESS;
}

static bool outside(const Call& call, CUdeviceptr address, size_t bytes) {
    return bytes && !accessible(call.context().device, address, bytes);
}

EXPORT CUresult cuMemcpyHtoD(CUdeviceptr target, const void* source, size_t bytes) {
    BEGIN();
    if (outside(call, target, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return run_now(call.context(), [=] { return copy((void*)target, source, bytes); });
}

EXPORT CUresult cuMemcpyDtoH(void* target, CUdeviceptr source, size_t bytes) {
    BEGIN();
    if (outside(call, source, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return run_now(call.context(), [=] { return copy(target, (void*)source, bytes); });
}

EXPORT CUresult cuMemcpyDtoD(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
    BEGIN();
    if (outside(call, target, bytes) || outside(call, source, bytes)) return CUDA_ERROR_INVALID_VALUE;
    enqueue(call.context().null, [=] { return copy((void*)target, (void*)source, bytes); });
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemcpyHtoDAsync(CUdeviceptr target, const void* source, size_t bytes, CUstream stream) {
    BEGIN();
    if (outside(call, target, bytes)) return CUDA_ERROR_INVALID_VALUE;
    enqueue(stream_of(call.context(), stream), [=] { return copy((void*)target, source, bytes); });
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemcpyDtoHAsync(void* target, CUdeviceptr source, size_t bytes, CUstream stream) {
    BEGIN();
    if (outside(call, source, bytes)) return CUDA_ERROR_INVALID_VALUE;
    enqueue(stream_of(call.context(), stream), [=] { return copy(target, (void*)source, bytes); });
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
    BEGIN();
    if (outside(call, target, bytes) || outside(call, source, bytes)) return CUDA_ERROR_INVALID_VALUE;
    enqueue(stream_of(call.context(), stream), [=] { return copy((void*)target, (void*)source, bytes); });
    return CUDA_SUCCESS;
}

template <class T>
static CUresult fill(const Call& call, CUdeviceptr target, T value, size_t count, CUstream stream) {
    if (target % sizeof(T) || outside(call, target, count * sizeof(T))) return CUDA_ERROR_INVALID_VALUE;
    enqueue(stream_of(call.context(), stream), [=] {
        for (size_t i = 0; i < count; ++i) ((T*)target)[i] = value;
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemsetD8(CUdeviceptr target, unsigned char value, size_t count) {
    BEGIN();
    return fill<u8>(call, target, value, count, nullptr);
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t count, CUstream stream) {
    BEGIN();
    return fill<u8>(call, target, value, count, stream);
}

EXPORT CUresult cuMemsetD32(CUdeviceptr target, unsigned value, size_t count) {
    BEGIN();
    return fill<u32>(call, target, value, count, nullptr);
}

EXPORT CUresult cuMemsetD32Async(CUdeviceptr target, unsigned value, size_t count, CUstream stream) {
    BEGIN();
    return fill<u32>(call, target, value, count, stream);
}

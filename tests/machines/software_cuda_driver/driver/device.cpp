// Initialisation, devices, contexts, and the switches of the tests.
#include <cstdio>
#include <cstdlib>

#include "state.h"

State& state() {
    static State* state = new State;  // never destroyed: PyCUDA may call from static destructors
    return *state;
}

std::vector<Context*>& context_stack() {
    static thread_local std::vector<Context*> stack;
    return stack;
}

const char* setting(const char* name, const char* fallback) {
    const char* value = std::getenv(name);
    return value && *value ? value : fallback;
}

int capability() { return std::atoi(setting("SWCUDA_CAPABILITY", "120")); }
int device_count() { return std::atoi(setting("SWCUDA_DEVICES", "1")); }
u64 device_bytes() { return std::strtoull(setting("SWCUDA_MEMORY", "8589934592"), nullptr, 10); }

// cuda.h renames some functions to a version of theirs: cuMemAlloc is cuMemAlloc_v2.
static std::string unversioned(const std::string& function) { return function.substr(0, function.find("_v")); }

Call::Call(const char* function, bool needs_context) : lock_(state().lock), error_(CUDA_SUCCESS) {
    State& s = state();
    const std::string name = unversioned(function);
    ++s.calls[name];
    const auto planned = s.injected.find(name);
    if (!s.initialised && name != "cuInit") {
        error_ = CUDA_ERROR_NOT_INITIALIZED;
    } else if (needs_context && context_stack().empty()) {
        error_ = CUDA_ERROR_INVALID_CONTEXT;
    } else if (needs_context && context_stack().back()->retained == 0) {
        error_ = CUDA_ERROR_CONTEXT_IS_DESTROYED;
    } else if (needs_context && context_stack().back()->sticky) {
        error_ = context_stack().back()->sticky;
    } else if (planned != s.injected.end() && --planned->second.first == 0) {
        error_ = planned->second.second;
        s.injected.erase(planned);
        const bool lasting = error_ == CUDA_ERROR_ILLEGAL_ADDRESS || error_ == CUDA_ERROR_LAUNCH_FAILED ||
                             error_ == CUDA_ERROR_DEVICE_UNAVAILABLE;
        if (lasting && !context_stack().empty()) context_stack().back()->sticky = error_;
    }
}

// Switches: not part of CUDA.

// Lets the nth next call of a function fail; nth 0 takes that back.
EXPORT void swcuda_inject(const char* function, int nth, int error) {
    std::lock_guard<std::recursive_mutex> lock(state().lock);
    state().injected.erase(function);
    if (nth > 0) state().injected[function] = {nth, (CUresult)error};
}

// Forgets faults, injections and queued work, so that the next test starts on a whole device.
EXPORT void swcuda_recover() {
    std::lock_guard<std::recursive_mutex> lock(state().lock);
    state().injected.clear();
    state().last_fault.clear();
    for (auto& [_, context] : state().primary) {
        context->sticky = CUDA_SUCCESS;
        for (Stream* stream : context->streams) stream->last = nullptr, stream->waits.clear();
        context->null.last = nullptr;
    }
}

EXPORT u64 swcuda_allocations() {
    std::lock_guard<std::recursive_mutex> lock(state().lock);
    return state().allocations.size();
}

// Host memory that counts as device memory from now on, as torch's does for PyCUDA: with bytes 0, no longer.
EXPORT void swcuda_register(u64 address, u64 bytes) {
    std::lock_guard<std::recursive_mutex> lock(state().lock);
    state().allocations.erase(address);
    if (bytes) state().allocations[address] = {bytes, 0, true};
}

EXPORT u64 swcuda_calls(const char* function) {
    std::lock_guard<std::recursive_mutex> lock(state().lock);
    return state().calls[function];
}

EXPORT const char* swcuda_last_fault() { return state().last_fault.c_str(); }

EXPORT int swcuda_contexts_pushed() { return (int)context_stack().size(); }

// Initialisation and devices.

// What a program leaves behind at its end, if SWCUDA_LEAKS asks for it.
static void report_leaks() {
    if (std::string(setting("SWCUDA_LEAKS", "0")) != "1") return;
    for (const auto& [address, allocation] : state().allocations)
        if (!allocation.pinned_host)
            std::fprintf(stderr, "software CUDA driver: %llu bytes at %#llx were not freed\n",
                         (unsigned long long)allocation.bytes, (unsigned long long)address);
    for (const auto& [device, context] : state().primary) {
        if (context->retained)
            std::fprintf(stderr, "software CUDA driver: the context of device %d is retained %d times\n", device,
                         context->retained);
        if (!context->streams.empty())
            std::fprintf(stderr, "software CUDA driver: %zu streams of device %d were not destroyed\n",
                         context->streams.size(), device);
    }
}

EXPORT CUresult cuInit(unsigned) {
    BEGIN_WITHOUT_CONTEXT();
    if (device_count() < 1) return CUDA_ERROR_NO_DEVICE;
    if (!state().initialised) std::atexit(report_leaks);
    state().initialised = true;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int* version) {
    *version = std::atoi(setting("SWCUDA_VERSION", "13000"));
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGetErrorName(CUresult error, const char** text) {
    static std::map<int, std::string> names;
    const std::lock_guard<std::recursive_mutex> lock(state().lock);
    std::string& name = names[error];
    if (name.empty()) name = "software CUDA driver, error " + std::to_string(error);
    *text = name.c_str();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGetErrorString(CUresult error, const char** text) {
    switch (error) {
        case CUDA_SUCCESS: *text = "no error"; break;
        case CUDA_ERROR_OUT_OF_MEMORY: *text = "out of memory"; break;
        case CUDA_ERROR_NO_BINARY_FOR_GPU: *text = "no kernel image is available for this device"; break;
        case CUDA_ERROR_ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
        case CUDA_ERROR_LAUNCH_FAILED: *text = "unspecified launch failure"; break;
        default: return cuGetErrorName(error, text);
    }
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int* count) {
    BEGIN_WITHOUT_CONTEXT();
    *count = device_count();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    BEGIN_WITHOUT_CONTEXT();
    if (ordinal < 0 || ordinal >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
    BEGIN_WITHOUT_CONTEXT();
    std::snprintf(name, (size_t)length, "software CUDA device %d", device);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetPCIBusId(char* id, int length, CUdevice device) {
    BEGIN_WITHOUT_CONTEXT();
    std::snprintf(id, (size_t)length, "0000:%02x:00.0", device);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice) {
    BEGIN_WITHOUT_CONTEXT();
    *major = capability() / 10, *minor = capability() % 10;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) {
    BEGIN_WITHOUT_CONTEXT();
    *bytes = device_bytes();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
    BEGIN_WITHOUT_CONTEXT();
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 49152; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability() / 10; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability() % 10; break;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 2; break;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *value = 2147483647; break;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *value = 65535; break;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *value = 64; break;
        default: *value = 1024;
    }
    return CUDA_SUCCESS;
}

// Contexts: the primary one of each device; any other kind is refused, since torch uses none.

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    BEGIN_WITHOUT_CONTEXT();
    std::unique_ptr<Context>& primary = state().primary[device];
    if (!primary) {
        primary = std::make_unique<Context>();
        primary->device = device;
        primary->null.context = primary.get();
    }
    ++primary->retained;
    *context = (CUcontext)primary.get();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    BEGIN_WITHOUT_CONTEXT();
    const auto found = state().primary.find(device);
    if (found == state().primary.end() || found->second->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    --found->second->retained;  // the object stays: others may still hold its address
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
    BEGIN_WITHOUT_CONTEXT();
    const auto found = state().primary.find(device);
    *flags = 0, *active = found != state().primary.end() && found->second->retained > 0;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxPushCurrent(CUcontext context) {
    BEGIN_WITHOUT_CONTEXT();
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    context_stack().push_back((Context*)context);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxPopCurrent(CUcontext* context) {
    BEGIN_WITHOUT_CONTEXT();
    if (context_stack().empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (context) *context = (CUcontext)context_stack().back();
    context_stack().pop_back();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext* context) {
    BEGIN_WITHOUT_CONTEXT();
    *context = context_stack().empty() ? nullptr : (CUcontext)context_stack().back();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    BEGIN_WITHOUT_CONTEXT();
    if (!context_stack().empty()) context_stack().pop_back();
    if (context) context_stack().push_back((Context*)context);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetDevice(CUdevice* device) {
    BEGIN();
    *device = call.context().device;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetApiVersion(CUcontext, unsigned* version) {
    BEGIN_WITHOUT_CONTEXT();
    *version = 13000;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxSynchronize() {
    BEGIN();
    return finish(call.context());
}

// Modules: PTX is translated to C++ and compiled, once per text; the result is kept in a cache folder.
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "state.h"

namespace {

#ifdef CHECKED
constexpr char CHECKS[] = "-DCHECKED";
#else
constexpr char CHECKS[] = "";
#endif

u64 hash(const std::string& text) {
    u64 h = 1469598103934665603ull;  // FNV-1a
    for (unsigned char c : text) h = (h ^ c) * 1099511628211ull;
    return h;
}

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

bool exists(const std::string& path) {
    struct stat status;
    return stat(path.c_str(), &status) == 0;
}

// The shared object of a PTX text, or an empty path and the reason.
std::string compiled(const std::string& ptx, std::string& reason) {
    const std::string folder = setting("SWCUDA_CACHE", SWCUDA_CACHE), source = SWCUDA_SOURCE;
    const std::string header = contents(source + "/driver/ptx_runtime.h");
    const std::string counting = std::getenv("SWCUDA_TALLY") ? "counting" : "";
    const std::string base = folder + "/ptx" + std::to_string(hash(ptx + header + SWCUDA_TRANSLATOR + CHECKS + counting));
    if (exists(base + ".so")) return base + ".so";
    const std::string mine = base + "." + std::to_string(getpid());
    std::ofstream(mine + ".ptx", std::ios::binary) << ptx;
    // Tools of the host must not find this libcuda in the environment.
    const std::string command = "cd '" + source + "' && env -u LD_PRELOAD -u LD_LIBRARY_PATH sh -c '\"" +
                                setting("SWCUDA_PYTHON", SWCUDA_PYTHON) + "\" -m ptx.translate " + mine + ".ptx " +
                                mine + ".cpp && ${CXX:-g++} -std=c++17 -O1 -w -ffp-contract=off -frounding-math " +
                                CHECKS + " -fPIC -shared -I driver " + mine + ".cpp -o " + mine + ".so' 2> " + mine +
                                ".log";
    if (std::system(command.c_str()) != 0) {
        reason = contents(mine + ".log");
        return "";
    }
    std::rename((mine + ".so").c_str(), (base + ".so").c_str());
    for (const char* end : {".ptx", ".cpp", ".log"}) std::remove((mine + end).c_str());
    return base + ".so";
}

CUresult load(Context& context, const std::string& image, CUmodule* module, std::string& reason) {
    const bool text = image.find(".version") != std::string::npos && image.find(".target") != std::string::npos;
    if (!text) {
        reason = "the software driver runs PTX only";
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    const size_t target = image.find("sm_", image.find(".target"));
    if (target == std::string::npos || std::atoi(image.c_str() + target + 3) > capability()) {
        reason = "the PTX is for a newer architecture than the device has";
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    const std::string path = compiled(image, reason);
    if (path.empty()) return CUDA_ERROR_INVALID_PTX;
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        reason = dlerror();
        return CUDA_ERROR_INVALID_IMAGE;
    }
    *module = (CUmodule) new Module{&context, library, (const Kernel*)dlsym(library, "kernels"),
                                    (const ModuleVariable*)dlsym(library, "variables")};
    return CUDA_SUCCESS;
}

void report(const std::string& reason, unsigned count, CUjit_option* options, void** values) {
    char* log = nullptr;
    size_t room = 0;
    for (unsigned i = 0; i < count; ++i) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log = (char*)values[i];
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) room = (size_t)values[i];
    }
    if (log && room) std::snprintf(log, room, "%s", reason.c_str());
    for (unsigned i = 0; i < count; ++i) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) values[i] = (void*)std::min(reason.size(), room);
        if (options[i] == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES) values[i] = nullptr;
    }
}

// A fatbin or cubin begins with a magic number; text ends with a zero.
std::string image_text(const void* image) {
    const u32 magic = *(const u32*)image;
    return magic == 0xBA55ED50u || magic == 0x464C457Fu ? std::string() : std::string((const char*)image);
}

}  // namespace

EXPORT CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, CUjit_option* options,
                                   void** values) {
    BEGIN();
    std::string reason;
    const CUresult error = load(call.context(), image_text(image), module, reason);
    report(reason, count, options, values);
    if (error) state().last_fault = reason;
    return error;
}

EXPORT CUresult cuModuleLoadData(CUmodule* module, const void* image) {
    return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}

EXPORT CUresult cuModuleLoad(CUmodule* module, const char* path) {
    if (!exists(path)) return CUDA_ERROR_FILE_NOT_FOUND;
    return cuModuleLoadData(module, contents(path).c_str());
}

// The code stays mapped: a function of it may still be queued.
EXPORT CUresult cuModuleUnload(CUmodule module) {
    BEGIN();
    delete (Module*)module;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
    BEGIN();
    const Module& from = *(Module*)module;
    for (const Kernel* kernel = from.kernels; kernel->name; ++kernel)
        if (std::string(kernel->name) == name) {
            *function = (CUfunction) new Function{from.context, kernel};
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_FOUND;
}

EXPORT CUresult cuModuleGetGlobal(CUdeviceptr* address, size_t* bytes, CUmodule module, const char* name) {
    BEGIN();
    for (const ModuleVariable* variable = ((Module*)module)->variables; variable->name; ++variable)
        if (std::string(variable->name) == name) {
            if (address) *address = (CUdeviceptr)variable->address;
            if (bytes) *bytes = variable->bytes;
            // It is device memory like any other.
            state().allocations[(u64)variable->address] = {variable->bytes, call.context().device, true};
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_FOUND;
}

EXPORT CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
    BEGIN();
    const Kernel& kernel = *((Function*)function)->kernel;
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = (int)kernel.shared_bytes; break;
        case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = (int)kernel.local_bytes; break;
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
        case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;
        default: *value = 0;
    }
    return CUDA_SUCCESS;
}

EXPORT CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) {
    BEGIN();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) {
    BEGIN();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuFuncSetBlockShape(CUfunction, int, int, int) {
    BEGIN();
    return CUDA_SUCCESS;
}

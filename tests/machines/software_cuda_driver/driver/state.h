// What the driver remembers: devices and their contexts, allocations, streams and the work queued on them.
//
// One lock guards everything, and work runs under it: what is tested is order and meaning, never speed.
#pragma once

#include <cuda.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ptx_runtime.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

// Work on a stream. It runs when somebody needs it, after everything it has to come after.
struct Operation {
    std::function<CUresult()> work;
    std::vector<std::shared_ptr<Operation>> after;
    bool done = false;
};
typedef std::shared_ptr<Operation> Pending;

struct Context;

struct Stream {
    Context* context;
    bool blocking;  // ordered against the null stream
    Pending last;
    std::vector<Pending> waits;  // for the next operation
};

struct Event {
    Pending recorded;
    std::shared_ptr<double> time_ms = std::make_shared<double>(0.0);
};

struct Context {
    int device;
    int retained = 0;
    CUresult sticky = CUDA_SUCCESS;  // after a fault every call fails, as on hardware
    Stream null{this, true, nullptr, {}};
    std::vector<Stream*> streams;
};

struct Allocation {
    u64 bytes;
    int device;
    bool pinned_host;
};

struct Module {
    Context* context;
    void* library;
    const Kernel* kernels;
    const ModuleVariable* variables;
};

struct Function {
    Context* context;
    const Kernel* kernel;
};

struct State {
    std::recursive_mutex lock;
    bool initialised = false;
    std::map<int, std::unique_ptr<Context>> primary;
    std::map<u64, Allocation> allocations;
    std::map<int, u64> used;  // bytes, per device
    std::map<std::string, std::pair<int, CUresult>> injected;
    std::map<std::string, u64> calls;
    std::string last_fault;
};

State& state();
std::vector<Context*>& context_stack();  // of this thread

int device_count();
u64 device_bytes();
const char* setting(const char* name, const char* fallback);
int capability();

// The start of every call: takes the lock, counts the call, and says what stands against it.
class Call {
   public:
    explicit Call(const char* function, bool needs_context = true);
    CUresult error() const { return error_; }
    Context& context() const { return *context_stack().back(); }

   private:
    std::lock_guard<std::recursive_mutex> lock_;
    CUresult error_;
};

#define BEGIN()               \
    const Call call(__func__); \
    if (call.error()) return call.error()

#define BEGIN_WITHOUT_CONTEXT()       \
    const Call call(__func__, false); \
    if (call.error()) return call.error()

// Order.
Stream& stream_of(Context& context, CUstream stream);
Pending enqueue(Stream& stream, std::function<CUresult()> work);
CUresult finish(const Pending& operation);
CUresult finish(Context& context);
CUresult run_now(Context& context, std::function<CUresult()> work);  // on the null stream, and waits

// Memory.
bool accessible(int device, u64 address, u64 bytes);

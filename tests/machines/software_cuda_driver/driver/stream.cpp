// Streams and events. Queued work runs as late as the API allows, streams made last first: a program that forgets to
// synchronise reads what was there before. SWCUDA_ORDER=eager runs it at once.
#include <ctime>

#include "state.h"

namespace {

double now_ms() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
}

void order(std::vector<Pending>& after, const Pending& operation) {
    if (operation && !operation->done) after.push_back(operation);
}

}  // namespace

Stream& stream_of(Context& context, CUstream stream) {
    const bool null = stream == nullptr || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD;
    return null ? context.null : *(Stream*)stream;
}

Pending enqueue(Stream& stream, std::function<CUresult()> work) {
    const Pending operation = std::make_shared<Operation>();
    operation->work = std::move(work);
    order(operation->after, stream.last);
    for (const Pending& wait : stream.waits) order(operation->after, wait);
    stream.waits.clear();
    if (&stream == &stream.context->null) {
        for (Stream* other : stream.context->streams)
            if (other->blocking) {
                order(operation->after, other->last);
                for (const Pending& wait : other->waits) order(operation->after, wait);
            }
    } else if (stream.blocking) {
        order(operation->after, stream.context->null.last);
    }
    stream.last = operation;
    if (std::string(setting("SWCUDA_ORDER", "late")) == "eager") finish(operation);
    return operation;
}

CUresult finish(const Pending& operation) {
    std::vector<Pending> stack{operation};
    CUresult first = CUDA_SUCCESS;
    while (!stack.empty()) {
        const Pending top = stack.back();
        if (!top || top->done) {
            stack.pop_back();
            continue;
        }
        bool ready = true;
        for (const Pending& earlier : top->after)
            if (!earlier->done) stack.push_back(earlier), ready = false;
        if (!ready) continue;
        const CUresult error = top->work ? top->work() : CUDA_SUCCESS;
        top->done = true, top->after.clear(), top->work = nullptr;
        if (error && !first) first = error;
        stack.pop_back();
    }
    return first;
}

CUresult finish(Context& context) {
    for (auto stream = context.streams.rbegin(); stream != context.streams.rend(); ++stream) {
        finish((*stream)->last);
        for (const Pending& wait : (*stream)->waits) finish(wait);
    }
    finish(context.null.last);
    return context.sticky;
}

CUresult run_now(Context& context, std::function<CUresult()> work) {
    const CUresult error = finish(enqueue(context.null, std::move(work)));
    return context.sticky ? context.sticky : error;
}

EXPORT CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
    BEGIN();
    Stream* made = new Stream{&call.context(), !(flags & CU_STREAM_NON_BLOCKING), nullptr, {}};
    call.context().streams.push_back(made);
    *stream = (CUstream)made;
    return CUDA_SUCCESS;
}

// Allowed while work is queued: the work still runs (cuStreamDestroy returns at once).
EXPORT CUresult cuStreamDestroy(CUstream stream) {
    BEGIN();
    Stream* gone = (Stream*)stream;
    std::vector<Stream*>& streams = gone->context->streams;
    finish(gone->last);
    streams.erase(std::remove(streams.begin(), streams.end(), gone), streams.end());
    delete gone;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamSynchronize(CUstream stream) {
    BEGIN();
    Stream& waited = stream_of(call.context(), stream);
    for (const Pending& wait : waited.waits) finish(wait);
    if (&waited == &call.context().null) return finish(call.context());
    finish(waited.last);
    return call.context().sticky;
}

EXPORT CUresult cuStreamQuery(CUstream stream) {
    BEGIN();
    const Stream& asked = stream_of(call.context(), stream);
    return asked.last && !asked.last->done ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
    BEGIN();
    order(stream_of(call.context(), stream).waits, ((Event*)event)->recorded);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventCreate(CUevent* event, unsigned) {
    BEGIN();
    *event = (CUevent) new Event;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventDestroy(CUevent event) {
    BEGIN();
    delete (Event*)event;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventRecord(CUevent event, CUstream stream) {
    BEGIN();
    Event& recorded = *(Event*)event;
    const std::shared_ptr<double> time = recorded.time_ms;
    recorded.recorded = enqueue(stream_of(call.context(), stream), [time] {
        *time = now_ms();
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventSynchronize(CUevent event) {
    BEGIN();
    finish(((Event*)event)->recorded);
    return call.context().sticky;
}

EXPORT CUresult cuEventQuery(CUevent event) {
    BEGIN();
    const Pending& recorded = ((Event*)event)->recorded;
    return recorded && !recorded->done ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

EXPORT CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
    BEGIN();
    const Event &a = *(Event*)start, &b = *(Event*)end;
    if (!a.recorded || !b.recorded) return CUDA_ERROR_INVALID_HANDLE;
    if (!a.recorded->done || !b.recorded->done) return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)(*b.time_ms - *a.time_ms);
    return CUDA_SUCCESS;
}

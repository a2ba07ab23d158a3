// Active blocks per multiprocessor of a kernel, by the toolkit's own calculator: compute capability, registers, shared bytes
// and threads on stdin, one kernel a line; blocks on stdout. Used by report_cuda_kernels.py.
#include <cuda_occupancy.h>

#include <cstdio>

// Limits of a multiprocessor (CUDA C++ Programming Guide, table "Technical Specifications per Compute Capability").
static cudaOccDeviceProp device(int capability) {
    cudaOccDeviceProp d;
    d.computeMajor = capability / 10, d.computeMinor = capability % 10;
    d.maxThreadsPerBlock = 1024;
    const bool turing = capability == 75;
    const bool half = capability == 86 || capability == 89 || capability == 120;  // 1536 threads
    d.maxThreadsPerMultiprocessor = turing ? 1024 : half ? 1536 : 2048;
    d.regsPerBlock = d.regsPerMultiprocessor = 65536;
    d.warpSize = 32;
    d.sharedMemPerBlock = 49152;
    d.sharedMemPerMultiprocessor = turing ? 65536 : half ? 102400 : capability == 80 ? 167936 : 233472;
    d.numSms = 1;
    d.sharedMemPerBlockOptin = d.sharedMemPerMultiprocessor - 1024;
    d.reservedSharedMemPerBlock = turing ? 0 : 1024;
    return d;
}

int main() {
    int capability, registers, shared, threads;
    while (std::scanf("%d %d %d %d", &capability, &registers, &shared, &threads) == 4) {
        const cudaOccDeviceProp properties = device(capability);
        cudaOccFuncAttributes kernel;
        kernel.maxThreadsPerBlock = threads, kernel.numRegs = registers, kernel.sharedSizeBytes = shared;
        const cudaOccDeviceState state;
        cudaOccResult result;
        if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &properties, &kernel, &state, threads, 0)) return 1;
        std::printf("%d\n", result.activeBlocksPerMultiprocessor);
    }
}

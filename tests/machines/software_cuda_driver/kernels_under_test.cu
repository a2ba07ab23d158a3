// Small kernels of known results: what the tests of the software driver run.
extern "C" __global__ void add(const float* a, const float* b, float* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" __global__ void block_sums(const float* a, float* out, int n) {
    __shared__ float part[256];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    part[threadIdx.x] = i < n ? a[i] : 0.0f;
    __syncthreads();
    for (int k = blockDim.x / 2; k > 0; k >>= 1) {
        if (threadIdx.x < k) part[threadIdx.x] += part[threadIdx.x + k];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

extern "C" __global__ void block_sums_without_barrier(const float* a, float* out) {
    __shared__ float part[64];
    part[threadIdx.x] = a[blockIdx.x * blockDim.x + threadIdx.x];
    if (threadIdx.x == 0) {
        float sum = 0;
        for (int i = 0; i < 64; ++i) sum += part[i];
        out[blockIdx.x] = sum;
    }
}

extern "C" __global__ void warp_sums(const float* a, float* out) {
    float sum = a[blockIdx.x * blockDim.x + threadIdx.x];
    for (int k = 16; k > 0; k >>= 1) sum += __shfl_down_sync(0xFFFFFFFFu, sum, k);
    if ((threadIdx.x & 31) == 0) out[(blockIdx.x * blockDim.x + threadIdx.x) / 32] = sum;
}

extern "C" __global__ void shuffles(int* out) {
    const int lane = threadIdx.x;
    out[lane] = __shfl_up_sync(0xFFFFFFFFu, lane, 3);
    out[32 + lane] = __shfl_xor_sync(0xFFFFFFFFu, lane, 5);
    out[64 + lane] = __shfl_sync(0xFFFFFFFFu, lane, lane + 1, 8);
    out[96 + lane] = __shfl_down_sync(0xFFFFFFFFu, lane, 2, 16);
}

extern "C" __global__ void votes(unsigned* out) {
    const int lane = threadIdx.x;
    const unsigned odd = __ballot_sync(0xFFFFFFFFu, lane & 1);
    const unsigned some = __any_sync(0xFFFFFFFFu, lane == 31), every = __all_sync(0xFFFFFFFFu, lane < 32);
    if (lane == 0) out[0] = odd, out[1] = some, out[2] = every;
}

extern "C" __global__ void histogram(const unsigned* bins, unsigned* count, float* sum, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    atomicAdd(count + bins[i], 1u);
    atomicAdd(sum, 0.5f);
    atomicMax(count + 16, bins[i]);
}

extern "C" __global__ void dynamic_shared(const int* a, int* out) {
    extern __shared__ int buffer[];
    buffer[threadIdx.x] = a[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = buffer[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void overrun_shared(float* out, int at) {
    __shared__ float part[32];
    part[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x + at];
}

extern "C" __global__ void misaligned(const char* a, float* out) { out[0] = *(const float*)(a + 2); }

extern "C" __global__ void stuck(int* out) {
    if (threadIdx.x == 0) __syncthreads();
    else __syncwarp(0xFFFFFFFFu);
    out[threadIdx.x] = 1;
}

extern "C" __global__ void traps() { __trap(); }

// A detector's noise: one thread, one pixel, every number a function of the seed and the pixel (noise.h), so that it
// has the bits of the CPU's.
//
// Bytes: 12 per pixel and draw of quanta (mean and variance in, energy out), 4 of electrons. Operations, of Philox 60
// on integers: about 60 double for electrons and for half of the pixels' quanta; 150 where the quick acceptance fails.
#include "deepdrr/noise.h"

namespace deepdrr {

struct NoiseJob {
    const void *mean, *variance;  // [pixels], float or double; not read for electrons
    void* out;                    // [pixels], of the same type
    long long pixels;
    unsigned long long seed;
    double rms;                   // of electrons
};

__device__ inline long long my_element() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }

template <class T>
__device__ void quantum_noise(const NoiseJob& job) {
    const long long p = my_element();
    if (p >= job.pixels) return;
    const double mean = (double)((const T*)job.mean)[p], variance = (double)((const T*)job.variance)[p];
    ((T*)job.out)[p] = (T)quantum_draw(mean, variance, job.seed, (std::uint64_t)p);
}

template <class T>
__device__ void electronic_noise(const NoiseJob& job) {
    const long long p = my_element();
    if (p >= job.pixels) return;
    ((T*)job.out)[p] = (T)product(job.rms, normal_draw(job.seed, (std::uint64_t)p));
}

}  // namespace deepdrr

#define DEEPDRR_NOISE(name, T, suffix)                                                                  \
    extern "C" __global__ void __launch_bounds__(128) name##_##suffix(deepdrr::NoiseJob job) {          \
        deepdrr::name<T>(job);                                                                          \
    }

DEEPDRR_NOISE(quantum_noise, float, f32)
DEEPDRR_NOISE(quantum_noise, double, f64)
DEEPDRR_NOISE(electronic_noise, float, f32)
DEEPDRR_NOISE(electronic_noise, double, f64)

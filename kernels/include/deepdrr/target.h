// The one header that knows which compiler is at work: nvcc, GCC, Clang or MSVC.
//
//   DEEPDRR_FN        a small function for the host and the device, always inlined
//   DEEPDRR_LANES     before a loop over the lanes of a packet of rays: its iterations are independent
//   DEEPDRR_RESTRICT  a pointer that nothing else points into
//   DEEPDRR_PREFETCH  asks for the cache line of an address that will be read soon
#pragma once

#if defined(__CUDACC__)
#define DEEPDRR_FN __host__ __device__ __forceinline__
#elif defined(_MSC_VER)
#define DEEPDRR_FN __forceinline
#else
#define DEEPDRR_FN inline __attribute__((always_inline))
#endif

// setup.py defines DEEPDRR_OPENMP_SIMD where the compiler has -fopenmp-simd: the pragma alone, no OpenMP run time.
#if defined(DEEPDRR_OPENMP_SIMD) && !defined(__CUDACC__)
#define DEEPDRR_LANES _Pragma("omp simd")
#else
#define DEEPDRR_LANES
#endif

#if defined(_MSC_VER)
#define DEEPDRR_RESTRICT __restrict
#else
#define DEEPDRR_RESTRICT __restrict__
#endif

#if defined(__CUDACC__) || defined(_MSC_VER)
#define DEEPDRR_PREFETCH(address) ((void)(address))
#else
#define DEEPDRR_PREFETCH(address) __builtin_prefetch(address)
#endif

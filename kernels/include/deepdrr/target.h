// The one header that depends on the compiler: nvcc, GCC, Clang or MSVC.
//
//   DEEPDRR_FN        a small function for the host and the device, always inlined
//   DEEPDRR_LANES     before a loop over the lanes of a packet of rays: its iterations are independent
//   DEEPDRR_RESTRICT  a pointer that nothing else points into
//   DEEPDRR_PREFETCH  asks for the cache line of an address that will be read soon
//   DEEPDRR_PREFETCH_FAR  the same of one that will be read after more than the nearest cache holds
//
//   DEEPDRR_NO_FUSED_PRODUCTS  what follows in this file of the host rounds a product before it adds it
//   product(a, b)              a product that is rounded so; on the host it is, after DEEPDRR_NO_FUSED_PRODUCTS
//   fused(a, b, c)             a * b + c, rounded the same wherever it stands, after DEEPDRR_NO_FUSED_PRODUCTS
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
#define DEEPDRR_PREFETCH_FAR(address) ((void)(address))
#else
#define DEEPDRR_PREFETCH(address) __builtin_prefetch(address)
#define DEEPDRR_PREFETCH_FAR(address) __builtin_prefetch(address, 0, 2)
#endif

// Microsoft's compiler fuses nothing unless it is asked to.
#if defined(__clang__)
#define DEEPDRR_NO_FUSED_PRODUCTS _Pragma("clang fp contract(off)")
#elif defined(__GNUC__)
#define DEEPDRR_NO_FUSED_PRODUCTS _Pragma("GCC optimize(\"fp-contract=off\")")
#else
#define DEEPDRR_NO_FUSED_PRODUCTS
#endif

namespace deepdrr {

#if defined(__CUDA_ARCH__)
DEEPDRR_FN double product(double a, double b) { return __dmul_rn(a, b); }
DEEPDRR_FN float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
#else
DEEPDRR_FN double product(double a, double b) { return a * b; }
template <class F>
DEEPDRR_FN F fused(F a, float b, F c) { return a * b + c; }
#endif

}  // namespace deepdrr

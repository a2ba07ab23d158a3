// Treats subnormal numbers, those below 1e-38, as 0 on this thread while an object lives. A processor takes a hundred
// times as long for them, and the coefficients of a spline fade into them in a region of zeros.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace deepdrr {

class FlushSubnormals {
#if defined(__x86_64__) || defined(_M_X64)
   public:
    FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // results and operands
    ~FlushSubnormals() { _mm_setcsr(before_); }

   private:
    unsigned before_;
#elif defined(__aarch64__) && defined(__GNUC__)
   public:
    FlushSubnormals() {
        __asm__ __volatile__("mrs %0, fpcr" : "=r"(before_));
        __asm__ __volatile__("msr fpcr, %0" : : "r"(before_ | (1ull << 24)));
    }
    ~FlushSubnormals() { __asm__ __volatile__("msr fpcr, %0" : : "r"(before_)); }

   private:
    unsigned long long before_;
#else
   public:
    FlushSubnormals() {}
    ~FlushSubnormals() {}
#endif

   public:
    FlushSubnormals(const FlushSubnormals&) = delete;
    FlushSubnormals& operator=(const FlushSubnormals&) = delete;
};

}  // namespace deepdrr

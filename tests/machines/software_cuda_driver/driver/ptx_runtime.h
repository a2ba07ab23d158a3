// What translated kernels are made of: the semantics of PTX operations (PTX ISA 9.0) on host values, and a thread's view
// of its block. The driver and every translated module include it; a module calls back through `Host`.
#pragma once

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

typedef std::uint8_t u8;
typedef std::int8_t i8;
typedef std::uint16_t u16;
typedef std::int16_t i16;
typedef std::uint32_t u32;
typedef std::int32_t i32;
typedef std::uint64_t u64;
typedef std::int64_t i64;

struct Thread;

// What a thread asks of the driver.
struct Host {
    void (*barrier)(Thread&);
    // All living members of the warp's mask meet; each leaves a value and sees those of all. Returns who met.
    u32 (*meet)(Thread&, u32 mask, u32 value, u32* values);
    [[noreturn]] void (*fault)(Thread&, const char* what, u64 address, u32 bytes);
    bool (*accessible)(Thread&, u64 address, u32 bytes);
};

struct Shuffled {
    u32 value;
    bool inside;
};

struct Thread {
    u32 thread[3], block_size[3], block[3], grid_size[3];
    u32 linear;  // within the block
    u32 shared_bytes, local_bytes, dynamic_shared, parameter_bytes;
    const u8* parameters;
    u8 *shared, *local;
    const Host* host;
    void* owner;

    u32 lane() const { return linear & 31; }
    u32 warp() const { return linear >> 5; }

    u8* in_global(u64 address, u32 bytes) {
#ifdef CHECKED
        if (address % std::min(bytes, 16u)) host->fault(*this, "misaligned access", address, bytes);
        const bool window = (address >= (u64)parameters && address + bytes <= (u64)parameters + parameter_bytes) ||
                            (address >= (u64)shared && address + bytes <= (u64)shared + shared_bytes) ||
                            (address >= (u64)local && address + bytes <= (u64)local + local_bytes);
        if (!window && !host->accessible(*this, address, bytes)) host->fault(*this, "access outside of memory", address, bytes);
#else
        (void)bytes;
#endif
        return (u8*)address;
    }

    const u8* in_parameters(u64 address, u32 bytes) {
        if (address < (u64)parameters || address + bytes > (u64)parameters + parameter_bytes)
            host->fault(*this, "access outside of the parameters", address, bytes);
        return (const u8*)address;
    }

    u8* in_shared(u32 offset, u32 bytes) {
        if ((u64)offset + bytes > shared_bytes) host->fault(*this, "access outside of shared memory", offset, bytes);
        return shared + offset;
    }

    u8* in_local(u32 offset, u32 bytes) {
        if ((u64)offset + bytes > local_bytes) host->fault(*this, "access outside of local memory", offset, bytes);
        return local + offset;
    }

    void trap() { host->fault(*this, "trap", 0, 0); }
    void barrier() { host->barrier(*this); }

    void warp_barrier(u32 mask) {
        u32 values[32];
        host->meet(*this, mask, 0, values);
    }

    u32 members(u32 mask) {
        u32 values[32];
        return host->meet(*this, mask, 0, values);
    }

    u32 ballot(bool yes, u32 mask) {
        u32 values[32], result = 0;
        const u32 met = host->meet(*this, mask, yes, values);
        for (u32 l = 0; l < 32; ++l) result |= (met >> l & 1) && values[l] ? 1u << l : 0;
        return result;
    }

    // The operand c of `shfl` holds the segment's mask in bits 8 to 12 and the clamp in bits 0 to 4.
    Shuffled shuffle_idx(u32 value, u32 b, u32 c, u32 mask) {
        const u32 segment = c >> 8 & 31, low = lane() & segment;
        return shuffle(value, mask, low | (b & 31 & ~segment), (low | (b & 31 & ~segment)) <= highest(c));
    }
    Shuffled shuffle_up(u32 value, u32 b, u32 c, u32 mask) {
        const i32 from = (i32)lane() - (i32)(b & 31);
        return shuffle(value, mask, (u32)from & 31, from >= (i32)highest(c));
    }
    Shuffled shuffle_down(u32 value, u32 b, u32 c, u32 mask) {
        return shuffle(value, mask, (lane() + (b & 31)) & 31, lane() + (b & 31) <= highest(c));
    }
    Shuffled shuffle_bfly(u32 value, u32 b, u32 c, u32 mask) {
        return shuffle(value, mask, lane() ^ (b & 31), (lane() ^ (b & 31)) <= highest(c));
    }

   private:
    u32 highest(u32 c) const { return (lane() & (c >> 8 & 31)) | (c & 31 & ~(c >> 8 & 31)); }

    // The source is read where it is inside its segment; else a lane gets its own value back.
    Shuffled shuffle(u32 value, u32 mask, u32 from, bool inside) {
        u32 values[32];
        const u32 met = host->meet(*this, mask, value, values);
        if (!inside) return {value, false};
        if (!(met >> from & 1)) host->fault(*this, "shuffle from a lane that is not there", from, 4);
        return {values[from], true};
    }
};

struct Span {
    u32 offset, bytes;
};

struct Kernel {
    const char* name;
    void (*run)(Thread&);
    u32 parameter_bytes, parameter_count;
    const Span* parameters;
    u32 shared_bytes, local_bytes;
    bool meets;  // whether its threads wait for each other
};

struct ModuleVariable {
    const char* name;
    void* address;
    u64 bytes;
};

// Registers are unsigned integers; `as` looks at their bits as a type, `into` puts a result's bits back.
template <class T, class R>
inline T as(R bits) {
    if constexpr (std::is_floating_point<T>::value) {
        typename std::conditional<sizeof(T) == 4, u32, u64>::type same = bits;
        T value;
        std::memcpy(&value, &same, sizeof value);
        return value;
    } else {
        return (T)bits;
    }
}

template <class R, class T>
inline R into(T value) {
    if constexpr (std::is_floating_point<T>::value) {
        typename std::conditional<sizeof(T) == 4, u32, u64>::type bits;
        std::memcpy(&bits, &value, sizeof bits);
        return (R)bits;
    } else {
        return (R)value;  // a signed value is extended by its sign
    }
}

template <class T>
inline T load(const u8* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

template <class T>
inline void store(u8* p, T value) {
    std::memcpy(p, &value, sizeof value);
}

template <class T>
inline bool is_nan(T x) {
    return x != x;
}

inline float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

template <class T>
inline T saturate(T x) {
    return x > 0 ? (x < 1 ? x : T(1)) : T(0);  // NaN becomes 0
}

template <class T>
inline T nan_min(T a, T b) {
    return is_nan(a) || is_nan(b) ? std::numeric_limits<T>::quiet_NaN() : std::fmin(a, b);
}

template <class T>
inline T nan_max(T a, T b) {
    return is_nan(a) || is_nan(b) ? std::numeric_limits<T>::quiet_NaN() : std::fmax(a, b);
}

template <class Work>
inline auto under(int mode, const Work& work) -> decltype(work()) {
    const int before = std::fegetround();
    std::fesetround(mode);
    const volatile auto result = work();
    std::fesetround(before);
    return result;
}

template <class T, class S>
inline T rounded(S value, int mode) {
    const volatile S kept = value;
    return under(mode, [&] { return (T)kept; });
}

template <class T, class S>
inline T converted(S value, int mode) {
    const volatile S kept = value;
    return under(mode, [&] { return (T)kept; });
}

// Real → integer: clamped to the range, NaN becomes 0 (cvt, note on integer destinations).
template <class I, class F>
inline I to_integer(F value) {
    if (is_nan(value)) return 0;
    const F low = (F)std::numeric_limits<I>::min(), high = (F)std::numeric_limits<I>::max();
    if (value <= low) return std::numeric_limits<I>::min();
    if (value >= high) return std::numeric_limits<I>::max();
    return (I)value;
}

template <class T, class S>
inline T clamped(S value) {
    if (std::is_signed<S>::value && value < 0 && (!std::is_signed<T>::value || (i64)value < (i64)std::numeric_limits<T>::min()))
        return std::numeric_limits<T>::min();
    if (value > 0 && (u64)value > (u64)std::numeric_limits<T>::max()) return std::numeric_limits<T>::max();
    return (T)value;
}

inline float from_half(u16 bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return (float)half;
}

inline u16 to_half(float value) {
    const _Float16 half = (_Float16)value;
    u16 bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}

template <class T>
inline T high_half(T a, T b) {
    if constexpr (sizeof(T) == 8) {
        typedef typename std::conditional<std::is_signed<T>::value, __int128, unsigned __int128>::type Wide;
        return (T)(((Wide)a * (Wide)b) >> 64);
    } else {
        typedef typename std::conditional<std::is_signed<T>::value, i64, u64>::type Wide;
        return (T)(((Wide)a * (Wide)b) >> (8 * sizeof(T)));
    }
}

// Division by zero gives all ones on NVIDIA's hardware; the smallest number over -1 overflows into itself.
template <class T>
inline T quotient(T a, T b) {
    if (b == 0) return (T)~T(0);
    if (std::is_signed<T>::value && b == (T)-1) return (T)(0 - (typename std::make_unsigned<T>::type)a);
    return a / b;
}

template <class T>
inline T remainder_of(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed<T>::value && b == (T)-1) return 0;
    return a % b;
}

template <class T>
inline T shift_left(T a, u32 n) {
    return n >= 8 * sizeof(T) ? T(0) : (T)((typename std::make_unsigned<T>::type)a << n);
}

template <class T>
inline T shift_right(T a, u32 n) {
    return n >= 8 * sizeof(T) ? (a < 0 ? (T)-1 : T(0)) : (T)(a >> n);
}

inline u32 funnel_left(u32 low, u32 high, u32 n, bool wraps) {
    n = wraps ? n & 31 : std::min(n, 32u);
    return (u32)((((u64)high << 32 | low) << n) >> 32);
}

inline u32 funnel_right(u32 low, u32 high, u32 n, bool wraps) {
    n = wraps ? n & 31 : std::min(n, 32u);
    return (u32)(((u64)high << 32 | low) >> n);
}

inline u32 logic3(u32 a, u32 b, u32 c, u32 table) {
    u32 result = 0;
    for (u32 row = 0; row < 8; ++row)
        if (table >> row & 1) result |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
    return result;
}

inline u32 permute_bytes(u32 a, u32 b, u32 selectors) {
    const u64 bytes = (u64)b << 32 | a;
    u32 result = 0;
    for (u32 i = 0; i < 4; ++i) {
        const u32 selector = selectors >> (4 * i) & 15;
        u32 byte = (u32)(bytes >> (8 * (selector & 7))) & 255;
        if (selector & 8) byte = byte & 128 ? 255 : 0;
        result |= byte << (8 * i);
    }
    return result;
}

// The field of `length` bits at `position`; beyond the top the sign bit of the last bit that is there, or 0.
template <class T>
inline T extract(T a, u32 position, u32 length) {
    const u32 width = 8 * sizeof(T), msb = width - 1;
    position &= 255, length &= 255;
    const u64 bits = (u64)(typename std::make_unsigned<T>::type)a;
    const bool sign = std::is_signed<T>::value && length && (bits >> std::min(position + length - 1, msb) & 1);
    u64 result = 0;
    for (u32 i = 0; i <= msb; ++i) {
        const bool bit = i < length && position + i <= msb ? bits >> (position + i) & 1 : sign;
        result |= (u64)bit << i;
    }
    return (T)result;
}

template <class T>
inline T insert(T a, T into_bits, u32 position, u32 length) {
    const u32 width = 8 * sizeof(T);
    position &= 255, length &= 255;
    T result = into_bits;
    for (u32 i = 0; i < length && position + i < width; ++i) {
        const T one = (T)(T(1) << (position + i));
        result = (a >> i & 1) ? (T)(result | one) : (T)(result & ~one);
    }
    return result;
}

template <class T>
inline u32 leading_zeros(T value) {
    return value ? (u32)__builtin_clzll((u64)value) - (64 - 8 * (u32)sizeof(T)) : 8 * (u32)sizeof(T);
}

template <class T>
inline T reversed(T value) {
    T result = 0;
    for (u32 i = 0; i < 8 * sizeof(T); ++i) result = (T)(result << 1 | (value >> i & 1));
    return result;
}

// An atomic read-modify-write by compare and swap; returns what was there before.
template <class T, class Change>
inline T atomically(u8* p, const Change& change) {
    typedef typename std::conditional<sizeof(T) == 4, u32, u64>::type Bits;
    Bits* cell = (Bits*)p;
    Bits before = __atomic_load_n(cell, __ATOMIC_RELAXED);
    for (;;) {
        const Bits after = into<Bits>((T)change(as<T>(before)));
        if (__atomic_compare_exchange_n(cell, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return as<T>(before);
    }
}

#define ATOMIC(name, result)                                                \
    template <class T>                                                      \
    inline T atomic_##name(u8* p, T v) {                                    \
        return atomically<T>(p, [=](T old) { (void)old; return result; });  \
    }
ATOMIC(add, old + v)
ATOMIC(min, v < old ? v : old)
ATOMIC(max, v > old ? v : old)
ATOMIC(exch, v)
ATOMIC(and, old& v)
ATOMIC(or, old | v)
ATOMIC(xor, old ^ v)
ATOMIC(inc, old >= v ? T(0) : T(old + 1))
ATOMIC(dec, old == 0 || old > v ? v : T(old - 1))
#undef ATOMIC

template <class T>
inline T atomic_cas(u8* p, T expected, T v) {
    return atomically<T>(p, [=](T old) { return old == expected ? v : old; });
}

// The draws behind a detector's noise, each a function of a seed and an element's number, with the same bits
// everywhere.
//
//   normal    cos(2 pi u) sqrt(-2 log v)                                    (Box and Muller 1958, one of their pair)
//   Poisson   mean < 10: inversion, term by term;  else transformed rejection, PTRS (Hoermann 1993, Insurance:
//             Mathematics and Economics 12:39), a pair of uniforms for every try
//
// The rejection's test needs log P(k) for means up to 1e18, where k log(mean) - mean - log k! would cancel to nothing.
// It is taken as -(D + stirling(k) + log(2 pi k) / 2) with the deviance D = k log(k / mean) - (k - mean) from a series
// in (k - mean) / (k + mean) (Loader 2000, "Fast and accurate computation of binomial probabilities").
#pragma once

#include <cmath>

#include "deepdrr/elementary.h"
#include "deepdrr/philox.h"
#include "deepdrr/scalar.h"

namespace deepdrr {

enum Purpose : std::uint32_t { FOR_QUANTA = 1, FOR_ELECTRONS = 2 };

constexpr double FEW = 10.0;  // the mean from which PTRS is valid, and a sum of terms slow
constexpr int MOST_TERMS = 100;  // P(k > 100) < 1e-60 for a mean of 10: rounding must not keep the sum below the uniform
constexpr std::uint32_t MOST_TRIES = 256;  // each accepted with more than 1/4: only NaN gets here

DEEPDRR_FN double normal_draw(std::uint64_t seed, std::uint64_t element) {
    const Uniforms u = uniforms(seed, element, 0, FOR_ELECTRONS);
    return product(sqrt(-2.0 * log_of(u.second)), cos_of_turns(u.first));
}

DEEPDRR_FN double poisson_of_few(double mean, double u) {
    double term = exp_of_minus(mean), sum = term;
    int k = 0;
    while (u > sum && k < MOST_TERMS) {
        term = product(term, mean) / ++k;
        sum += term;
    }
    return k;
}

// log k! - (k + 1/2) log k + k - log(2 pi) / 2, for k >= 10.
DEEPDRR_FN double stirling(double k) {
    const double inverse = 1.0 / k, square = product(inverse, inverse);
    double sum = 1.0 / 1680.0;
    sum = 1.0 / 1260.0 - product(sum, square);
    sum = 1.0 / 360.0 - product(sum, square);
    return product(1.0 / 12.0 - product(sum, square), inverse);
}

// k log(k / mean) - (k - mean), for k > 0.
DEEPDRR_FN double deviance(double k, double mean) {
    const double off = k - mean, x = off / (k + mean), square = product(x, x);
    if (square < 0.0294) return product(off, x) + product(product(2.0 * k, product(x, square)), atanh_tail(square));
    return product(k, log_of(k / mean)) - off;
}

DEEPDRR_FN double log_poisson(double k, double mean) {
    if (k < 10.0) {
        double factorial = 1.0;
        for (int i = 2; i <= (int)k; ++i) factorial = product(factorial, (double)i);
        return product(k, log_of(mean)) - mean - log_of(factorial);
    }
    return -(deviance(k, mean) + stirling(k) + 0.5 * log_of(product(6.283185307179586, k)));
}

// Transformed rejection for one mean: a number from a pair of uniforms, and whether it is taken, at once or after a
// look at its probability.
struct Rejection {
    double mean, a, b, sure;

    DEEPDRR_FN explicit Rejection(double m) : mean(m) {
        b = 0.931 + product(2.53, sqrt(mean));
        a = product(0.02483, b) - 0.059;
        sure = 0.9277 - 3.6224 / (b - 2.0);
    }
    DEEPDRR_FN double edge(const Uniforms& u) const { return 0.5 - magnitude(u.first - 0.5); }
    DEEPDRR_FN double number(const Uniforms& u) const {
        return floor(product(2.0 * a / edge(u) + b, u.first - 0.5) + (mean + 0.43));
    }
    DEEPDRR_FN bool at_once(const Uniforms& u) const { return edge(u) >= 0.07 && u.second <= sure; }
    DEEPDRR_FN bool accepts(const Uniforms& u, double k) const {
        const double e = edge(u);
        if (k < 0.0 || (e < 0.013 && u.second > e)) return false;
        const double height = product(u.second, 1.1239 + 1.1328 / (b - 3.4)) / (a / product(e, e) + b);
        return log_of(height) <= log_poisson(k, mean);
    }
};

DEEPDRR_FN double poisson_of_many(double mean, std::uint64_t seed, std::uint64_t element) {
    const Rejection rejection(mean);
    for (std::uint32_t draw = 0; draw < MOST_TRIES; ++draw) {
        const Uniforms u = uniforms(seed, element, draw, FOR_QUANTA);
        const double k = rejection.number(u);
        if (rejection.at_once(u) || rejection.accepts(u, k)) return k;
    }
    return mean;
}

DEEPDRR_FN double poisson_draw(double mean, std::uint64_t seed, std::uint64_t element) {
    if (!(mean >= FEW)) return poisson_of_few(mean, uniforms(seed, element, 0, FOR_QUANTA).first);
    return poisson_of_many(mean, seed, element);
}

// Energy of a Poisson number of photons with this mean S and variance V: k V / S, k of mean S^2 / V. 0 where there is
// none.
DEEPDRR_FN double energy_of(double count, double mean, double variance) {
    return count > 0.0 ? product(count, variance / mean) : 0.0;
}

DEEPDRR_FN double quantum_draw(double mean, double variance, std::uint64_t seed, std::uint64_t element) {
    if (!(mean > 0.0) || !(variance > 0.0)) return 0.0;
    return energy_of(poisson_draw(product(mean, mean) / variance, seed, element), mean, variance);
}

// The same where its first try is taken at once, as most are of many photons; else -1. Without a branch, for loops over
// lanes.
DEEPDRR_FN double quick_quantum_draw(double mean, double variance, std::uint64_t seed, std::uint64_t element) {
    const Rejection rejection(product(mean, mean) / variance);
    const Uniforms u = uniforms(seed, element, 0, FOR_QUANTA);
    const bool quick = rejection.mean >= FEW && rejection.at_once(u);
    return quick ? energy_of(rejection.number(u), mean, variance) : -1.0;
}

}  // namespace deepdrr

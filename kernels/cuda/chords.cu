// The chords of all rays, for marches in which several threads share a ray: sample positions, or the start of a walk
// (march.cuh). One thread, one ray.
//
// Bytes: 56 of a ray read, 36 (samples) or 72 (walks) written, and read again by every thread of the ray. Operations:
// 230 double, which on GPUs with a 64th of float's rate is as much as 15 000 of float.
#include "march.cuh"

extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS) find_chords(deepdrr::RayJob job) {
    using namespace deepdrr;
    const Pixel p = my_pixel<1 << 30>(job);
    if (!p.inside) return;
    const Chord chord = chord_of(job, p);
    if (job.step == 0.0)
        ((WalkedChord*)job.found)[ray_number(job, p)] = WalkedChord(chord);
    else
        ((Samples*)job.found)[ray_number(job, p)] = Samples(chord, job);
}

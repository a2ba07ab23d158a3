// The one module of all CUDA kernels.
#include "chords.cu"
#include "grad_rays.cu"
#include "grad_values.cu"
#include "label_grad_rays.cu"
#include "label_grad_values.cu"
#include "label_integrals.cu"
#include "line_integrals.cu"
#include "noise.cu"
#include "prefilter.cu"
#include "spectral_sums.cu"

// Sizes of the structs that the kernels take and leave to each other, for the test that compares them with Python's.
extern "C" __global__ void job_bytes(int* out) {
    out[0] = sizeof(deepdrr::RayJob), out[1] = sizeof(deepdrr::RayAdjointJob), out[2] = sizeof(deepdrr::ValueAdjointJob);
    out[3] = sizeof(deepdrr::NoiseJob), out[4] = sizeof(deepdrr::SpectralJob);
    out[5] = sizeof(deepdrr::PrefilterJob);
    out[6] = sizeof(deepdrr::Samples), out[7] = sizeof(deepdrr::WalkedChord);
}

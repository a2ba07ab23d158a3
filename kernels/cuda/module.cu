// The one module of all CUDA kernels.
#include "by_rays.cu"
#include "by_values.cu"
#include "chords.cu"
#include "labels.cu"
#include "labels_by_rays.cu"
#include "labels_by_values.cu"
#include "noise.cu"
#include "prefilter.cu"
#include "project.cu"
#include "spectral.cu"

// Sizes of the structs that the kernels take and leave to each other, for the test that compares them with Python's.
extern "C" __global__ void job_bytes(int* out) {
    out[0] = sizeof(deepdrr::RayJob), out[1] = sizeof(deepdrr::RayAdjointJob), out[2] = sizeof(deepdrr::ValueAdjointJob);
    out[3] = sizeof(deepdrr::NoiseJob), out[4] = sizeof(deepdrr::SpectralJob);
    out[5] = sizeof(deepdrr::PrefilterJob);
    out[6] = sizeof(deepdrr::Samples), out[7] = sizeof(deepdrr::WalkedChord);
}

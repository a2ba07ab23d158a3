// The one module of all CUDA kernels.
#include "chords.cu"
#include "grad_rays.cu"
#include "grad_values.cu"
#include "label_grad_rays.cu"
#include "label_grad_values.cu"
#include "label_integrals.cu"
#include "line_integrals.cu"
#include "mesh_crossings.cu"
#include "noise.cu"
#include "prefilter.cu"
#include "spectral_sums.cu"

// Sizes of the structs that the kernels take and leave to each other, for the test that compares them with Python's.
extern "C" __global__ void job_bytes(int* out) {
    using namespace deepdrr;
    out[0] = sizeof(RayJob), out[1] = sizeof(RayAdjointJob), out[2] = sizeof(ValueAdjointJob);
    out[3] = sizeof(NoiseJob), out[4] = sizeof(SpectralJob), out[5] = sizeof(PrefilterJob);
    out[6] = sizeof(Samples), out[7] = sizeof(WalkedChord);
    out[8] = sizeof(CrossingJob), out[9] = sizeof(DeviceMesh);
}

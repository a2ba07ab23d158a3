// Gradients of line integrals with respect to the rays: how the sum over channels of upstream * integral changes as a
// ray's end points and limits, and the volume's placement, move. One thread, one ray.
//
// Bytes: the voxels of the forward march, 24 double results per ray. Operations: about 75 float per linear sample and 28
// for its sums.
#include "grad_rays.cuh"

namespace deepdrr {

// A field along a ray: all channels, weighted by the ray's upstream gradient.
template <class T>
struct WeightedField {
    Volume<T> volume;
    Upstream upstream;
    const float* scale;
    int channels;

    __device__ WeightedField(const RayAdjointJob& job, const Pixel& p)
        : volume(job.rays, 0),
          upstream(job.upstream, job.rays, p),
          scale(job.rays.scale),
          channels(job.rays.channels) {}

    __device__ float weight(int c) const { return upstream.at(c) * (scale ? __ldg(scale + c) : 1.0f); }

    __device__ Slope<float> trilinear(int voxel, float x, float y, float z) const {
        float corners[8] = {};
#pragma unroll 1
        for (int c = 0; c < channels; ++c) {
            const float w = weight(c);
            for (int corner = 0; corner < 8; ++corner)
                corners[corner] += w * volume.at(c, voxel + volume.corner(corner));
        }
        const Cell<float> cell{corners[0], corners[1], corners[2], corners[3],
                               corners[4], corners[5], corners[6], corners[7]};
        return trilinear_slope(cell, x, y, z);
    }

    __device__ Slope<float> cubic(const Corner& x, const Corner& y, const Corner& z, const Grid& grid) const {
        const Taps ti(x, grid.n[0], grid.plane), tj(y, grid.n[1], grid.row), tk(z, grid.n[2], 1);
        float di[4], dj[4], dk[4];
        bspline_slopes(x.part, di[0], di[1], di[2], di[3]);
        bspline_slopes(y.part, dj[0], dj[1], dj[2], dj[3]);
        bspline_slopes(z.part, dk[0], dk[1], dk[2], dk[3]);
        Slope<float> sum{0, 0, 0, 0};
#pragma unroll 1
        for (int a = 0; a < 4; ++a)
#pragma unroll 1
            for (int b = 0; b < 4; ++b) {
                float row = 0.0f, row_slope = 0.0f;
                for (int c = 0; c < channels; ++c) {
                    const float w = weight(c);
                    for (int d = 0; d < 4; ++d) {
                        const float f = w * volume.at(c, ti.at[a] + tj.at[b] + tk.at[d]);
                        row += tk.weight[d] * f, row_slope += dk[d] * f;
                    }
                }
                const float wi = ti.weight[a], wj = tj.weight[b];
                sum.value += wi * wj * row, sum.x += di[a] * wj * row;
                sum.y += wi * dj[b] * row, sum.z += wi * wj * row_slope;
            }
        return sum;
    }
};

}  // namespace deepdrr

DEEPDRR_GRAD_RAYS_BOTH(step_linear, WeightedField, StepSlopes)
DEEPDRR_GRAD_RAYS_BOTH(exact_linear, WeightedField, ExactSlopes)
DEEPDRR_GRAD_RAYS(step_cubic, WeightedField, CubicSlopes, float, f32)

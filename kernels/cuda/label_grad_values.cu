// Gradients of linear integrals routed by label with respect to the values: each corner of a cell receives the upstream
// gradient of the channel that it goes to (labels.cuh). `fast` and `fixed` are those of grad_values.cu.
//
// Bytes: those of grad_values.cu for one channel, the labels', and the upstream gradient of the labels that a ray meets.
#include "grad_values.cuh"
#include "labels.cuh"

namespace deepdrr {

// The upstream gradient of a label, and where it is added to.
template <class G>
struct LabelSpread {
    const ValueAdjointJob& job;
    LabelMap labels;
    Upstream upstream;

    __device__ LabelSpread(const ValueAdjointJob& j, const Pixel& p)
        : job(j), labels(j.rays), upstream(j.upstream, j.rays, p) {}

    __device__ float of_label(int label) const { return label < labels.count ? upstream.at(label) : 0.0f; }
    __device__ void put(int voxel, float term) const { add_to((G*)job.grad_values, voxel, term, job.per_quantum); }
};

// Every corner takes the gradient of its own label; nearly everywhere that is one for all.
template <class G>
struct SoftSpread : LabelSpread<G> {
    using LabelSpread<G>::LabelSpread;

    __device__ void add_cell(const Volume<float>& volume, int voxel, const Weights& w) const {
        int label[8], differs = 0;
        for (int corner = 0; corner < 8; ++corner) {
            label[corner] = this->labels.at(voxel + volume.corner(corner));
            differs |= label[corner] ^ label[0];
        }
        const float only = this->of_label(label[0]);
        for (int corner = 0; corner < 8; ++corner) {
            const float own = differs ? this->of_label(label[corner]) : only;
            this->put(voxel + volume.corner(corner), own * w.at[corner]);
        }
    }
};

// All corners take the gradient of the nearest voxel's label.
template <class G>
struct HardSpread : LabelSpread<G> {
    using LabelSpread<G>::LabelSpread;

    __device__ void spread(const Volume<float>& volume, int voxel, int nearest, const Weights& w) const {
        const float weight = this->of_label(this->labels.at(nearest));
        for (int corner = 0; corner < 8; ++corner) this->put(voxel + volume.corner(corner), weight * w.at[corner]);
    }
};

template <class Spread>
__device__ void step_hard(const RayJob& job, const Pixel& p, const Spread& spread) {
    const Volume<float> volume(job, 0);
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const CellOfSample cell(samples, k, job.grid);
        const int voxel = cell.voxel(job.grid), nearest = voxel + volume.corner(cell.nearest_corner());
        spread.spread(volume, voxel, nearest, cell.weights(samples.weight));
    });
}

template <class Spread>
__device__ void exact_hard(const RayJob& job, const Pixel& p, const Spread& spread) {
    const Volume<float> volume(job, 0);
    for_each_piece<Cells::HALVES>(job, p, [&](const Walk<Cells::HALVES>& walk, float stop) {
        const CellOfWalk cell(walk, job.grid);
        spread.spread(volume, cell.voxel(job.grid), voxel_of(walk, job.grid), cell.weights(walk.at, stop));
    });
}

}  // namespace deepdrr

DEEPDRR_GRAD_VALUES_BOTH(step_linear_hard, step_hard, HardSpread)
DEEPDRR_GRAD_VALUES_BOTH(exact_linear_hard, exact_hard, HardSpread)
DEEPDRR_GRAD_VALUES_BOTH(step_linear_soft, step_linear, SoftSpread)
DEEPDRR_GRAD_VALUES_BOTH(exact_linear_soft, exact_linear, SoftSpread)

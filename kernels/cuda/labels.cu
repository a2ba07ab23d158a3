// Line integrals of one value, or of 1, each part of which goes to the channel of a label (labels.cuh).
//
// A thread keeps its ray's sums. 128 of them fit neither registers nor shared memory (64 KB for a block of 128 threads:
// one block on a multiprocessor); but a ray stays with a label for long, and fades between two. So a thread holds the sums
// of the last two labels, and books one on its channel's image when a third label comes, and both now and then, so that
// no float sum has many terms. An atomic addition is used where none is needed, as nobody else adds to the pixel: it asks
// for no answer, where reading the pixel would stop the warp for as long as the L2 takes. One thread's additions to one
// place are done in its order: the result has the same bits every time.
//
// Bytes: those of project.cu and the labels' (one per voxel), and 4 bytes per booking: about one for every 20 samples.
// Operations: those of project.cu and 6 per sample for the label; soft, 30 for the corners'.
#include "labels.cuh"
#include "march.cuh"

namespace deepdrr {

class Ledger {
   public:
    __device__ Ledger(const RayJob& job, const Pixel& p)
        : out_(job.out +
               (((long long)p.part * job.views + p.view) * job.channels * job.height + p.row) * job.width + p.column),
          image_((long long)job.height * job.width),
          scale_(job.scale ? *job.scale : 1.0f),
          count_(job.channels),
          terms_(0),
          held_(-1),
          other_(-1),
          sum_(0.0f),
          other_sum_(0.0f) {}

    __device__ void add(int label, float term) {
        if (label != held_) turn_to(label);
        sum_ += term;
    }
    // After every sample or cell.
    __device__ void count() {
        if (++terms_ % SEGMENT == 0) close();
    }
    __device__ void close() {
        book(held_, sum_), book(other_, other_sum_);
        sum_ = other_sum_ = 0.0f;
    }

   private:
    __device__ void turn_to(int label) {
        const int before = held_;
        const float sum = sum_;
        held_ = other_, sum_ = other_sum_, other_ = before, other_sum_ = sum;
        if (label == held_) return;
        book(held_, sum_);
        held_ = label, sum_ = 0.0f;
    }
    __device__ void book(int label, float sum) const {
        if ((unsigned)label < (unsigned)count_ && sum != 0.0f) atomicAdd(out_ + label * image_, scale_ * sum);
    }

    float* out_;  // this ray's pixel in the image of label 0
    long long image_;
    float scale_;
    int count_, terms_, held_, other_;
    float sum_, other_sum_;
};

template <class T>
__device__ float interpolate(const RoutedVolume<T>& volume, int voxel, const Weights& w) {
    float sum = 0.0f;
    for (int corner = 0; corner < 8; ++corner) sum += w.at[corner] * volume.value(voxel + volume.corner(corner));
    return sum;
}

// Where the corners agree, as nearly everywhere, their sum goes to their label as in hard routing.
template <class T>
__device__ void route_corners(const LabelMap& labels, const RoutedVolume<T>& volume, int voxel, const Weights& w,
                              Ledger& ledger) {
    int label[8], differs = 0;
    for (int corner = 0; corner < 8; ++corner) {
        label[corner] = labels.at(voxel + volume.corner(corner));
        differs |= label[corner] ^ label[0];
    }
    if (!differs) {
        ledger.add(label[0], interpolate(volume, voxel, w));
        return;
    }
    for (int corner = 0; corner < 8; ++corner)
        ledger.add(label[corner], w.at[corner] * volume.value(voxel + volume.corner(corner)));
}

template <class T>
struct StepNearestHard {
    static __device__ void run(const RayJob& job, const Pixel& p, Ledger& ledger) {
        const Samples samples(chord_of(job, p), job, p.part);
        const RoutedVolume<T> volume(job);
        const LabelMap labels(job);
        for (int k = samples.first; k < samples.last; ++k, ledger.count()) {
            const int voxel = voxel_of(samples, k, job.grid);
            ledger.add(labels.at(voxel), samples.weight * volume.value(voxel));
        }
    }
};

template <class T>
struct ExactNearestHard {
    static __device__ void run(const RayJob& job, const Pixel& p, Ledger& ledger) {
        const RoutedVolume<T> volume(job);
        const LabelMap labels(job);
        for (Walk<Cells::voxels> walk(chord_of(job, p), job.grid, p.part, job.parts); walk.going(); ledger.count()) {
            const Stride stride = walk.next();
            const int voxel = voxel_of(walk, job.grid);
            ledger.add(labels.at(voxel), (stride.stop - walk.at) * volume.value(voxel));
            walk.go(stride);
        }
    }
};

template <class T>
struct StepLinearHard {
    static __device__ void run(const RayJob& job, const Pixel& p, Ledger& ledger) {
        const Samples samples(chord_of(job, p), job, p.part);
        const RoutedVolume<T> volume(job);
        const LabelMap labels(job);
        for (int k = samples.first; k < samples.last; ++k, ledger.count()) {
            const CellOfSample cell(samples, k, job.grid);
            const int voxel = cell.voxel(job.grid), nearest = voxel + volume.corner(cell.nearest_corner());
            ledger.add(labels.at(nearest), interpolate(volume, voxel, cell.weights(samples.weight)));
        }
    }
};

template <class T>
struct ExactLinearHard {
    static __device__ void run(const RayJob& job, const Pixel& p, Ledger& ledger) {
        const RoutedVolume<T> volume(job);
        const LabelMap labels(job);
        for (Walk<Cells::halves> walk(chord_of(job, p), job.grid, p.part, job.parts); walk.going(); ledger.count()) {
            const Stride stride = walk.next();
            const CellOfWalk cell(walk, job.grid);
            ledger.add(labels.at(voxel_of(walk, job.grid)),
                       interpolate(volume, cell.voxel(job.grid), cell.weights(walk.at, stride.stop)));
            walk.go(stride);
        }
    }
};

template <class T>
struct StepLinearSoft {
    static __device__ void run(const RayJob& job, const Pixel& p, Ledger& ledger) {
        const Samples samples(chord_of(job, p), job, p.part);
        const RoutedVolume<T> volume(job);
        const LabelMap labels(job);
        for (int k = samples.first; k < samples.last; ++k, ledger.count()) {
            const CellOfSample cell(samples, k, job.grid);
            route_corners(labels, volume, cell.voxel(job.grid), cell.weights(samples.weight), ledger);
        }
    }
};

template <class T>
struct ExactLinearSoft {
    static __device__ void run(const RayJob& job, const Pixel& p, Ledger& ledger) {
        const RoutedVolume<T> volume(job);
        const LabelMap labels(job);
        for (Walk<Cells::between> walk(chord_of(job, p), job.grid, p.part, job.parts); walk.going(); ledger.count()) {
            const Stride stride = walk.next();
            const CellOfWalk cell(walk, job.grid);
            route_corners(labels, volume, cell.voxel(job.grid), cell.weights(walk.at, stride.stop), ledger);
            walk.go(stride);
        }
    }
};

template <class March>
__device__ void route(const RayJob& job) {
    const Pixel p = my_pixel<1 << 30>(job);
    if (!p.inside) return;
    Ledger ledger(job, p);
    March::run(job, p, ledger);
    ledger.close();
}

}  // namespace deepdrr

#define DEEPDRR_ROUTED(name, March, T, suffix)                                                                \
    extern "C" __global__ void __launch_bounds__(deepdrr::BLOCK_THREADS) name##_##suffix(deepdrr::RayJob job) { \
        deepdrr::route<deepdrr::March<T>>(job);                                                               \
    }
#define DEEPDRR_ROUTED_BOTH(name, March)     \
    DEEPDRR_ROUTED(name, March, float, f32)  \
    DEEPDRR_ROUTED(name, March, short, i16)

DEEPDRR_ROUTED_BOTH(step_nearest_hard, StepNearestHard)
DEEPDRR_ROUTED_BOTH(exact_nearest_hard, ExactNearestHard)
DEEPDRR_ROUTED_BOTH(step_linear_hard, StepLinearHard)
DEEPDRR_ROUTED_BOTH(exact_linear_hard, ExactLinearHard)
DEEPDRR_ROUTED_BOTH(step_linear_soft, StepLinearSoft)
DEEPDRR_ROUTED_BOTH(exact_linear_soft, ExactLinearSoft)

// Line integrals of one value, or of 1, whose parts go to the channels of their labels (labels.cuh).
//
// A thread keeps its ray's sums. 128 of them fit neither registers nor shared memory (64 KB for a block of 128 threads:
// one block on a multiprocessor); but a ray stays in one label for long, and fades between two. So a thread holds the
// sums of the last two labels. It adds one to its channel's image when a third label comes, and both now and then, so
// that no float sum has many terms. These additions are atomic although nobody else adds to the pixel: an atomic addition
// returns at once, where reading the pixel would stop the warp until the L2 answers. One thread's additions to one
// address happen in order: the result has the same bits every time.
//
// Bytes: those of line_integrals.cu and the labels' (one per voxel), and 4 bytes per flush: in a CT one for every 14
// samples. Operations: those of line_integrals.cu and 6 per sample for the label; soft, 30 for the corners'.
#include "labels.cuh"
#include "march.cuh"

namespace deepdrr {

class LabelSums {
   public:
    __device__ LabelSums(const RayJob& job, const Pixel& p)
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
        if (label != held_) switch_to(label);
        sum_ += term;
    }
    // After every sample or cell.
    __device__ void count() {
        if (++terms_ % SEGMENT == 0) close();
    }
    __device__ void close() {
        flush(held_, sum_), flush(other_, other_sum_);
        sum_ = other_sum_ = 0.0f;
    }

   private:
    __device__ void switch_to(int label) {
        const int before = held_;
        const float sum = sum_;
        held_ = other_, sum_ = other_sum_, other_ = before, other_sum_ = sum;
        if (label == held_) return;
        flush(held_, sum_);
        held_ = label, sum_ = 0.0f;
    }
    __device__ void flush(int label, float sum) const {
        if ((unsigned)label < (unsigned)count_ && sum != 0.0f) atomicAdd(out_ + label * image_, scale_ * sum);
    }

    float* out_;  // this ray's pixel in the image of label 0
    long long image_;
    float scale_;
    int count_, terms_, held_, other_;
    float sum_, other_sum_;
};

// Routes the values that a ray meets to the sums of their labels.
template <class T>
struct Router {
    RoutedVolume<T> volume;
    LabelMap labels;
    LabelSums sums;

    __device__ Router(const RayJob& job, const Pixel& p) : volume(job), labels(job), sums(job, p) {}

    __device__ void nearest(int voxel, float mm) {
        sums.add(labels.at(voxel), mm * volume.value(voxel));
        sums.count();
    }
    __device__ void hard(int voxel, int nearest, const Weights& w) {
        sums.add(labels.at(nearest), interpolate(voxel, w));
        sums.count();
    }
    // Where the corners agree, as nearly everywhere, their sum goes to their label as in hard routing.
    __device__ void soft(int voxel, const Weights& w) {
        int label[8], differs = 0;
        for (int corner = 0; corner < 8; ++corner) {
            label[corner] = labels.at(voxel + volume.corner(corner));
            differs |= label[corner] ^ label[0];
        }
        if (!differs)
            sums.add(label[0], interpolate(voxel, w));
        else
            for (int corner = 0; corner < 8; ++corner)
                sums.add(label[corner], w.at[corner] * volume.value(voxel + volume.corner(corner)));
        sums.count();
    }

   private:
    __device__ float interpolate(int voxel, const Weights& w) const {
        float sum = 0.0f;
        for (int corner = 0; corner < 8; ++corner) sum += w.at[corner] * volume.value(voxel + volume.corner(corner));
        return sum;
    }
};

template <class T>
__device__ void step_nearest_hard(const RayJob& job, const Pixel& p, Router<T>& router) {
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        router.nearest(voxel_of(samples, k, job.grid), samples.weight);
    });
}

template <class T>
__device__ void exact_nearest_hard(const RayJob& job, const Pixel& p, Router<T>& router) {
    for_each_piece<Cells::VOXELS>(job, p, [&](const Walk<Cells::VOXELS>& walk, float stop) {
        router.nearest(voxel_of(walk, job.grid), stop - walk.at);
    });
}

template <class T>
__device__ void step_linear_hard(const RayJob& job, const Pixel& p, Router<T>& router) {
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const CellOfSample cell(samples, k, job.grid);
        const int voxel = cell.voxel(job.grid);
        router.hard(voxel, voxel + router.volume.corner(cell.nearest_corner()), cell.weights(samples.weight));
    });
}

template <class T>
__device__ void exact_linear_hard(const RayJob& job, const Pixel& p, Router<T>& router) {
    for_each_piece<Cells::HALVES>(job, p, [&](const Walk<Cells::HALVES>& walk, float stop) {
        const CellOfWalk cell(walk, job.grid);
        router.hard(cell.voxel(job.grid), voxel_of(walk, job.grid), cell.weights(walk.at, stop));
    });
}

template <class T>
__device__ void step_linear_soft(const RayJob& job, const Pixel& p, Router<T>& router) {
    for_each_sample(job, p, [&](const Samples& samples, int k) {
        const CellOfSample cell(samples, k, job.grid);
        router.soft(cell.voxel(job.grid), cell.weights(samples.weight));
    });
}

template <class T>
__device__ void exact_linear_soft(const RayJob& job, const Pixel& p, Router<T>& router) {
    for_each_piece<Cells::BETWEEN>(job, p, [&](const Walk<Cells::BETWEEN>& walk, float stop) {
        const CellOfWalk cell(walk, job.grid);
        router.soft(cell.voxel(job.grid), cell.weights(walk.at, stop));
    });
}

}  // namespace deepdrr

// Threads in a block and, where ptxas would rather spill than take the registers, blocks on a multiprocessor.
#define DEEPDRR_ROUTED(name, T, suffix, ...)                                                         \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) name##_##suffix(deepdrr::RayJob job) { \
        const deepdrr::Pixel p = deepdrr::my_pixel<1 << 30>(job);                                             \
        if (!p.inside) return;                                                                                \
        deepdrr::Router<T> router(job, p);                                                                    \
        deepdrr::name(job, p, router);                                                                        \
        router.sums.close();                                                                                \
    }
#define DEEPDRR_ROUTED_BOTH(name, ...)            \
    DEEPDRR_ROUTED(name, float, f32, __VA_ARGS__) \
    DEEPDRR_ROUTED(name, short, i16, __VA_ARGS__)

DEEPDRR_ROUTED_BOTH(step_nearest_hard, deepdrr::BLOCK_THREADS)
DEEPDRR_ROUTED_BOTH(exact_nearest_hard, deepdrr::BLOCK_THREADS)
DEEPDRR_ROUTED_BOTH(step_linear_hard, deepdrr::BLOCK_THREADS)
DEEPDRR_ROUTED_BOTH(exact_linear_hard, deepdrr::BLOCK_THREADS)
DEEPDRR_ROUTED_BOTH(step_linear_soft, deepdrr::BLOCK_THREADS, 7)
DEEPDRR_ROUTED_BOTH(exact_linear_soft, deepdrr::BLOCK_THREADS)

// Gradients of linear integrals routed by label with respect to the rays: those of one field, in which the upstream
// gradient of the channel that a value goes to weights that value (labels.cuh).
//
// Bytes and operations: those of grad_rays.cu, one byte per label, and the upstream gradient of the labels that a ray
// meets.
#include "grad_rays.cuh"
#include "labels.cuh"

namespace deepdrr {

template <class T>
struct LabelField {
    RoutedVolume<T> volume;
    LabelMap labels;
    Upstream upstream;
    float scale;

    __device__ LabelField(const RayAdjointJob& job, const Pixel& p)
        : volume(job.rays),
          labels(job.rays),
          upstream(job.upstream, job.rays, p),
          scale(job.rays.scale ? *job.rays.scale : 1.0f) {}

    __device__ float weight(int voxel) const {
        const int label = labels.at(voxel);
        return label < labels.count ? scale * upstream.at(label) : 0.0f;
    }
};

// Each corner is weighted by its own label's.
template <class T>
struct SoftField : LabelField<T> {
    using LabelField<T>::LabelField;

    __device__ Slope<float> trilinear(int voxel, float x, float y, float z) const {
        float f[8];
        for (int corner = 0; corner < 8; ++corner) {
            const int at = voxel + this->volume.corner(corner);
            f[corner] = this->weight(at) * this->volume.value(at);
        }
        return trilinear_slope(Cell<float>{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]}, x, y, z);
    }
};

// All corners are weighted by that of the nearest.
template <class T>
struct HardField : LabelField<T> {
    using LabelField<T>::LabelField;

    __device__ Cell<float> plain(int voxel) const {
        float f[8];
        for (int corner = 0; corner < 8; ++corner) f[corner] = this->volume.value(voxel + this->volume.corner(corner));
        return {f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]};
    }
    __device__ Slope<float> trilinear(int voxel, float x, float y, float z) const {
        const float w = this->weight(voxel + this->volume.corner(nearest_corner_at(x, y, z)));
        const Slope<float> f = trilinear_slope(plain(voxel), x, y, z);
        return {w * f.value, w * f.x, w * f.y, w * f.z};
    }
};

// Through half cells. Where the label changes, the routed field jumps, and the jump moves with the ray: the derivative
// with respect to the position has a pulse there. Its integral along the ray is the jump times the millimetres per voxel
// of the crossed axis.
struct HalfSlopes {
    static constexpr bool exact = true;

    struct Piece {
        float at[3], moving[3];

        __device__ Piece(const CellOfWalk& cell, const Walk<Cells::HALVES>& walk, const Grid& grid, float s) {
            for (int a = 0; a < 3; ++a) {
                at[a] = clamp(cell.enter[a] + s * cell.slope[a], 0.0f, 1.0f);
                moving[a] = half_moves(walk.cell(a), grid.n[a]) ? 1.0f : 0.0f;
            }
        }
        __device__ Slope<float> of(const Cell<float>& corners) const {
            return trilinear_slope(corners, at[0], at[1], at[2]);
        }
    };

    template <class Field>
    static __device__ RaySums run(const RayJob& job, const Chord& chord, const Field& field) {
        SlopeSums sums;
        const float share = 1.0f / (float)chord.length;
        float weight = 0.0f;
        int crossed = -1;  // the axis; none before the first piece
        for (Walk<Cells::HALVES> walk(WalkedChord(chord), job.grid, 0, 1); walk.going();) {
            const CellStep step = walk.next();
            const CellOfWalk cell(walk, job.grid);
            const Cell<float> corners = field.plain(cell.voxel(job.grid));
            const float before = weight;
            weight = field.weight(voxel_of(walk, job.grid));
            if (weight != before && crossed >= 0) {
                const float there = Piece(cell, walk, job.grid, walk.at).of(corners).value;
                for (int a = 0; a < 3; ++a) {
                    const float mm = a == crossed ? 2.0f * walk.axis[a].inverse : 0.0f;
                    sums.add_slope(a, (weight - before) * there * mm, walk.at * share);
                }
            }
            const float middle = 0.5f * (walk.at + step.stop), half = 0.5f * (step.stop - walk.at);
#pragma unroll 1
            for (int node = 0; node < 2; ++node) {
                const float s = gauss_node(node, middle, half);
                const Piece piece(cell, walk, job.grid, s);
                sums.add(piece.of(corners), piece.moving, weight * half, s * share);
            }
            crossed = step.di ? 0 : step.dj ? 1 : 2;
            walk.go(step);
        }
        return sums.sums();
    }
};

}  // namespace deepdrr

DEEPDRR_GRAD_RAYS_BOTH(step_linear_hard, HardField, StepSlopes)
DEEPDRR_GRAD_RAYS_BOTH(exact_linear_hard, HardField, HalfSlopes)
DEEPDRR_GRAD_RAYS_BOTH(step_linear_soft, SoftField, StepSlopes)
DEEPDRR_GRAD_RAYS_BOTH(exact_linear_soft, SoftField, ExactSlopes)

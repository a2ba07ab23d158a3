// Moments of columns of voxels: what a ray needs where it passes from one column of cells to the next.
//
// Across the main axis a linear field is piecewise bilinear in u and v. Along a ray u = u0 + x du, v = v0 + x dv it is the
// polynomial of the first cell, and from where the ray meets a plane u = p of voxel centers, at x*, also the kink
//
//     |du| (x - x*) K_p(v),
//
// K being the second difference of the voxels across the plane, linear in v from one column to the next; likewise for v.
// Carried on to the end of a block of slabs, the integral of a kink is a sum of moments of the columns of K,
//
//     E_k(x*) = integral of (x - x*)^k h(x) from x* to the end,
//
// h being linear from plane to plane. They depend on nothing but voxels: all rays of a bundle share them.
#pragma once

#include <memory>
#include <vector>

#include "march/slabs.h"
#include "packets/row.h"
#include "packets/values.h"

namespace deepdrr {

// Moments of two neighboring columns from one of their planes to the end of the block, and the voxels there: CHANNELS
// channels side by side of the first, then of the second.
struct MomentPairs {
    RowPair square, linear, once, value;

    // Those a part s of a slab earlier, and the field there; `behind` are the voxels at the plane before.
    DEEPDRR_FN MomentPairs back(float s, RowPair behind) const {
        const float half = 0.5f * s * s, sixth = s * half / 3, twelfth = 0.5f * s * sixth;
        return {multiply_add(2 * s, linear, multiply_add(s * s, once, square)) +
                    multiply_add(2 * sixth - twelfth, value, twelfth * behind),
                multiply_add(s, once, linear) + multiply_add(half - sixth, value, sixth * behind),
                multiply_add(s - half, value, multiply_add(half, behind, once)),
                multiply_add(1 - s, value, s * behind)};
    }
};

// Lines of columns. A line has four parts of `wide` floats: the square, linear and once moments of its columns, and their
// voxels. What rays read there begins in the four parts at the same place, a column taking CHANNELS floats.
struct ColumnLines {
    const float* data;
    int wide;

    DEEPDRR_FN RowPair square(int at) const { return load_row_pair(data + at); }
    DEEPDRR_FN RowPair linear(int at) const { return load_row_pair(data + at + wide); }
    DEEPDRR_FN RowPair once(int at) const { return load_row_pair(data + at + 2 * wide); }
    DEEPDRR_FN RowPair value(int at) const { return load_row_pair(data + at + 3 * wide); }
    DEEPDRR_FN MomentPairs moments(int at) const { return {square(at), linear(at), once(at), value(at)}; }
};

// The columns of a block of slabs that the rays of a bundle touch.
class Columns {
   public:
    int low[2], count[2];  // the first column, and how many, along u and v

    // All slabs of a block for `count` channels from `first_channel`. Where `inside`, chords begin or end in the block.
    template <class T>
    void build(const Values<T>& values, int first_channel, int channels, const SlabAxes& axes, int first, int slabs,
               const CellBox& box, bool inside) {
        for (int c = 0; c < 2; ++c) low[c] = box.low[c], count[c] = box.high[c] - box.low[c] + 2;
        wide_ = (CHANNELS * greater(count[0], count[1]) + GROUP - 1) / GROUP * GROUP;
        field_step_ = inside ? line() * count[0] : 0;
        field_.resize((std::size_t)(inside ? slabs + 1 : 1) * (std::size_t)(line() * count[0]));
        kinks_.resize((std::size_t)(slabs + 1) * (std::size_t)kinks_step());
        for (int c = 0; c < 2; ++c) voxels_[c].resize((std::size_t)(wide_ * count[c]));
        find_offsets(values.grid, axes);
        const int stride[3] = {values.grid.plane, values.grid.row, 1};
        for (int plane = slabs; plane >= 0; --plane) {
            const int at = clamp(first + plane, 0, values.grid.n[axes.main] - 1);
            const std::int64_t next = (std::int64_t)(clamp(first + plane - 1, 0, at) - at) * stride[axes.main];
            read(values, first_channel, channels, (std::int64_t)at * stride[axes.main], next);
            add_kinks(plane, plane == slabs);
            if (inside) add_field(plane, plane == slabs);
            else add_to_start(plane, slabs);
        }
    }

    // The field: a line per u, of columns along v.
    DEEPDRR_FN ColumnLines field() const { return {field_.data(), wide_}; }
    DEEPDRR_FN int field_step() const { return field_step_; }  // from plane to plane

    // The kinks: a line per plane of u, of columns along v; then a line per plane of v, of columns along u.
    DEEPDRR_FN ColumnLines kinks() const { return {kinks_.data(), wide_}; }
    DEEPDRR_FN int kinks_of_v() const { return line() * count[0]; }
    DEEPDRR_FN int kinks_step() const { return line() * (count[0] + count[1]); }  // from plane to plane

    DEEPDRR_FN int line() const { return 4 * wide_; }  // from line to line

   private:
    // Floats that are written before they are read: a vector would fill them with zeros first.
    class Table {
       public:
        void resize(std::size_t size) {
            if (size <= size_) return;
            room_.reset(new float[size + MARGIN]), size_ = size;
            const std::size_t beyond = (std::size_t)room_.get() / sizeof(float) % MARGIN;
            data_ = room_.get() + (MARGIN - beyond) % MARGIN;
        }
        float* data() { return data_; }
        const float* data() const { return data_; }

       private:
        static constexpr std::size_t MARGIN = 16;  // to begin with a cache line
        std::unique_ptr<float[]> room_;
        float* data_ = nullptr;
        std::size_t size_ = 0;
    };

    // Columns -1 and n repeat the outermost voxels.
    void find_offsets(const Grid& grid, const SlabAxes& axes) {
        const int stride[3] = {grid.plane, grid.row, 1};
        for (int c = 0; c < 2; ++c) {
            offset_[c].resize((std::size_t)count[c]);
            for (int n = 0; n < count[c]; ++n)
                offset_[c][(std::size_t)n] =
                    (std::int64_t)clamp(low[c] + n, 0, grid.n[axes.across[c]] - 1) * stride[axes.across[c]];
        }
        const bool dense = axes.across[1] == 2;  // columns along v are neighbors in memory, but for those that repeat
        dense_from_ = dense ? lesser(greater(-low[1], 0), count[1]) : count[1];
        dense_to_ = dense ? lesser(count[1], grid.n[2] - low[1]) : count[1];
    }

    // The voxels of a plane, in lines along v and in lines along u.
    template <class T>
    void read(const Values<T>& values, int first_channel, int channels, std::int64_t plane, std::int64_t next) {
        const T* data[CHANNELS];
        for (int c = 0; c < CHANNELS; ++c) data[c] = values.channel(first_channel + lesser(c, channels - 1)) + plane;
        for (int i = 0; i < count[0]; ++i) {
            const std::int64_t line = offset_[0][(std::size_t)i];
            float *along_v = voxels_[0].data() + i * wide_, *along_u = voxels_[1].data() + i * CHANNELS;
            const auto put = [&](int j, Row row) {
                store_row(along_v + j * CHANNELS, row), store_row(along_u + j * wide_, row);
            };
            const auto put_voxel = [&](int j) {
                const std::int64_t at = line + offset_[1][(std::size_t)j];
                put(j, row_of((float)data[0][at], (float)data[1][at], (float)data[2][at], (float)data[3][at]));
            };
            int j = 0;
            for (; j < dense_from_; ++j) put_voxel(j);
            for (int rest; (rest = dense_to_ - j) > 0 && dense_to_ - dense_from_ >= 4; j += 4) {
                if (rest < 4) j = dense_to_ - 4;  // some once more
                const std::int64_t at = line + offset_[1][(std::size_t)j];
                Row rows[CHANNELS];
                for (int c = 0; c < CHANNELS; ++c) rows[c] = load_row(data[c] + at);
                transpose(rows);
                for (int n = 0; n < 4; ++n) put(j + n, rows[n]);
                for (int c = 0; c < channels; ++c) DEEPDRR_PREFETCH(data[c] + at + next);
            }
            for (; j < count[1]; ++j) put_voxel(j);
        }
    }

    // Second differences across the planes of u and of v, and their moments.
    void add_kinks(int plane, bool last) {
        float* to = kinks_.data() + (std::int64_t)plane * kinks_step();
        for (int c = 0; c < 2; ++c, to += kinks_of_v()) {
            const int floats = CHANNELS * count[1 - c];
            for (int p = 1; p + 1 < count[c]; ++p)
                put(to + p * line(), last ? nullptr : to + p * line() + kinks_step(), floats, [&](int n) {
                    const float* voxel = voxels_[c].data() + p * wide_ + n;
                    return load<Floats>(voxel - wide_) - 2.0f * load<Floats>(voxel) + load<Floats>(voxel + wide_);
                });
        }
    }

    void add_field(int plane, bool last) {
        float* to = field_.data() + (std::int64_t)plane * field_step_;
        for (int i = 0; i < count[0]; ++i)
            put(to + i * line(), last ? nullptr : to + i * line() + field_step_, CHANNELS * count[1],
                [&](int n) { return load<Floats>(voxels_[0].data() + i * wide_ + n); });
    }

    // A line's moments a plane before those `later`; null for the end of the block, where all are 0.
    template <class Value>
    DEEPDRR_FN void put(float* DEEPDRR_RESTRICT to, const float* later, int floats, const Value& value) const {
        for (int n = 0; n < floats; n += GROUP) {
            const Floats earlier = value(n);
            Floats square{}, linear{}, once{};
            if (later) {
                const Floats at = load<Floats>(later + 3 * wide_ + n);
                square = load<Floats>(later + n), linear = load<Floats>(later + wide_ + n);
                once = load<Floats>(later + 2 * wide_ + n);
                square = 2.0f * linear + (square + once) + ((1.0f / 4) * at + (1.0f / 12) * earlier);
                linear = (1.0f / 3) * at + ((1.0f / 6) * earlier + (linear + once));
                once = 0.5f * (at + earlier) + once;
            }
            store(square, to + n), store(linear, to + wide_ + n), store(once, to + 2 * wide_ + n);
            store(earlier, to + 3 * wide_ + n);
        }
    }

    // The field's moments from the first plane to the end of the block: a plane's voxels count as hats between planes.
    void add_to_start(int plane, int slabs) {
        const float x = (float)plane, side = plane == 0 ? 1.0f : -1.0f;
        const bool middle = plane > 0 && plane < slabs;
        const float once = middle ? 1.0f : 0.5f, linear = middle ? x : 0.5f * x + side / 6;
        const float square = middle ? x * x + 1.0f / 6 : 0.5f * x * x + side * x / 3 + 1.0f / 12;
        for (int i = 0; i < count[0]; ++i) {
            const float* voxels = voxels_[0].data() + i * wide_;
            float* to = field_.data() + i * line();
            for (int n = 0; n < CHANNELS * count[1]; n += GROUP) {
                const Floats value = load<Floats>(voxels + n);
                const auto add = [&](int part, float weight) {
                    const Floats sum = plane == slabs ? Floats{} : load<Floats>(to + part * wide_ + n);
                    store(sum + weight * value, to + part * wide_ + n);
                };
                add(0, square), add(1, linear), add(2, once);
            }
        }
    }

    Table field_, kinks_, voxels_[2];
    std::vector<std::int64_t> offset_[2];
    int wide_ = 0, field_step_ = 0, dense_from_ = 0, dense_to_ = 0;
};

}  // namespace deepdrr

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

// Of a column from one of its planes to the end of the block, for CHANNELS channels side by side; and the voxel there.
struct alignas(64) Moments {
    Row square, linear, once, value;

    // Those a plane earlier.
    DEEPDRR_FN Moments before(Row earlier) const {
        return {multiply_add(2.0f, linear, square + once) + multiply_add(1.0f / 4, value, (1.0f / 12) * earlier),
                multiply_add(1.0f / 3, value, multiply_add(1.0f / 6, earlier, linear + once)),
                multiply_add(0.5f, value + earlier, once), earlier};
    }

    // Those a part s of a slab earlier, and the field there; `behind` is the voxel at the plane before.
    DEEPDRR_FN Moments back(float s, Row behind) const {
        const float half = 0.5f * s * s, sixth = s * half / 3, twelfth = 0.5f * s * sixth;
        return {multiply_add(2 * s, linear, multiply_add(s * s, once, square)) +
                    multiply_add(2 * sixth - twelfth, value, twelfth * behind),
                multiply_add(s, once, linear) + multiply_add(half - sixth, value, sixth * behind),
                multiply_add(s - half, value, multiply_add(half, behind, once)),
                multiply_add(1 - s, value, s * behind)};
    }
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
        const std::size_t size = (std::size_t)count[0] * count[1], planes = (std::size_t)slabs + 1;
        field_step_ = inside ? size : 0;
        field_.resize(inside ? size * planes : size);
        kinks_.resize(2 * size * planes);
        voxels_.resize(size);
        find_offsets(values.grid, axes);
        const int stride[3] = {values.grid.plane, values.grid.row, 1};
        for (int plane = slabs; plane >= 0; --plane) {
            const int at = clamp(first + plane, 0, values.grid.n[axes.main] - 1);
            const std::int64_t next = (std::int64_t)(clamp(first + plane - 1, 0, at) - at) * stride[axes.main];
            read(values, first_channel, channels, (std::int64_t)at * stride[axes.main], next);
            add_plane((std::size_t)plane, plane == slabs);
        }
    }

    // Columns i, j and i, j + 1 of the field at a plane; those of i + 1 are `across` further.
    DEEPDRR_FN const Moments* field() const { return field_.data(); }
    DEEPDRR_FN int field_step() const { return (int)field_step_; }  // from plane to plane
    DEEPDRR_FN int across() const { return count[1]; }

    // The kinks at planes of u, then those at planes of v: by plane of voxel centers, then by column along it.
    DEEPDRR_FN const Moments* kinks() const { return kinks_.data(); }
    DEEPDRR_FN int kinks_of_v() const { return count[0] * count[1]; }
    DEEPDRR_FN int kinks_step() const { return 2 * count[0] * count[1]; }  // from plane to plane

   private:
    // Moments that are written before they are read: a vector would fill them with zeros first.
    class Table {
       public:
        void resize(std::size_t size) {
            if (size > size_) data_.reset(new Moments[size]), size_ = size;
        }
        Moments* data() { return data_.get(); }
        const Moments* data() const { return data_.get(); }

       private:
        std::unique_ptr<Moments[]> data_;
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
        dense_from_ = dense ? greater(-low[1], 0) : count[1];
        dense_to_ = dense ? lesser(count[1], grid.n[2] - low[1]) : count[1];
    }

    template <class T>
    void read(const Values<T>& values, int first_channel, int channels, std::int64_t plane, std::int64_t next) {
        const T* data[CHANNELS];
        for (int c = 0; c < CHANNELS; ++c) data[c] = values.channel(first_channel + lesser(c, channels - 1)) + plane;
        const auto voxel = [&](std::int64_t at) {
            return row_of((float)data[0][at], (float)data[1][at], (float)data[2][at], (float)data[3][at]);
        };
        Row* to = voxels_.data();
        for (const std::int64_t i : offset_[0]) {
            int j = 0;
            for (; j < dense_from_; ++j) *to++ = voxel(i + offset_[1][(std::size_t)j]);
            for (; j + 4 <= dense_to_; j += 4, to += 4) {
                const std::int64_t at = i + offset_[1][(std::size_t)j];
                for (int c = 0; c < CHANNELS; ++c) to[c] = load_row(data[c] + at);
                transpose(to);
                for (int c = 0; c < channels; ++c) DEEPDRR_PREFETCH(data[c] + at + next);
            }
            for (; j < count[1]; ++j) *to++ = voxel(i + offset_[1][(std::size_t)j]);
        }
    }

    void add_plane(std::size_t plane, bool last) {
        const std::size_t across = (std::size_t)count[1], size = (std::size_t)count[0] * across;
        Moments *field = field_.data() + plane * field_step_, *later = last ? field : field + field_step_;
        put(field, later, size, last, [&](std::size_t n) { return voxels_[n]; });
        Moments *of_u = kinks_.data() + 2 * size * plane, *of_v = of_u + size;
        const std::size_t step = last ? 0 : 2 * size;
        put(of_u + across, of_u + across + step, size - 2 * across, last, [&](std::size_t n) {
            return second_difference(voxels_[n], voxels_[n + across], voxels_[n + 2 * across]);
        });
        for (std::size_t q = 1; q + 1 < across; ++q) {
            Moments* row = of_v + q * (std::size_t)count[0];
            put(row, row + step, (std::size_t)count[0], last, [&](std::size_t n) {
                const Row* v = voxels_.data() + n * across + q;
                return second_difference(v[-1], v[0], v[1]);
            });
        }
    }

    template <class Value>
    DEEPDRR_FN static void put(Moments* to, const Moments* later, std::size_t columns, bool last, const Value& value) {
        const Row zero = row_of(0.0f);
        if (last)
            for (std::size_t n = 0; n < columns; ++n) to[n] = {zero, zero, zero, value(n)};
        else
            for (std::size_t n = 0; n < columns; ++n) to[n] = later[n].before(value(n));
    }

    DEEPDRR_FN static Row second_difference(Row before, Row here, Row after) {
        return multiply_add(-2.0f, here, before + after);
    }

    Table field_, kinks_;
    std::vector<Row> voxels_;
    std::vector<std::int64_t> offset_[2];
    std::size_t field_step_ = 0;
    int dense_from_ = 0, dense_to_ = 0;
};

}  // namespace deepdrr

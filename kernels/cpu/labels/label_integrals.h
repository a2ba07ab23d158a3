// Line integrals of one value, or of 1, whose parts go to the channels of their labels.
//
//   Hard: the interpolated value goes to the label of the nearest voxel. For Stencil1 and NearStencil8.
//   Soft: each corner's share goes to that corner's own label. For Stencil8.
//
// The packets of a bundle advance in turn, as in line_integrals.h.
#pragma once

#include <cstring>
#include <vector>

#include "forward/line_integrals.h"
#include "labels/label_march.h"

namespace deepdrr {

template <class T>
DEEPDRR_FN void add(const NearStencil8& stencil, const T* values, const std::int64_t* offset, float* sum) {
    add(static_cast<const Stencil8&>(stencil), values, offset, sum);
}

DEEPDRR_FN const int* nearest(const Stencil1& stencil) { return stencil.voxel; }
DEEPDRR_FN const int* nearest(const NearStencil8& stencil) { return stencil.nearest; }

struct Hard {
    template <class Stencil, class T>
    DEEPDRR_FN static void route(const Stencil& stencil, const LabeledField<T>& field, LabelSums& sums) {
        alignas(64) int label[LANES];
        alignas(64) float value[LANES] = {};
        for (int first = 0; first < LANES; first += GROUP) {
            const Ints bytes = fetch_bytes(field.labels, load<Ints>(nearest(stencil) + first));
            store(label_of(field.labels, bytes), label + first);
        }
        if (field.values.data)
            add(stencil, field.values.data, field.offset, value);
        else
            std::memcpy(value, stencil.weight[0], sizeof value);  // of Stencil1
        sums.add(label, value);
    }
};

// weight * value of every corner.
template <class T>
DEEPDRR_FN void weigh(const ThinStencil8& stencil, const T* values, const std::int64_t* offset,
                      float (*share)[LANES]) {
    for (int corner = 0; corner < 8; ++corner)
        for (int l = 0; l < LANES; ++l)
            share[corner][l] = stencil.weight[corner][l] * (float)values[stencil.voxel[l] + offset[corner]];
}

template <class T>
DEEPDRR_FN void weigh(const Stencil8& stencil, const T* values, const std::int64_t* offset,
                      float (*share)[LANES]) {
    for (int corner = 0; corner < 8; corner += 2) {
        Pairs pairs;
        fetch_pairs(values + offset[corner], stencil.voxel, pairs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) {
            share[corner][l] = stencil.weight[corner][l] * pairs.low[l];
            share[corner + 1][l] = stencil.weight[corner + 1][l] * pairs.high[l];
        }
    }
}

// The labels of the corners, two in the bytes of a number. In a grid of one voxel along k the two are the same voxel.
template <class T>
DEEPDRR_FN Ints fetch_row(const LabeledField<T>& field, Ints voxel, int row) {
    const Ints bytes = fetch_bytes(field.labels, voxel + (int)field.offset[2 * row]);
    return field.values.grid.n[2] > 1 ? bytes & 0xffff : (bytes & 0xff) * 0x101;
}

// Where the corners of a lane agree, as nearly everywhere, their sum goes to their label as in hard routing.
struct Soft {
    template <class Stencil, class T>
    DEEPDRR_FN static void route(const Stencil& stencil, const LabeledField<T>& field, LabelSums& sums) {
        alignas(64) int bytes[4][LANES], label[LANES], differs[LANES];
        alignas(64) float share[8][LANES], value[LANES];
        for (int first = 0; first < LANES; first += GROUP)
            for (int row = 0; row < 4; ++row)
                store(fetch_row(field, load<Ints>(stencil.voxel + first), row), bytes[row] + first);
        if (field.values.data)
            weigh(stencil, field.values.data, field.offset, share);
        else
            std::memcpy(share, stencil.weight, sizeof share);
        int any = 0;
        for (int l = 0; l < LANES; ++l) {
            const int one = bytes[0][l] & 0xff, same = one * 0x101;
            differs[l] = (bytes[0][l] ^ same) | (bytes[1][l] ^ same) | (bytes[2][l] ^ same) | (bytes[3][l] ^ same);
            any |= differs[l];
            label[l] = differs[l] ? sums.label(l) : lesser(one, field.labels.count);
            float sum = 0.0f;
            for (int corner = 0; corner < 8; ++corner) sum += share[corner][l];
            value[l] = differs[l] ? 0.0f : sum;
        }
        if (any)
            for (int l = 0; l < LANES; ++l)
                for (int corner = 0; differs[l] && corner < 8; ++corner) {
                    const int own = bytes[corner / 2][l] >> (corner & 1) * 8 & 0xff;
                    sums.add_at_once(lesser(own, field.labels.count), l, share[corner][l]);
                }
        sums.add(label, value);
    }
};

// A packet of rays, its march and its sums so far, see PacketState.
template <class Routing, class Stencil, template <class> class March>
class RoutedPacketState {
   public:
    using Thin = RoutedPacketState<Routing, typename Stencil::Thin, March>;

    RoutedPacketState(const Chord* chords, const Grid& grid, double step, float (*total)[LANES])
        : march_(chords, grid, step), total_(total) {}

    template <class T>
    bool advance(const LabeledField<T>& field) {
        bool more = true;
        Stencil stencil;
        LabelSums sums(total_);
        alignas(64) int later[LANES];
        for (int n = 0; n < CHUNK && (more = march_.next(stencil)); ++n) {
            march_.look_ahead(CHUNK, later);
            if (field.values.data) prefetch(later, field.values.data, field.offset);
            for (int l = 0; l < LANES; l += TILE + 1) DEEPDRR_PREFETCH(field.labels.data + later[l]);
            Routing::route(stencil, field, sums);
        }
        sums.flush();
        return more;
    }

   private:
    March<Stencil> march_;
    float (*total_)[LANES];  // [labels + 1]
};

template <class Packet, class T>
void route_bundle(const LabeledField<T>& field, const Affine& ijk_from_world, const Rays& rays, double step,
                  const Image& image, const Bundle& bundle) {
    const std::size_t size = (std::size_t)(field.labels.count + 1) * LANES;
    std::vector<float> totals(BUNDLE * BUNDLE * size);
    const auto total = [&](std::size_t packet) { return (float(*)[LANES])(totals.data() + packet * size); };
    std::vector<Packet> packets;
    packets.reserve(BUNDLE * BUNDLE);
    for_each_tile(rays, bundle, [&](const Tile& tile) {
        Chord chords[LANES];
        tile_chords(rays, tile, ijk_from_world, field.values.grid, chords);
        packets.emplace_back(chords, field.values.grid, step, total(packets.size()));
    });
    for (bool more = true; more;) {
        more = false;
        for (Packet& packet : packets) more |= packet.advance(field);
    }
    for (int label = 0; label < field.labels.count; ++label)
        write_bundle(image, bundle, label, field.values.scale[0],
                     [&](std::size_t packet) { return total(packet)[label]; });
}

template <class Packet, class T>
void project_routed(const LabeledField<T>& field, const Affine& ijk_from_world, const Rays& rays, double step,
                    const Image& image, int threads) {
    const Bundling bundling(rays);
    parallel_for(bundling.count, threads, [&](std::int64_t index) {
        route_bundle<Packet>(field, ijk_from_world, rays, step, image, bundling.at(index));
    });
}

template <class Packet, class T>
void project_labels(const LabeledField<T>& field, const Affine& ijk_from_world, const Rays& rays, double step,
                    const Image& image, int threads) {
    if (field.values.grid.n[2] == 1)
        project_routed<typename Packet::Thin>(field, ijk_from_world, rays, step, image, threads);
    else
        project_routed<Packet>(field, ijk_from_world, rays, step, image, threads);
}

}  // namespace deepdrr

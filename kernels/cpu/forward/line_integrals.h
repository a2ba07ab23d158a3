// Line integrals of the channels of a field: the sum of values times millimetres along every ray.
//
// The rays of a packet march together; each stencil is added to up to CHANNELS channels at once, and more channels
// repeat the march. The packets of a region advance in turn, CHUNK stencils at a time, so that they pass through the
// volume side by side and share cache lines. A chunk's sum is formed in float and added to a total: a thousand terms
// then lose no more than a few units of the last digit.
#pragma once

#include <vector>

#include "forward/regions.h"
#include "march/stencil_marches.h"
#include "march/value_march.h"
#include "packets/fetch.h"
#include "packets/values.h"
#include "parallel.h"

namespace deepdrr {

constexpr int CHUNK = 8;

// sum[l] += sum over corners of weight * value, for one channel.
template <class Stencil, class T>
DEEPDRR_FN void add(const Stencil& stencil, const T* values, const std::int64_t* offset, float* sum) {
    for (int corner = 0; corner < Stencil::corners; ++corner) {
        const T* at = values + offset[corner];
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l) sum[l] += stencil.weight[corner][l] * (float)at[stencil.voxel[l]];
    }
}

// Two corners at a time. The grid has more than one voxel along k.
template <class T>
DEEPDRR_FN void add(const Stencil8& stencil, const T* values, const std::int64_t* offset, float* sum) {
    for (int corner = 0; corner < 8; corner += 2) {
        Pairs pairs;
        fetch_pairs(values + offset[corner], stencil.voxel, pairs);
        DEEPDRR_LANES
        for (int l = 0; l < LANES; ++l)
            sum[l] += stencil.weight[corner][l] * pairs.low[l] + stencil.weight[corner + 1][l] * pairs.high[l];
    }
}

// Brings the voxels of a later stencil into the cache: those of four lanes spread over the tile, which share their
// lines with the others. It comes a chunk ahead; meanwhile the other packets of the region advance.
template <class T>
DEEPDRR_FN void prefetch(const int* voxel, const T* values, const std::int64_t* offset) {
    for (int l = 0; l < LANES; l += TILE + 1)
        for (int corner = 0; corner < 8; corner += 2) DEEPDRR_PREFETCH(values + voxel[l] + offset[corner]);
}

// A packet of rays, its march and its sums so far.
template <class Stencil, template <class> class March>
struct PacketState {
    Pixels pixels;
    March<Stencil> march;
    alignas(64) float total[CHANNELS][LANES] = {};

    PacketState(const Pixels& of, const Chord* chords, const Grid& grid, double step)
        : pixels(of), march(chords, grid, step) {}

    double result(int c, int l) const { return total[c][l]; }

    // Adds up to CHUNK stencils of `count` channels from `first`; false at the end of all its rays.
    template <class T>
    bool advance(const Values<T>& values, int first, int count, const std::int64_t* offset) {
        bool more = true;
        Stencil stencil;
        alignas(64) float sum[CHANNELS][LANES] = {};
        alignas(64) int later[LANES];
        for (int n = 0; n < CHUNK && (more = march.next(stencil)); ++n) {
            march.look_ahead(CHUNK, later);
            for (int c = 0; c < count; ++c) prefetch(later, values.channel(first + c), offset);
            for (int c = 0; c < count; ++c) add(stencil, values.channel(first + c), offset, sum[c]);
        }
        for (int c = 0; c < count; ++c)
            for (int l = 0; l < LANES; ++l) total[c][l] += sum[c][l];
        return more;
    }
};

// All fans of a region, and the packets of its other rays.
template <class Packet, class Fans>
class RegionState {
   public:
    RegionState(const Region& region, const Rays& rays, const Affine& ijk_from_world, const Grid& grid, double step) {
        const auto add_packet = [&](const Pixels& pixels) {
            Chord chords[LANES];
            pixel_chords(rays, pixels, ijk_from_world, grid, chords);
            packets_.emplace_back(pixels, chords, grid, step);
        };
        const bool fans = region.direction != FanDirection::NONE;
        packets_.reserve((std::size_t)(region.down * region.across / LANES / (fans ? 4 : 1)));
        std::vector<char> rest((std::size_t)(region.down * region.across), 1);
        if (fans) find_fans(region, rays, ijk_from_world, grid, step, rest.data());
        // Four pixels of every line, then the next four: packets are tiles where nothing is missing.
        Pixels pixels(region.view);
        for (int block = 0; block < region.length(); block += TILE)
            for (int line = 0; line < region.lines(); ++line)
                for (int place = block; place < lesser(block + TILE, region.length()); ++place) {
                    if (!rest[(std::size_t)line * region.length() + place]) continue;
                    pixels.add(region.row_of(line, place), region.column_of(line, place));
                    if (pixels.count == LANES) add_packet(pixels), pixels.count = 0;
                }
        if (pixels.count > 0) add_packet(pixels);
    }

    template <class T>
    void march(const Values<T>& values, int first, int count) {
        std::int64_t offset[8];
        corner_offsets(values.grid, offset);
        for (bool more = true; more;) {
            more = false;
            for (Fans& fan : fans_) more |= advance(fan, values, first, count, offset);
            for (Packet& packet : packets_) more |= packet.advance(values, first, count, offset);
        }
    }

    void write(const Image& image, int first, int count, const double* scale) const {
        const auto write_all = [&](const auto& packets) {
            for (const auto& packet : packets)
                for (int c = 0; c < count; ++c)
                    for (int l = 0; l < packet.pixels.count; ++l)
                        image.at(packet.pixels.view, first + c, packet.pixels.row[l], packet.pixels.column[l]) =
                            (float)(scale[first + c] * packet.result(c, l));
        };
        write_all(packets_), write_all(fans_);
    }

   private:
    void find_fans(const Region& region, const Rays& rays, const Affine& ijk_from_world, const Grid& grid, double step,
                     char* rest) {
        const int length = region.length();
        std::vector<SampledChord> chords;
        chords.reserve((std::size_t)length);
        fans_.reserve((std::size_t)(region.lines() * (length / LANES + 1)));
        for (int line = 0; line < region.lines(); ++line, rest += length) {
            chords.clear();
            for (int place = 0; place < length; ++place) {
                const std::int64_t r = region.row_of(line, place), c = region.column_of(line, place);
                chords.emplace_back(chord_of(rays, region.view, r, c, ijk_from_world, grid), step);
            }
            split_line(chords.data(), length, grid, Fans::TAPS, [&](int from, int to) {
                Pixels pixels(region.view);
                for (int place = from; place < to; ++place) {
                    pixels.add(region.row_of(line, place), region.column_of(line, place));
                    rest[place] = 0;
                }
                fans_.emplace_back(pixels, chords.data() + from);
            });
        }
    }

    std::vector<Packet> packets_;
    std::vector<Fans> fans_;
};

template <class Packet, class Fans = Fan, class T>
void project_packets(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                     const Image& image, int threads, bool in_fans) {
    std::vector<Region> regions;
    for (std::int64_t view = 0; view < rays.views; ++view)
        divide_view(rays, view, in_fans ? fan_direction(rays, ijk_from_world, view) : FanDirection::NONE, regions);
    parallel_for((std::int64_t)regions.size(), threads, [&](std::int64_t index) {
        for (int first = 0; first < values.channels; first += CHANNELS) {
            const int count = lesser(values.channels - first, CHANNELS);
            RegionState<Packet, Fans> state(regions[(std::size_t)index], rays, ijk_from_world, values.grid, step);
            state.march(values, first, count);
            state.write(image, first, count, values.scale);
        }
    });
}

template <class Stencil, template <class> class March, class T>
void project(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step, const Image& image,
             int threads) {
    using Thin = PacketState<typename Stencil::Thin, March>;
    if (values.grid.n[2] == 1)
        project_packets<Thin>(values, ijk_from_world, rays, step, image, threads, false);
    else
        project_packets<PacketState<Stencil, March>>(values, ijk_from_world, rays, step, image, threads, false);
}

// Linear interpolation at midpoint samples.
template <class T>
void project_steps(const Values<T>& values, const Affine& ijk_from_world, const Rays& rays, double step,
                   const Image& image, int threads) {
    if (values.grid.n[2] == 1)
        project<Stencil8, StepMarch>(values, ijk_from_world, rays, step, image, threads);
    else
        project_packets<ValueMarch>(values, ijk_from_world, rays, step, image, threads, true);
}

}  // namespace deepdrr

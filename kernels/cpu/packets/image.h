// How the rays of a batch of images are divided: into packets of LANES rays, one 4 x 4 tile of pixels each.
//
// Each ray of a packet is one SIMD lane. A bundle is a square of tiles whose packets advance side by side.
#pragma once

#include <cstdint>

#include "deepdrr/chord.h"
#include "deepdrr/target.h"
#include "packets/rays.h"

namespace deepdrr {

constexpr int TILE = 4;
constexpr int LANES = TILE * TILE;
constexpr int TILES_PER_TASK = 8;

struct Image {
    float* DEEPDRR_RESTRICT data;  // [B, C, H, W], contiguous
    std::int64_t channels, height, width;

    float& at(std::int64_t b, std::int64_t c, std::int64_t r, std::int64_t column) const {
        return data[((b * channels + c) * height + r) * width + column];
    }
};

// A square of SIDE x SIDE pixels, fewer at the image's edges.
template <int SIDE>
struct Square {
    std::int64_t view, row, column;  // of its first pixel
};

// All squares of a batch of images.
template <int SIDE>
struct Squares {
    static constexpr std::int64_t side = SIDE;
    std::int64_t down, across, count;

    explicit Squares(const Rays& rays)
        : down((rays.height + side - 1) / side),
          across((rays.width + side - 1) / side),
          count(rays.views * down * across) {}

    Square<SIDE> at(std::int64_t index) const {
        return {index / (down * across), index / across % down * side, index % across * side};
    }
};

constexpr int BUNDLE = 10;  // tiles along the side of a bundle
using Tile = Square<TILE>;
using Tiling = Squares<TILE>;
using Bundle = Square<BUNDLE * TILE>;
using Bundling = Squares<BUNDLE * TILE>;

template <class Work>
void for_each_tile(const Rays& rays, const Bundle& bundle, const Work& work) {
    const std::int64_t down = lesser(rays.height, bundle.row + Bundling::side);
    const std::int64_t across = lesser(rays.width, bundle.column + Bundling::side);
    for (std::int64_t row = bundle.row; row < down; row += TILE)
        for (std::int64_t column = bundle.column; column < across; column += TILE)
            work(Tile{bundle.view, row, column});
}

// The pixels of a packet that is no tile: the first `count` lanes have one each.
struct Pixels {
    std::int64_t view;
    int count;
    std::int64_t row[LANES], column[LANES];

    explicit Pixels(std::int64_t view_) : view(view_), count(0) {}

    void add(std::int64_t r, std::int64_t c) { row[count] = r, column[count] = c, ++count; }
};

DEEPDRR_FN Chord chord_of(const Rays& rays, std::int64_t b, std::int64_t r, std::int64_t c, const Affine& ijk_from_world,
                      const Grid& grid) {
    const PointWorld source = rays.source.at(b, r, c), target = rays.target.at(b, r, c);
    return clip(ijk_from_world, source.mm, target.mm, distance_mm(source, target), *rays.start.at(b, r, c),
                *rays.stop.at(b, r, c), grid);
}

// The chords of a tile, one per lane; lanes outside the image miss the volume.
inline void tile_chords(const Rays& rays, const Tile& tile, const Affine& ijk_from_world, const Grid& grid,
                        Chord* chords) {
    for (int lane = 0; lane < LANES; ++lane) {
        const std::int64_t b = tile.view, r = tile.row + lane / TILE, c = tile.column + lane % TILE;
        const bool inside = r < rays.height && c < rays.width;
        chords[lane] = inside ? chord_of(rays, b, r, c, ijk_from_world, grid) : Chord{{0, 0, 0}, {0, 0, 0}, 0};
    }
}

inline void pixel_chords(const Rays& rays, const Pixels& pixels, const Affine& ijk_from_world, const Grid& grid,
                         Chord* chords) {
    for (int l = 0; l < LANES; ++l)
        chords[l] = l < pixels.count
                        ? chord_of(rays, pixels.view, pixels.row[l], pixels.column[l], ijk_from_world, grid)
                        : Chord{{0, 0, 0}, {0, 0, 0}, 0};
}

// Writes result(lane) to channel c of the tile's pixels inside the image.
template <class Result>
void write_tile(const Image& image, const Tile& tile, std::int64_t c, const Result& result) {
    for (int lane = 0; lane < LANES; ++lane) {
        const std::int64_t row = tile.row + lane / TILE, column = tile.column + lane % TILE;
        if (row < image.height && column < image.width) image.at(tile.view, c, row, column) = result(lane);
    }
}

// Writes scale * results(packet)[lane] to channel c of a bundle's pixels, the packets being its tiles in the order of
// `for_each_tile`: row by row, so that cache lines are filled whole.
template <class Results>
void write_bundle(const Image& image, const Bundle& bundle, std::int64_t c, double scale, const Results& results) {
    const std::int64_t down = lesser(image.height, bundle.row + Bundling::side);
    const std::int64_t across = lesser(image.width, bundle.column + Bundling::side);
    const std::int64_t tiles = (across - bundle.column + TILE - 1) / TILE;
    for (std::int64_t row = bundle.row; row < down; ++row)
        for (std::int64_t column = bundle.column; column < across; column += TILE) {
            const std::int64_t packet = (row - bundle.row) / TILE * tiles + (column - bundle.column) / TILE;
            const float* lanes = results((std::size_t)packet) + (row - bundle.row) % TILE * TILE;
            float* pixels = &image.at(bundle.view, c, row, column);
            for (std::int64_t x = 0; x < lesser<std::int64_t>(TILE, across - column); ++x)
                pixels[x] = (float)(scale * lanes[x]);
        }
}

}  // namespace deepdrr

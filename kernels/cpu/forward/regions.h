// Regions: rectangles of pixels whose packets advance side by side and share the cache lines that they read.
//
// Without fans they are bundles of tiles. With fans they are a few whole lines of pixels, so that rows of voxels are
// read to their end.
#pragma once

#include <vector>

#include "march/fans.h"
#include "packets/image.h"

namespace deepdrr {

constexpr std::int64_t LINES = 8;           // of pixels
constexpr std::int64_t LONGEST_LINE = 256;  // pixels

// The lines of pixels of a view that hold fans.
enum class FanDirection { NONE, ROWS, COLUMNS };

struct Region {
    std::int64_t view, row, column, down, across;  // first pixel, and how many
    FanDirection direction;

    int lines() const { return (int)(direction == FanDirection::ROWS ? down : across); }
    int length() const { return (int)(direction == FanDirection::ROWS ? across : down); }

    // A pixel by its index on a line.
    std::int64_t row_of(int line, int pixel) const { return row + (direction == FanDirection::ROWS ? line : pixel); }
    std::int64_t column_of(int line, int pixel) const { return column + (direction == FanDirection::ROWS ? pixel : line); }
};

inline void divide_view(const Rays& rays, std::int64_t view, FanDirection direction, std::vector<Region>& regions) {
    const bool rows = direction == FanDirection::ROWS, columns = direction == FanDirection::COLUMNS;
    const std::int64_t down = rows ? LINES : columns ? LONGEST_LINE : Bundling::side;
    const std::int64_t across = rows ? LONGEST_LINE : columns ? LINES : Bundling::side;
    for (std::int64_t row = 0; row < rays.height; row += down)
        for (std::int64_t column = 0; column < rays.width; column += across)
            regions.push_back({view, row, column, lesser(down, rays.height - row),
                               lesser(across, rays.width - column), direction});
}

// Whether the rays of two pixels have the same i and j at equal fractions of their lengths.
inline bool share_a_fan(const Rays& rays, const Affine& ijk_from_world, std::int64_t view, const std::int64_t (&one)[2],
                         const std::int64_t (&other)[2]) {
    const PointWorld ends[2][2] = {
        {rays.source.at(view, one[0], one[1]), rays.source.at(view, other[0], other[1])},
        {rays.target.at(view, one[0], one[1]), rays.target.at(view, other[0], other[1])},
    };
    double apart = 0.0;
    for (int a = 0; a < 2; ++a)
        for (int end = 0; end < 2; ++end) {
            double difference = 0.0;
            for (int x = 0; x < 3; ++x) difference += ijk_from_world.m[a][x] * (ends[end][0].mm[x] - ends[end][1].mm[x]);
            apart = greater(apart, magnitude(difference));
        }
    return apart <= SAME_POSITION;
}

// A cheap guess from neighbours on a lattice over the image; `split_line` decides for every chord.
inline FanDirection fan_direction(const Rays& rays, const Affine& ijk_from_world, std::int64_t view) {
    constexpr int lattice = 4;
    if (rays.height == 1 || rays.width == 1) return rays.height == 1 ? FanDirection::ROWS : FanDirection::COLUMNS;
    int rows = 0, columns = 0;
    for (int a = 0; a < lattice; ++a)
        for (int b = 0; b < lattice; ++b) {
            const std::int64_t here[2] = {(rays.height - 2) * a / (lattice - 1), (rays.width - 2) * b / (lattice - 1)};
            rows += share_a_fan(rays, ijk_from_world, view, here, {here[0], here[1] + 1});
            columns += share_a_fan(rays, ijk_from_world, view, here, {here[0] + 1, here[1]});
        }
    if (2 * greater(rows, columns) < lattice * lattice) return FanDirection::NONE;
    return rows >= columns ? FanDirection::ROWS : FanDirection::COLUMNS;
}

}  // namespace deepdrr

// Regions: rectangles of pixels whose packets advance side by side and share what they bring into the cache.
//
// Without sheets they are bundles of tiles. Sheets come in a few whole lines of pixels, so that the rows of voxels they
// read are read to their end.
#pragma once

#include <vector>

#include "packets/image.h"
#include "march/fans.h"

namespace deepdrr {

constexpr std::int64_t LINES = 8;           // of pixels
constexpr std::int64_t LONGEST_LINE = 256;  // pixels

// Which lines of pixels of a view hold sheets.
enum class Along { NOTHING, ROWS, COLUMNS };

struct Region {
    std::int64_t view, row, column, down, across;  // first pixel, and how many
    Along along;

    int lines() const { return (int)(along == Along::ROWS ? down : across); }
    int length() const { return (int)(along == Along::ROWS ? across : down); }

    // The pixel at a place on a line.
    std::int64_t row_of(int line, int place) const { return row + (along == Along::ROWS ? line : place); }
    std::int64_t column_of(int line, int place) const { return column + (along == Along::ROWS ? place : line); }
};

inline void divide_view(const Rays& rays, std::int64_t view, Along along, std::vector<Region>& regions) {
    const std::int64_t down = along == Along::ROWS ? LINES : along == Along::COLUMNS ? LONGEST_LINE : Bundling::side;
    const std::int64_t across = along == Along::ROWS ? LONGEST_LINE : along == Along::COLUMNS ? LINES : Bundling::side;
    for (std::int64_t row = 0; row < rays.height; row += down)
        for (std::int64_t column = 0; column < rays.width; column += across)
            regions.push_back({view, row, column, lesser(down, rays.height - row),
                               lesser(across, rays.width - column), along});
}

// Whether the rays of two pixels have the same i and j wherever they are at the same part of their way.
inline bool in_one_sheet(const Rays& rays, const Affine& ijk_from_world, std::int64_t view, const std::int64_t (&one)[2],
                         const std::int64_t (&other)[2]) {
    const Place ends[2][2] = {
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
    return apart <= SAME_PLACE;
}

// Looks at neighbours on a lattice over the image; a guess that is cheap, as `cut_line` decides by every chord.
inline Along sheets_along(const Rays& rays, const Affine& ijk_from_world, std::int64_t view) {
    constexpr int lattice = 4;
    if (rays.height == 1 || rays.width == 1) return rays.height == 1 ? Along::ROWS : Along::COLUMNS;
    int rows = 0, columns = 0;
    for (int a = 0; a < lattice; ++a)
        for (int b = 0; b < lattice; ++b) {
            const std::int64_t here[2] = {(rays.height - 2) * a / (lattice - 1), (rays.width - 2) * b / (lattice - 1)};
            rows += in_one_sheet(rays, ijk_from_world, view, here, {here[0], here[1] + 1});
            columns += in_one_sheet(rays, ijk_from_world, view, here, {here[0] + 1, here[1]});
        }
    if (2 * greater(rows, columns) < lattice * lattice) return Along::NOTHING;
    return rows >= columns ? Along::ROWS : Along::COLUMNS;
}

}  // namespace deepdrr

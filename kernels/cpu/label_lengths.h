// Path length (or integral of one value) per label: exact, nearest (Siddon 1985), routed by the label of each voxel.
#pragma once

#include "marches.h"
#include "parallel.h"

namespace deepdrr {

constexpr int MAX_LABELS = 128;

struct Labels {
    const std::uint8_t* DEEPDRR_RESTRICT label;  // [I, J, K], each < count
    const float* DEEPDRR_RESTRICT value;         // [I, J, K], or null for 1
    Grid grid;
    int count;
};

inline void route_tile(const Chord* chords, const Labels& labels, float (*total)[LANES]) {
    CellWalk<Stencil1> walk(chords, labels.grid, 0.0);
    Stencil1 stencil;
    while (walk.next(stencil))
        for (int l = 0; l < LANES; ++l) {
            const int voxel = stencil.voxel[l];
            const float value = labels.value ? labels.value[voxel] : 1.0f;
            total[labels.label[voxel]][l] += stencil.weight[0][l] * value;
        }
}

inline void project_labels(const Labels& labels, const Affine& ijk_from_world, const Rays& rays, const Image& image,
                           int threads) {
    const Tiling tiling(rays);
    parallel_for(tiling.count, threads, [&](std::int64_t index) {
        const Tile tile = tiling.tile(index);
        Chord chords[LANES];
        tile_chords(rays, tile, ijk_from_world, labels.grid, chords);
        alignas(64) float total[MAX_LABELS][LANES] = {};
        route_tile(chords, labels, total);
        for (int label = 0; label < labels.count; ++label)
            write_tile(image, tile, label, [&](int lane) { return total[label][lane]; });
    });
}

}  // namespace deepdrr

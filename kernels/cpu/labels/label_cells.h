// A field that is routed by label: what a group of lanes reads about a cell. THIN is a grid of one voxel along k.
#pragma once

#include "labels/labels.h"
#include "march/cells.h"

namespace deepdrr {

template <class T>
struct LabeledField {
    Values<T> values;  // one channel; data may be null, for 1
    Labels labels;
    std::int64_t offset[8];

    LabeledField(const Values<T>& v, const Labels& l) : values(v), labels(l) { corner_offsets(v.grid, offset); }
};

// The values of voxels; 1 where there are none.
DEEPDRR_FN Floats fetch_voxel(const LabeledField<float>& field, Ints voxel) {
    return field.values.data ? gather(field.values.data, voxel) : Floats{} + 1.0f;
}

DEEPDRR_FN Floats fetch_voxel(const LabeledField<std::int16_t>& field, Ints voxel) {
    if (!field.values.data) return Floats{} + 1.0f;
#if defined(__AVX512F__) && defined(__GNUC__)
    if (field.labels.last >= 1) {  // two are loaded, none of them behind the last
        const Ints first = where(voxel == field.labels.last, voxel - 1, voxel);
        const Ints both = (Ints)_mm512_i32gather_epi32((__m512i)first, field.values.data, 2);
        return to_float(where(voxel == first, both << 16 >> 16, both >> 16));
    }
#endif
    float found[GROUP];
    for (int l = 0; l < GROUP; ++l) found[l] = (float)field.values.data[lane(voxel, l)];
    return load<Floats>(found);
}

// The corners of row 0 to 3 of a cell, those along k; 1 where there are no values.
template <bool THIN, class T>
DEEPDRR_FN Pair fetch_values(const LabeledField<T>& field, Ints voxel, int row) {
    if (!field.values.data) return {Floats{} + 1.0f, Floats{} + 1.0f};
    return fetch<THIN>(field.values.data + field.offset[2 * row], voxel);
}

template <bool THIN, class T>
DEEPDRR_FN Cell<Floats> fetch_cell(const LabeledField<T>& field, Ints voxel) {
    const Pair p = fetch_values<THIN>(field, voxel, 0), q = fetch_values<THIN>(field, voxel, 1);
    const Pair r = fetch_values<THIN>(field, voxel, 2), s = fetch_values<THIN>(field, voxel, 3);
    return {p.low, p.high, q.low, q.high, r.low, r.high, s.low, s.high};
}

// The label of the corner that lies nearest to a position in the cell. Positions are rounded down, see
// sample_positions.h: a sample on the face between two voxels belongs to the upper one.
constexpr float UPPER_HALF = 0.5f - 1e-6f;

template <class T>
DEEPDRR_FN Ints nearest_label(const LabeledField<T>& field, Ints voxel, Floats x, Floats y, Floats z) {
    const auto side = [&](Floats part, int corner) {
        return where(part >= UPPER_HALF, Ints{} + (int)field.offset[corner], Ints{});
    };
    return label_of(field.labels, fetch_bytes(field.labels, voxel + side(x, 4) + side(y, 2) + side(z, 1)));
}

template <class T>
DEEPDRR_FN void prefetch_cell(const LabeledField<T>& field, int voxel) {
    for (int corner = 0; field.values.data && corner < 8; corner += 2)
        DEEPDRR_PREFETCH(field.values.data + voxel + field.offset[corner]);
    DEEPDRR_PREFETCH(field.labels.data + voxel);
}

}  // namespace deepdrr

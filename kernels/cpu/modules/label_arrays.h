// A label map and the values that it routes, as arrays of the Python module's functions.
#pragma once

#include "labels/label_cells.h"
#include "modules/arrays.h"

namespace deepdrr {

using Bytes = pybind11::array_t<std::uint8_t>;

// Labels [I, J, K], and values [1, I, J, K] with the same strides, or an empty array.
template <class T>
LabeledField<T> labeled(const Bytes& labels, const pybind11::array_t<T>& values, const Packed<double>& scale,
                          std::int64_t count) {
    require(labels.ndim() == 3, "labels must be [I, J, K]");
    require(count <= MAX_LABELS, "there are at most 128 labels");
    require(scale.size() == 1, "scale must be [1]");
    const Grid g = grid(labels);
    if (values.size() > 0) {
        require(values.ndim() == 4 && values.shape(0) == 1, "values must be [1, I, J, K]");
        const Grid same = grid(values);
        for (int a = 0; a < 3; ++a) require(same.n[a] == g.n[a], "values must be as many as labels");
        require(same.plane == g.plane && same.row == g.row, "values and labels must have the same strides");
    }
    const int last = g.voxel(g.n[0] - 1, g.n[1] - 1, g.n[2] - 1);
    return {Values<T>{values.size() > 0 ? values.data() : nullptr, g, 0, 1, scale.data()},
            Labels{labels.data(), last, (int)count}};
}

}  // namespace deepdrr

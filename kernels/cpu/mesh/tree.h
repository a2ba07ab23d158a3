// The tree of boxes over the faces of a mesh: split where the surface area heuristic says, among 16 places along the
// longest axis of their centres (Wald, "On fast construction of SAH-based bounding volume hierarchies", 2007).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "deepdrr/triangles.h"

namespace deepdrr {

constexpr int SPLITS = 16, MOST_IN_LEAF = 4, CAREFUL_DEPTH = 40;

struct Box {
    float low[3], high[3];

    Box() {
        for (int a = 0; a < 3; ++a) low[a] = std::numeric_limits<float>::infinity(), high[a] = -low[a];
    }
    void hold(const float* point) {
        for (int a = 0; a < 3; ++a) low[a] = lesser(low[a], point[a]), high[a] = greater(high[a], point[a]);
    }
    void hold(const Box& other) { hold(other.low), hold(other.high); }
    float half_area() const {
        const float x = high[0] - low[0], y = high[1] - low[1], z = high[2] - low[2];
        return x < 0 ? 0 : x * y + y * z + z * x;
    }
};

struct BoxedFace {
    Box box;
    float centre[3];
    int face;
};

struct MeshTree {
    std::vector<MeshNode> nodes;
    std::vector<float> corners;
    std::vector<int> faces;
    std::array<double, 3> centre;
};

class TreeBuilder {
public:
    TreeBuilder(std::vector<BoxedFace>& faces_, float margin_) : faces(faces_), margin(margin_) {
        nodes.reserve(faces.size());
        nodes.emplace_back();
        struct Part { int node, first, end, depth; };
        std::vector<Part> parts{{0, 0, (int)faces.size(), 0}};
        while (!parts.empty()) {
            const Part part = parts.back();
            parts.pop_back();
            Box box;
            for (int i = part.first; i < part.end; ++i) box.hold(faces[i].box);
            place(box, part.node);
            const int middle = part.end - part.first <= MOST_IN_LEAF ? part.first : split(part.first, part.end, part.depth);
            if (middle == part.first) {
                nodes[part.node].first = part.first, nodes[part.node].count = part.end - part.first;
                continue;
            }
            const int child = (int)nodes.size();
            nodes[part.node].first = child, nodes[part.node].count = 0;
            nodes.resize(nodes.size() + 2);
            parts.push_back({child, part.first, middle, part.depth + 1});
            parts.push_back({child + 1, middle, part.end, part.depth + 1});
        }
    }

    std::vector<MeshNode> nodes;

private:
    void place(const Box& box, int node) {
        for (int a = 0; a < 3; ++a) nodes[node].low[a] = box.low[a] - margin, nodes[node].high[a] = box.high[a] + margin;
    }

    // Puts the faces of the first part before the others, and returns where those begin.
    int split(int first, int end, int depth) {
        Box centres;
        for (int i = first; i < end; ++i) centres.hold(faces[i].centre);
        int axis = 0;
        for (int a = 1; a < 3; ++a)
            if (centres.high[a] - centres.low[a] > centres.high[axis] - centres.low[axis]) axis = a;
        const float low = centres.low[axis], extent = centres.high[axis] - low;
        const int cut = extent > 0 && depth < CAREFUL_DEPTH ? best_cut(first, end, axis, low, extent) : 0;
        const auto by_centre = [axis](const BoxedFace& a, const BoxedFace& b) { return a.centre[axis] < b.centre[axis]; };
        if (cut == 0) {  // all in one place, or so deep that only halves keep within MOST_DEPTH
            const int middle = (first + end) / 2;
            std::nth_element(faces.begin() + first, faces.begin() + middle, faces.begin() + end, by_centre);
            return middle;
        }
        const auto before = [&](const BoxedFace& face) { return slot(face, axis, low, extent) < cut; };
        return (int)(std::partition(faces.begin() + first, faces.begin() + end, before) - faces.begin());
    }

    static int slot(const BoxedFace& face, int axis, float low, float extent) {
        return lesser((int)((float)SPLITS * ((face.centre[axis] - low) / extent)), SPLITS - 1);
    }

    int best_cut(int first, int end, int axis, float low, float extent) const {
        Box boxes[SPLITS];
        int counts[SPLITS] = {};
        for (int i = first; i < end; ++i) {
            const int s = slot(faces[i], axis, low, extent);
            boxes[s].hold(faces[i].box), ++counts[s];
        }
        float above[SPLITS] = {};
        Box box;
        int count = 0;
        for (int s = SPLITS - 1; s > 0; --s) {
            box.hold(boxes[s]), count += counts[s];
            above[s] = (float)count * box.half_area();
        }
        box = Box(), count = 0;
        int best = 0;
        float cost = std::numeric_limits<float>::infinity();
        for (int s = 1; s < SPLITS; ++s) {
            box.hold(boxes[s - 1]), count += counts[s - 1];
            const float here = (float)count * box.half_area() + above[s];
            if (count > 0 && count < end - first && here < cost) best = s, cost = here;
        }
        return best;
    }

    std::vector<BoxedFace>& faces;
    float margin;
};

// vertices [V, 3], triples [F, 3].
inline MeshTree mesh_tree(const double* vertices, const long long* triples, std::int64_t count) {
    MeshTree tree;
    double low[3], high[3], square = 0;
    for (int a = 0; a < 3; ++a) low[a] = std::numeric_limits<double>::infinity(), high[a] = -low[a];
    for (std::int64_t i = 0; i < 3 * count; ++i)
        for (int a = 0; a < 3; ++a) {
            const double c = vertices[3 * triples[i] + a];
            low[a] = lesser(low[a], c), high[a] = greater(high[a], c);
        }
    for (int a = 0; a < 3; ++a) {
        tree.centre[a] = 0.5 * (low[a] + high[a]);
        square += 0.25 * (high[a] - low[a]) * (high[a] - low[a]);
    }
    const auto corner = [&](std::int64_t face, int c, float* to) {
        for (int a = 0; a < 3; ++a) to[a] = (float)(vertices[3 * triples[3 * face + c] + a] - tree.centre[a]);
    };
    std::vector<BoxedFace> faces((std::size_t)count);
    for (std::int64_t f = 0; f < count; ++f) {
        float point[3];
        for (int c = 0; c < 3; ++c) corner(f, c, point), faces[f].box.hold(point);
        for (int a = 0; a < 3; ++a) faces[f].centre[a] = 0.5f * (faces[f].box.low[a] + faces[f].box.high[a]);
        faces[f].face = (int)f;
    }
    tree.nodes = TreeBuilder(faces, (float)(BOX_MARGIN * std::sqrt(square))).nodes;
    tree.corners.resize(9 * (std::size_t)count);
    tree.faces.resize((std::size_t)count);
    for (std::int64_t i = 0; i < count; ++i) {
        tree.faces[i] = faces[i].face;
        for (int c = 0; c < 3; ++c) corner(faces[i].face, c, tree.corners.data() + 9 * i + 3 * c);
    }
    return tree;
}

}  // namespace deepdrr

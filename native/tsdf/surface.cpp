// Marching cubes over the blocks (Lorensen and Cline 1987), with vertices that cells share.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "common/marching.hpp"
#include "tsdf/volume.hpp"

namespace gypsum::tsdf {
namespace {

constexpr float kOffCorner = 0.01f;  // vertices keep off the voxels, so that no triangle collapses
constexpr int kRim = kSide + 1;      // samples along the side of a block with its neighbours' first
constexpr std::uint16_t kNone = 0xFFFF;

int voxel_index(int x, int y, int z) { return (z * kSide + y) * kSide + x; }
int rim_index(int x, int y, int z) { return (z * kRim + y) * kRim + x; }

// What a block needs of itself and of the seven blocks after it.
struct Neighborhood {
  std::array<std::int64_t, 8> blocks;  // bit 0: one further along x, …; -1: none
};

// A vertex on the edge from a voxel along an axis, numbered within the voxel's block.
struct Edges {
  std::array<std::uint16_t, 3 * kVoxels> number;
};

struct Part {
  std::unique_ptr<Edges> edges;  // none where nothing crosses
  std::vector<float> vertices;
  std::vector<std::uint8_t> colors;
  std::int64_t first = 0;        // number of its first vertex
  std::vector<std::int32_t> faces;
  std::vector<float> middles;    // vertices in the middle of ambiguous loops
  std::vector<std::uint8_t> middle_colors;
  std::int64_t first_middle = 0;
};

class Marcher {
 public:
  Marcher(const std::vector<std::unique_ptr<Block>>& blocks, std::vector<Neighborhood> around, float voxel,
          float least, bool colored)
      : blocks_(blocks), around_(std::move(around)), parts_(blocks.size()), voxel_(voxel), least_(least),
        colored_(colored) {}

  Triangles march(const std::vector<std::int64_t>& order, int threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 32)
    for (std::size_t n = 0; n < order.size(); ++n) place_vertices(order[n]);
    std::int64_t count = 0;
    for (const std::int64_t b : order) {
      parts_[b].first = count;
      count += std::int64_t(parts_[b].vertices.size() / 3);
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 32)
    for (std::size_t n = 0; n < order.size(); ++n) connect(order[n]);
    for (const std::int64_t b : order) {
      parts_[b].first_middle = count;
      count += std::int64_t(parts_[b].middles.size() / 3);
    }
    return gathered(order, count);
  }

 private:
  // Samples of a block and the first layers of the blocks after it; NaN where too little is known.
  void samples(std::int64_t b, float* values) const {
    for (int z = 0; z < kRim; ++z)
      for (int y = 0; y < kRim; ++y)
        for (int x = 0; x < kRim; ++x) {
          const int side = (x == kSide) | (y == kSide) << 1 | (z == kSide) << 2;
          const std::int64_t from = around_[b].blocks[side];
          float value = NAN;
          if (from >= 0) {
            const int at = voxel_index(x % kSide, y % kSide, z % kSide);
            if (blocks_[from]->weight[at] >= least_) value = blocks_[from]->distance[at];
          }
          values[rim_index(x, y, z)] = value;
        }
  }

  bool color_at(std::int64_t b, int x, int y, int z, float rgb[3]) const {
    const int side = (x == kSide) | (y == kSide) << 1 | (z == kSide) << 2;
    const std::int64_t from = around_[b].blocks[side];
    if (from < 0 || !blocks_[from]->colors) return false;
    const Colors& colors = *blocks_[from]->colors;
    const int at = voxel_index(x % kSide, y % kSide, z % kSide);
    if (colors.weight[at] == 0) return false;
    rgb[0] = float(colors.red[at]) / 256;
    rgb[1] = float(colors.green[at]) / 256;
    rgb[2] = float(colors.blue[at]) / 256;
    return true;
  }

  void place_vertices(std::int64_t b) {
    float values[kRim * kRim * kRim];
    samples(b, values);
    Part& part = parts_[b];
    const Place& place = blocks_[b]->place;
    for (int z = 0; z < kSide; ++z)
      for (int y = 0; y < kSide; ++y)
        for (int x = 0; x < kSide; ++x)
          for (int axis = 0; axis < 3; ++axis) {
            const int i = x + (axis == 0), j = y + (axis == 1), k = z + (axis == 2);
            const float low = values[rim_index(x, y, z)], high = values[rim_index(i, j, k)];
            if (std::isnan(low) || std::isnan(high) || (low < 0) == (high < 0)) continue;
            const float s = std::clamp(low / (low - high), kOffCorner, 1 - kOffCorner);
            if (!part.edges) {
              part.edges = std::make_unique<Edges>();
              part.edges->number.fill(kNone);
            }
            part.edges->number[3 * voxel_index(x, y, z) + axis] = std::uint16_t(part.vertices.size() / 3);
            const std::int64_t voxels[3] = {std::int64_t(place.x) * kSide + x, std::int64_t(place.y) * kSide + y,
                                            std::int64_t(place.z) * kSide + z};
            for (int n = 0; n < 3; ++n)
              part.vertices.push_back(float((double(voxels[n]) + (n == axis ? s : 0.0f)) * double(voxel_)));
            if (colored_) add_color(part.colors, b, {x, y, z}, {i, j, k}, s);
          }
  }

  void add_color(std::vector<std::uint8_t>& to, std::int64_t b, std::array<int, 3> low, std::array<int, 3> high,
                 float s) const {
    float first[3] = {128, 128, 128}, second[3] = {128, 128, 128};
    const bool has_first = color_at(b, low[0], low[1], low[2], first);
    const bool has_second = color_at(b, high[0], high[1], high[2], second);
    if (has_first && !has_second) s = 0;
    if (!has_first && has_second) s = 1;
    for (int n = 0; n < 3; ++n)
      to.push_back(std::uint8_t(std::clamp(first[n] + s * (second[n] - first[n]) + 0.5f, 0.0f, 255.0f)));
  }

  // The block and its vertex on an edge of a cell; the vertex is there when both ends are known.
  std::pair<const Part*, int> vertex(std::int64_t b, int x, int y, int z, int axis) const {
    const int side = (x == kSide) | (y == kSide) << 1 | (z == kSide) << 2;
    const Part& part = parts_[around_[b].blocks[side]];
    return {&part, part.edges->number[3 * voxel_index(x % kSide, y % kSide, z % kSide) + axis]};
  }

  void connect(std::int64_t b) {
    static const std::array<marching::Pattern, 256> patterns = marching::make_patterns();
    float values[kRim * kRim * kRim];
    samples(b, values);
    Part& part = parts_[b];
    for (int z = 0; z < kSide; ++z)
      for (int y = 0; y < kSide; ++y)
        for (int x = 0; x < kSide; ++x) {
          int signs = 0;
          bool known = true;
          for (int c = 0; c < 8; ++c) {
            const float value = values[rim_index(x + (c & 1), y + (c >> 1 & 1), z + (c >> 2))];
            known = known && !std::isnan(value);
            signs |= (value < 0) << c;
          }
          if (!known || signs == 0 || signs == 255) continue;
          const marching::Pattern& pattern = patterns[signs];
          for (const std::vector<int>& loop : pattern.loops) add_loop(part, b, x, y, z, loop, pattern.ambiguous);
        }
  }

  void add_loop(Part& part, std::int64_t b, int x, int y, int z, const std::vector<int>& loop, bool ambiguous) {
    std::array<std::int32_t, 12> ring;
    std::array<float, 3> middle{};
    std::array<float, 3> color{};
    for (std::size_t n = 0; n < loop.size(); ++n) {
      const int c = marching::kEdgeCorner[loop[n]];
      const auto [owner, number] = vertex(b, x + (c & 1), y + (c >> 1 & 1), z + (c >> 2), loop[n] / 4);
      ring[n] = std::int32_t(owner->first + number);
      for (int k = 0; k < 3; ++k) {
        middle[k] += owner->vertices[3 * number + k] / float(loop.size());
        if (colored_) color[k] += float(owner->colors[3 * number + k]) / float(loop.size());
      }
    }
    // A diagonal could coincide with one of the next cell only through an ambiguous face.
    if (!ambiguous || loop.size() == 3) {
      for (std::size_t n = 2; n < loop.size(); ++n)
        part.faces.insert(part.faces.end(), {ring[0], ring[n - 1], ring[n]});
      return;
    }
    // Negative: the part's own vertex in the middle, numbered when all are known.
    const auto center = std::int32_t(-1 - std::int32_t(part.middles.size() / 3));
    part.middles.insert(part.middles.end(), middle.begin(), middle.end());
    if (colored_)
      for (const float value : color) part.middle_colors.push_back(std::uint8_t(value + 0.5f));
    for (std::size_t n = 0; n < loop.size(); ++n)
      part.faces.insert(part.faces.end(), {center, ring[n], ring[(n + 1) % loop.size()]});
  }

  // All parts as one mesh, without vertices that no triangle uses.
  Triangles gathered(const std::vector<std::int64_t>& order, std::int64_t count) {
    Triangles mesh;
    for (const std::int64_t b : order) {
      Part& part = parts_[b];
      for (const std::int32_t v : part.faces)
        mesh.faces.push_back(v >= 0 ? v : std::int32_t(part.first_middle - 1 - v));
      part.faces = {};
    }
    std::vector<std::int32_t> renumbered(count, -1);
    for (const std::int32_t v : mesh.faces) renumbered[v] = 0;
    std::int32_t kept = 0;
    for (std::int32_t& v : renumbered)
      if (v == 0) v = kept++;
    mesh.vertices.resize(3 * std::size_t(kept));
    if (colored_) mesh.colors.resize(3 * std::size_t(kept));
    const auto copy = [&](std::int64_t first, const std::vector<float>& from, const std::vector<std::uint8_t>& rgb) {
      for (std::size_t n = 0; n < from.size() / 3; ++n) {
        const std::int32_t to = renumbered[first + std::int64_t(n)];
        if (to < 0) continue;
        std::copy_n(&from[3 * n], 3, &mesh.vertices[3 * std::size_t(to)]);
        if (colored_) std::copy_n(&rgb[3 * n], 3, &mesh.colors[3 * std::size_t(to)]);
      }
    };
    for (const std::int64_t b : order) {
      copy(parts_[b].first, parts_[b].vertices, parts_[b].colors);
      copy(parts_[b].first_middle, parts_[b].middles, parts_[b].middle_colors);
    }
    for (std::int32_t& v : mesh.faces) v = renumbered[v];
    return mesh;
  }

  const std::vector<std::unique_ptr<Block>>& blocks_;
  std::vector<Neighborhood> around_;
  std::vector<Part> parts_;
  float voxel_, least_;
  bool colored_;
};

}  // namespace

Triangles Volume::surface(float least_weight, int threads) const {
  std::vector<std::int64_t> order(blocks_.size());
  std::iota(order.begin(), order.end(), std::int64_t(0));
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return key_of(blocks_[a]->place) < key_of(blocks_[b]->place);
  });
  std::vector<Neighborhood> around(blocks_.size());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const Place& place = blocks_[b]->place;
    for (int side = 0; side < 8; ++side)
      around[b].blocks[side] = find({place.x + (side & 1), place.y + (side >> 1 & 1), place.z + (side >> 2)});
  }
  return Marcher(blocks_, std::move(around), settings_.voxel, least_weight, colored_).march(order, threads);
}

}  // namespace gypsum::tsdf

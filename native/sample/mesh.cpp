#include "sample/mesh.hpp"

#include <numeric>
#include <unordered_map>

#include "common/marching.hpp"
#include "sample/owl.hpp"
#include "sample/threads.hpp"

namespace gypsum::sample {
namespace {

using marching::kEdgeCorner;
using marching::Pattern;

constexpr int kBlock = 8;  // cells along a block's side

struct Lattice {
  float cell;
  int size[3];  // corners
  Vec3 position(int i, int j, int k) const {
    return {kOwlLow[0] + cell * i, kOwlLow[1] + cell * j, kOwlLow[2] + cell * k};
  }
  uint64_t edge(int i, int j, int k, int axis) const {
    return ((static_cast<uint64_t>(k) * size[1] + j) * size[0] + i) * 3 + axis;
  }
};

struct Block {
  int i, j, k;
  std::vector<float> values;  // (kBlock + 1)^3 corners, x fastest
};

constexpr int corner_index(int i, int j, int k) {
  return (k * (kBlock + 1) + j) * (kBlock + 1) + i;
}

std::vector<Block> sample_blocks(const Lattice& lattice, int threads) {
  std::vector<Block> blocks;
  for (int k = 0; k < lattice.size[2] - 1; k += kBlock)
    for (int j = 0; j < lattice.size[1] - 1; j += kBlock)
      for (int i = 0; i < lattice.size[0] - 1; i += kBlock) blocks.push_back({i, j, k, {}});
  const float reach = 1.3f * 0.8661f * kBlock * lattice.cell + 0.003f;
#pragma omp parallel for num_threads(team(threads)) schedule(dynamic, 16)
  for (size_t b = 0; b < blocks.size(); ++b) {
    Block& block = blocks[b];
    const float half = 0.5f * kBlock * lattice.cell;
    const Vec3 low = lattice.position(block.i, block.j, block.k);
    if (std::abs(owl_form(low + Vec3{half, half, half})) > reach) continue;
    block.values.resize(corner_index(kBlock, kBlock, kBlock) + 1);
    for (int k = 0; k <= kBlock; ++k)
      for (int j = 0; j <= kBlock; ++j)
        for (int i = 0; i <= kBlock; ++i)
          block.values[corner_index(i, j, k)] =
              owl(lattice.position(block.i + i, block.j + j, block.k + k));
  }
  std::erase_if(blocks, [](const Block& block) { return block.values.empty(); });
  return blocks;
}

struct Crossing {
  Vec3 low;
  int axis;
  float value_low, value_high;
};

// Where the field is zero on a cell's edge (Illinois false position). Kept a little off the corners,
// so that no triangle collapses.
Vec3 root(const Crossing& c, float cell) {
  const auto at = [&](float s) {
    return c.low + Vec3{c.axis == 0 ? s : 0, c.axis == 1 ? s : 0, c.axis == 2 ? s : 0};
  };
  float a = 0, b = cell, fa = c.value_low, fb = c.value_high, s = 0;
  for (int step = 0; step < 8; ++step) {
    s = (a * fb - b * fa) / (fb - fa);
    const float f = owl(at(s));
    if (std::abs(f) < 2e-7f) break;
    if ((f < 0) == (fb < 0)) {
      fa *= 0.5f;
    } else {
      a = b;
      fa = fb;
    }
    b = s;
    fb = f;
  }
  return at(std::min(std::max(s, 0.01f * cell), 0.99f * cell));
}

// Keep the largest connected piece: blending forms can leave little voids inside, which no one sees.
void keep_largest_piece(Triangles& mesh) {
  std::vector<int32_t> parent(mesh.vertices.size());
  std::iota(parent.begin(), parent.end(), 0);
  const auto root_of = [&](int32_t n) {
    while (parent[n] != n) n = parent[n] = parent[parent[n]];
    return n;
  };
  for (const auto& f : mesh.faces)
    for (int i = 1; i < 3; ++i) parent[root_of(f[i])] = root_of(f[0]);
  std::vector<int32_t> size(parent.size());
  for (const auto& f : mesh.faces) ++size[root_of(f[0])];
  const auto largest = static_cast<int32_t>(std::max_element(size.begin(), size.end()) - size.begin());
  std::erase_if(mesh.faces, [&](const auto& f) { return root_of(f[0]) != largest; });

  std::vector<int32_t> renumbered(parent.size(), -1);
  int32_t kept = 0;
  for (size_t n = 0; n < parent.size(); ++n) {
    if (root_of(static_cast<int32_t>(n)) != largest) continue;
    renumbered[n] = kept;
    mesh.vertices[kept++] = mesh.vertices[n];
  }
  mesh.vertices.resize(kept);
  for (auto& f : mesh.faces)
    for (int32_t& n : f) n = renumbered[n];
}

}  // namespace

Triangles triangulate(float cell, int threads) {
  static const std::array<Pattern, 256> patterns = marching::make_patterns();
  Lattice lattice{cell, {}};
  for (int axis = 0; axis < 3; ++axis) {
    const int cells = static_cast<int>((kOwlHigh[axis] - kOwlLow[axis]) / cell) + 1;
    lattice.size[axis] = (cells + kBlock - 1) / kBlock * kBlock + 1;
  }
  const std::vector<Block> blocks = sample_blocks(lattice, threads);

  Triangles mesh;
  std::vector<Crossing> crossings;
  std::unordered_map<uint64_t, int32_t> numbers;
  std::vector<std::vector<int32_t>> rings;  // loops that get a vertex of their own in the middle
  numbers.reserve(blocks.size() * 100);
  for (const Block& block : blocks) {
    for (int k = 0; k < kBlock; ++k)
      for (int j = 0; j < kBlock; ++j)
        for (int i = 0; i < kBlock; ++i) {
          float value[8];
          int signs = 0;
          for (int c = 0; c < 8; ++c) {
            value[c] = block.values[corner_index(i + (c & 1), j + (c >> 1 & 1), k + (c >> 2))];
            signs |= (value[c] < 0) << c;
          }
          if (signs == 0 || signs == 255) continue;
          const Pattern& pattern = patterns[signs];
          for (const std::vector<int>& loop : pattern.loops) {
            std::vector<int32_t> ring;
            for (const int e : loop) {
              const int c = kEdgeCorner[e], axis = e / 4;
              const int x = block.i + i + (c & 1), y = block.j + j + (c >> 1 & 1),
                        z = block.k + k + (c >> 2);
              const auto [entry, fresh] = numbers.try_emplace(
                  lattice.edge(x, y, z, axis), static_cast<int32_t>(crossings.size()));
              if (fresh)
                crossings.push_back({lattice.position(x, y, z), axis, value[c], value[c | 1 << axis]});
              ring.push_back(entry->second);
            }
            // A diagonal could coincide with one of the next cell only through an ambiguous face.
            if (pattern.ambiguous && ring.size() > 3) {
              rings.push_back(ring);
              continue;
            }
            for (size_t n = 2; n < ring.size(); ++n) mesh.faces.push_back({ring[0], ring[n - 1], ring[n]});
          }
        }
  }

  mesh.vertices.resize(crossings.size());
#pragma omp parallel for num_threads(team(threads)) schedule(static, 256)
  for (size_t n = 0; n < crossings.size(); ++n) mesh.vertices[n] = root(crossings[n], cell);
  for (const std::vector<int32_t>& ring : rings) {
    Vec3 middle;
    for (const int32_t n : ring) middle += mesh.vertices[n] * (1.0f / ring.size());
    const auto centre = static_cast<int32_t>(mesh.vertices.size());
    mesh.vertices.push_back(middle);
    for (size_t n = 0; n < ring.size(); ++n)
      mesh.faces.push_back({centre, ring[n], ring[(n + 1) % ring.size()]});
  }
  keep_largest_piece(mesh);
  mesh.normals.resize(mesh.vertices.size());
#pragma omp parallel for num_threads(team(threads)) schedule(static, 256)
  for (size_t n = 0; n < mesh.vertices.size(); ++n) mesh.normals[n] = owl_normal(mesh.vertices[n]);
  return mesh;
}

}  // namespace gypsum::sample

// In which loops a surface cuts a cell's edges, for every pattern of signs at the cell's corners.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

namespace gypsum::marching {

// Corner c of a cell is at (c & 1, c >> 1 & 1, c >> 2 & 1). Edge e runs along axis e / 4 from its
// first corner to the one with that axis's bit set.
constexpr int kEdgeCorner[12] = {0, 2, 4, 6, 0, 1, 4, 5, 0, 1, 2, 3};

inline int edge_between(int a, int b) {
  const int low = std::min(a, b), axis = (a ^ b) == 1 ? 0 : (a ^ b) == 2 ? 1 : 2;
  for (int e = 4 * axis; e < 4 * axis + 4; ++e)
    if (kEdgeCorner[e] == low) return e;
  return -1;
}

// For one of the 256 sign patterns (bit c: corner c is inside), the closed loops in which the surface
// cuts the cell's edges, counter-clockwise from outside.
struct Pattern {
  std::vector<std::vector<int>> loops;
  bool ambiguous = false;  // some face has two runs of inside corners
};

// On each face, every run of inside corners is cut off from the outside by one segment. That rule
// knows only the face's corners, so both cells at a face agree and the surface closes.
inline std::array<Pattern, 256> make_patterns() {
  std::array<Pattern, 256> patterns;
  for (int signs = 0; signs < 256; ++signs) {
    const auto inside = [&](int corner) { return (signs >> corner & 1) != 0; };
    int next[12];
    std::fill(next, next + 12, -1);
    for (int face = 0; face < 6; ++face) {
      const int axis = face >> 1, u = 1 << (axis + 1) % 3, v = 1 << (axis + 2) % 3;
      const int base = (face & 1) << axis;
      int ring[4] = {base, base | u, base | u | v, base | v};  // clockwise from outside
      if (face & 1) std::swap(ring[1], ring[3]);
      int runs = 0;
      for (int i = 0; i < 4; ++i) {
        if (inside(ring[i]) || !inside(ring[(i + 1) % 4])) continue;
        ++runs;
        const int enter = edge_between(ring[i], ring[(i + 1) % 4]);
        int j = (i + 1) % 4;
        while (inside(ring[(j + 1) % 4])) j = (j + 1) % 4;
        next[edge_between(ring[j], ring[(j + 1) % 4])] = enter;
      }
      patterns[signs].ambiguous |= runs > 1;
    }
    for (int start = 0; start < 12; ++start) {
      if (next[start] < 0) continue;
      std::vector<int> loop;
      for (int e = start; next[e] >= 0;) {
        loop.push_back(e);
        const int following = next[e];
        next[e] = -1;
        e = following;
      }
      patterns[signs].loops.push_back(loop);
    }
  }
  return patterns;
}

}  // namespace gypsum::marching

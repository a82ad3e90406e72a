// Fewer triangles with the least change of shape: edges are collapsed in the order of their quadric
// error (Garland and Heckbert 1997). Plain vectors, no Python.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace gypsum::simplify {

using Point = std::array<double, 3>;
using Face = std::array<std::int32_t, 3>;

struct Mesh {
  std::vector<Point> vertices;
  std::vector<Face> faces;
};

// Collapses edges until no more than `wanted` faces are left, or none can be collapsed any more: a
// collapse never changes the topology. An edge with two faces keeps two, an open border stays a
// border, and no parts grow together. The mesh must be manifold, about as large as one and centred.
// Vertices that no face uses any more are left out.
void collapse(Mesh& mesh, std::size_t wanted);

}  // namespace gypsum::simplify

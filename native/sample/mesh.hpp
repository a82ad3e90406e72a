// The sculpture's surface as closed triangles.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sample/vec.hpp"

namespace gypsum::sample {

struct Triangles {
  std::vector<Vec3> vertices;                  // metres
  std::vector<Vec3> normals;                   // unit, of the distance field at each vertex
  std::vector<std::array<int32_t, 3>> faces;   // counter-clockwise seen from outside
};

// Marching cubes (Lorensen & Cline 1987) over cells of `cell` metres: closed, manifold, oriented.
Triangles triangulate(float cell, int threads);

}  // namespace gypsum::sample

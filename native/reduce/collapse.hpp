// Fewer triangles under the same texture, by half-edge collapses with quadric errors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::reduce {

using Triple = std::array<std::int32_t, 3>;
using Point = std::array<double, 5>;  // x, y, z, u, v; u and v in the unit of x, y, z

// A triangle's corners are places, at which vertices are, and wedges: what a vertex looks like from
// one side of a texture seam. Several wedges may be at one place; a wedge is at one place only.
struct Mesh {
  std::vector<Point> wedges;
  std::vector<Triple> places;   // of each triangle's corners
  std::vector<Triple> corners;  // wedges of each triangle's corners
};

struct Result {
  std::vector<std::int32_t> triangles;  // those that are left
  std::vector<Triple> corners;          // wedges of their corners
};

// Garland and Heckbert 1998, "Simplifying Surfaces with Color and Texture using Quadric Error
// Metrics": the error is the squared distance to the planes of the triangles in five dimensions, so
// that texture may slide as far as shape may change. A vertex only ever moves onto a neighbour;
// those on a seam or border only along it, and those where several meet not at all. Stops at
// `wanted` triangles, or when no collapse is left that folds neither shape nor texture nor moves
// either by more than `tolerance` (root of the mean square).
Result collapse(const Mesh& mesh, std::size_t place_count, std::size_t wanted, double tolerance);

}  // namespace gypsum::reduce

// What the neighbours of each point say about the surface there.
#pragma once

#include "tree.hpp"

namespace gypsum::cloud {

constexpr int kMostNeighbours = 64;

// For each point of the tree: mean distance (N,) to its k neighbours, the normal (N, 3) of the plane
// through them, their RMS distance (N,) from it, and how many times further away the neighbours are than
// the neighbours' own (N,). Indices as the points were given.
void shape(const Tree& tree, int k, int threads, float* distance, float* normals, float* roughness,
           float* contrast);

}  // namespace gypsum::cloud

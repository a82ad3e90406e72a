// Which pixels of a depth map agree with the depth maps of other photos.
#pragma once

#include "photo.hpp"

#include <vector>

namespace gypsum::fusion {

// When two photos are said to see the same point.
struct Limits {
  float pixels;  // forward-backward distance
  float depth;   // relative difference of depths
  float cosine;  // of the angle between normals
};

// What is found out about each pixel; arrays of (height, width) and (height, width, 3).
struct Verdicts {
  std::uint8_t* agree;     // sources that agree
  std::uint8_t* conflict;  // sources that look through the pixel's point
  std::uint8_t* carried;   // 1 when a source has given this point at no much coarser resolution
  float* points;           // mean of the points that agree, world
  float* normals;          // mean of their normals, unit
};

void compare(const Photo& here, const std::vector<Photo>& sources, const Limits& limits, int threads,
             const Verdicts& out);

}  // namespace gypsum::fusion

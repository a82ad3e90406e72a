// A photo's depth and normal map and camera, as single precision for the inner loops.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace gypsum::fusion {

struct Photo {
  int width, height;
  const float* depth;
  const float* normal;  // camera frame, towards the camera
  float fx, fy, cx, cy;
  float R[9], t[3];
  float coarseness;  // how many times larger than a pixel the finest detail is
  const std::uint8_t* kept = nullptr;  // 1 where this photo already gave a point; null: nowhere

  // K is 3 x 3, pose 3 x 4, both by rows.
  Photo(int width_, int height_, const float* depth_, const float* normal_, const double* K, const double* pose,
        float coarseness_ = 1)
      : width(width_), height(height_), depth(depth_), normal(normal_),
        fx(float(K[0])), fy(float(K[4])), cx(float(K[2])), cy(float(K[5])), coarseness(coarseness_) {
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) R[3 * r + c] = float(pose[4 * r + c]);
      t[r] = float(pose[4 * r + 3]);
    }
  }

  void to_world(float px, float py, float z, float* X) const {
    const float c[3] = {(px - cx) / fx * z - t[0], (py - cy) / fy * z - t[1], z - t[2]};
    for (int i = 0; i < 3; ++i) X[i] = R[i] * c[0] + R[3 + i] * c[1] + R[6 + i] * c[2];
  }
  void normal_to_world(const float* n, float* N) const {
    for (int i = 0; i < 3; ++i) N[i] = R[i] * n[0] + R[3 + i] * n[1] + R[6 + i] * n[2];
  }
  // Pixel and depth of a world point; false when it is outside the frame.
  bool project(const float* X, float* px, float* py, float* z) const {
    *z = R[6] * X[0] + R[7] * X[1] + R[8] * X[2] + t[2];
    if (!(*z > 1e-9f)) return false;
    *px = (R[0] * X[0] + R[1] * X[1] + R[2] * X[2] + t[0]) / *z * fx + cx;
    *py = (R[3] * X[0] + R[4] * X[1] + R[5] * X[2] + t[1]) / *z * fy + cy;
    return *px >= 0 && *py >= 0 && *px < float(width) && *py < float(height);
  }
  // Depth of a map pixel's plane where the line of sight through (px, py) meets it. Without this, a
  // slanted surface would look rough by up to half a pixel's change of depth.
  float depth_at(std::size_t at, float px, float py) const {
    const float* n = normal + 3 * at;
    const float x = (float(at % width) + 0.5f - cx) / fx, y = (float(at / width) + 0.5f - cy) / fy;
    const float here = n[0] * x + n[1] * y + n[2];
    const float there = n[0] * ((px - cx) / fx) + n[1] * ((py - cy) / fy) + n[2];
    const float ratio = here / there;
    return depth[at] * (ratio > 0.98f && ratio < 1.02f ? ratio : 1.0f);
  }
  // Size of the finest detail at a depth, world units.
  float footprint(float z) const { return coarseness * z / std::sqrt(fx * fy); }
};

}  // namespace gypsum::fusion

// Soft daylight from a window, in a quiet room; shadows and ambient light by cone tracing.
#pragma once

#include <vector>

#include "sample/vec.hpp"

namespace gypsum::sample {

// Towards the window, and its light on a surface that faces it.
inline const Vec3 kWindow = normalize({-0.62f, -0.52f, 0.70f});
constexpr Vec3 kWindowLight{2.55f, 2.38f, 2.10f};

constexpr float kTableRadius = 0.66f;

// The room's radiance from a direction: wall, ceiling, the window's glow. Smooth on purpose, as a
// wall far out of focus: nothing in it can be matched.
Vec3 room(Vec3 direction);

struct Light {
  float window = 1;  // share of the window that is seen
  Vec3 ambient;      // irradiance / pi from everything else
};

// The sculpture's distance field on a regular grid: coarse, but quick to look up.
class FormGrid {
 public:
  explicit FormGrid(int threads);
  float operator()(Vec3 p) const;
  Light light(Vec3 p, Vec3 normal) const;

 private:
  float visible(Vec3 p, Vec3 direction, float sharpness) const;
  int size_[3];
  std::vector<float> values_;
};

}  // namespace gypsum::sample

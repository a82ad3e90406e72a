// What the texture kernels share: barycentric coordinates in the picture and colour curves.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

namespace gypsum::texture {

// Barycentric coordinates of a 2D triangle as affine functions of the position.
struct Barycentric {
  std::array<double, 3> x{}, y{}, one{};
  double area2 = 0;  // twice the signed area; 0 when degenerate

  Barycentric(const float* a, const float* b, const float* c) {
    const double ax = a[0], ay = a[1], bx = b[0], by = b[1], cx = c[0], cy = c[1];
    area2 = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if (std::abs(area2) < 1e-12) {
      area2 = 0;
      one[0] = 1;
      return;
    }
    const double inverse = 1 / area2;
    x = {(by - cy) * inverse, (cy - ay) * inverse, (ay - by) * inverse};
    y = {(cx - bx) * inverse, (ax - cx) * inverse, (bx - ax) * inverse};
    one = {(bx * cy - cx * by) * inverse, (cx * ay - ax * cy) * inverse,
           (ax * by - bx * ay) * inverse};
  }

  std::array<double, 3> at(double px, double py) const {
    return {x[0] * px + y[0] * py + one[0], x[1] * px + y[1] * py + one[1],
            x[2] * px + y[2] * py + one[2]};
  }
};

inline bool inside(const std::array<double, 3>& w) {
  constexpr double kEdge = -1e-9;
  return w[0] >= kEdge && w[1] >= kEdge && w[2] >= kEdge;
}

// Pixels whose centres may lie in the triangle, grown by `margin`, clipped to the picture.
struct Bounds {
  int x0, y0, x1, y1;  // half open

  Bounds(const float* a, const float* b, const float* c, float margin, int width, int height) {
    const float left = std::min({a[0], b[0], c[0]}) - margin;
    const float right = std::max({a[0], b[0], c[0]}) + margin;
    const float top = std::min({a[1], b[1], c[1]}) - margin;
    const float bottom = std::max({a[1], b[1], c[1]}) + margin;
    x0 = clip(std::ceil(left - 0.5f), width);
    x1 = clip(std::floor(right - 0.5f) + 1, width);
    y0 = clip(std::ceil(top - 0.5f), height);
    y1 = clip(std::floor(bottom - 0.5f) + 1, height);
  }

 private:
  static int clip(float value, int limit) {
    return static_cast<int>(std::clamp(value, 0.0f, static_cast<float>(limit)));
  }
};

inline float srgb_to_linear(float v) {
  return v <= 0.04045f ? v / 12.92f : std::pow((v + 0.055f) / 1.055f, 2.4f);
}

inline float linear_to_srgb(float v) {
  return v <= 0.0031308f ? v * 12.92f : 1.055f * std::pow(v, 1 / 2.4f) - 0.055f;
}

// 8-bit sRGB to linear light.
inline const std::array<float, 256>& linear_table() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> made{};
    for (int i = 0; i < 256; ++i) made[i] = srgb_to_linear(i / 255.0f);
    return made;
  }();
  return table;
}

}  // namespace gypsum::texture

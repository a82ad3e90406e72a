// Rays against a triangle mesh: a bounding volume hierarchy with binned surface-area splits
// (Wald 2007, "On fast Construction of SAH-based Bounding Volume Hierarchies").
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gypsum::texture {

using Vec = std::array<float, 3>;

inline Vec operator+(const Vec& a, const Vec& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline Vec operator-(const Vec& a, const Vec& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline Vec operator*(const Vec& a, float s) { return {a[0] * s, a[1] * s, a[2] * s}; }
inline float dot(const Vec& a, const Vec& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Vec cross(const Vec& a, const Vec& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline Vec normalized(const Vec& a) {
  const float length = std::sqrt(dot(a, a));
  return length > 0 ? a * (1 / length) : Vec{0, 0, 1};
}
inline Vec row(const float* data, std::size_t i) {
  return {data[3 * i], data[3 * i + 1], data[3 * i + 2]};
}

struct Hit {
  std::int32_t face = -1;
  float t = 0;      // along the line, in lengths of its direction
  float u = 0, v = 0;  // weights of the face's second and third corner
};

class Bvh {
 public:
  // `vertices` and `faces` must outlive the hierarchy.
  Bvh(const float* vertices, const std::int32_t* faces, std::size_t face_count);

  // The place on the line origin + t direction, |t| <= reach, nearest to the origin, on faces that
  // look along the direction.
  Hit nearest_on_line(const Vec& origin, const Vec& direction, float reach) const;

  // Whether anything lies on the ray beyond t > nearest.
  bool occluded(const Vec& origin, const Vec& direction, float nearest) const;

 private:
  struct Node {
    Vec low, high;
    std::int32_t first;  // of the faces, or of the two children
    std::int32_t count;  // of faces; 0: inner
  };

  void split(std::int32_t node, std::vector<Vec>& centers);
  void fit(Node& node) const;
  bool cross_face(std::int32_t face, const Vec& origin, const Vec& direction, Hit& hit) const;

  const float* vertices_;
  const std::int32_t* faces_;
  std::vector<std::int32_t> order_;
  std::vector<Node> nodes_;
};

}  // namespace gypsum::texture

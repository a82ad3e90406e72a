// Three-vectors and the few scalar functions of shading.
#pragma once

#include <algorithm>
#include <cmath>

namespace gypsum::sample {

struct Vec3 {
  float x = 0, y = 0, z = 0;
};

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator-(Vec3 a) { return {-a.x, -a.y, -a.z}; }
inline Vec3 operator*(Vec3 a, Vec3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
inline Vec3 operator*(Vec3 a, float s) { return {a.x * s, a.y * s, a.z * s}; }
inline Vec3 operator*(float s, Vec3 a) { return a * s; }
inline Vec3& operator+=(Vec3& a, Vec3 b) { return a = a + b; }

inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline float length(Vec3 a) { return std::sqrt(dot(a, a)); }
inline float length(float x, float y) { return std::sqrt(x * x + y * y); }
inline Vec3 normalize(Vec3 a) { return a * (1.0f / std::max(length(a), 1e-20f)); }

inline float clamp01(float x) { return std::min(std::max(x, 0.0f), 1.0f); }
inline float mix(float a, float b, float s) { return a + (b - a) * s; }
inline Vec3 mix(Vec3 a, Vec3 b, float s) { return a + (b - a) * s; }

// 0 below a, 1 above b, a cubic between; also with a > b.
inline float smoothstep(float a, float b, float x) {
  const float s = clamp01((x - a) / (b - a));
  return s * s * (3 - 2 * s);
}

// Floor without a library call: the baseline x86-64 has no rounding instruction.
inline int floor_int(float x) {
  const int i = static_cast<int>(x);
  return i - (x < static_cast<float>(i));
}

// A frame with n as its third axis (Duff et al. 2017).
inline void frame_of(Vec3 n, Vec3& u, Vec3& v) {
  const float s = n.z < 0 ? -1.0f : 1.0f;
  const float a = -1 / (s + n.z), b = n.x * n.y * a;
  u = {1 + s * n.x * n.x * a, s * b, -s * n.x};
  v = {b, s + n.y * n.y * a, -n.y};
}

}  // namespace gypsum::sample

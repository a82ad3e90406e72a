#include "sample/light.hpp"

#include "sample/owl.hpp"
#include "sample/threads.hpp"

namespace gypsum::sample {
namespace {

constexpr float kCell = 0.0025f;
constexpr float kMargin = 0.010f;
constexpr int kCones = 24;
// What the table gives back: its mean colour, lit.
constexpr Vec3 kTableGlow{0.44f, 0.36f, 0.27f};

}  // namespace

Vec3 room(Vec3 d) {
  const float up = d.z;
  Vec3 c = mix(Vec3{0.180f, 0.205f, 0.190f}, Vec3{0.56f, 0.620f, 0.560f}, smoothstep(-0.70f, 0.45f, up));
  c = mix(c, {0.86f, 0.90f, 0.92f}, smoothstep(0.35f, 1.0f, up));
  const float glow = std::max(dot(d, kWindow), 0.0f);
  c += Vec3{1.05f, 0.98f, 0.86f} * (glow * glow * glow * 0.55f);
  const float lamp = std::max(dot(d, normalize({0.75f, 0.60f, 0.12f})), 0.0f);
  c += Vec3{0.62f, 0.38f, 0.17f} * (lamp * lamp * lamp * 0.60f);
  return c;
}

FormGrid::FormGrid(int threads) {
  for (int axis = 0; axis < 3; ++axis)
    size_[axis] = static_cast<int>((kOwlHigh[axis] - kOwlLow[axis] + 2 * kMargin) / kCell) + 2;
  values_.resize(static_cast<size_t>(size_[0]) * size_[1] * size_[2]);
#pragma omp parallel for num_threads(team(threads)) schedule(dynamic, 1)
  for (int k = 0; k < size_[2]; ++k)
    for (int j = 0; j < size_[1]; ++j)
      for (int i = 0; i < size_[0]; ++i)
        values_[(static_cast<size_t>(k) * size_[1] + j) * size_[0] + i] =
            owl_form({kOwlLow[0] - kMargin + kCell * i, kOwlLow[1] - kMargin + kCell * j,
                      kOwlLow[2] - kMargin + kCell * k});
}

float FormGrid::operator()(Vec3 p) const {
  const float position[3] = {p.x, p.y, p.z};
  float outside = 0, f[3];
  int low[3];
  for (int axis = 0; axis < 3; ++axis) {
    const float g = (position[axis] - kOwlLow[axis] + kMargin) / kCell;
    const float inside = std::min(std::max(g, 0.0f), size_[axis] - 1.001f);
    outside += (g - inside) * (g - inside);
    low[axis] = static_cast<int>(inside);
    f[axis] = inside - low[axis];
  }
  const size_t row = size_[0], plane = row * size_[1];
  const float* v = values_.data() + low[2] * plane + low[1] * row + low[0];
  const auto line = [&](const float* a) { return mix(a[0], a[1], f[0]); };
  const float value = mix(mix(line(v), line(v + row), f[1]), mix(line(v + plane), line(v + plane + row), f[1]), f[2]);
  return outside > 0 ? std::sqrt(outside) * kCell + std::max(value, 0.0f) : value;
}

// Share of a cone that is free: the least clearance along its axis over the distance (Aaltonen 2018).
float FormGrid::visible(Vec3 p, Vec3 direction, float sharpness) const {
  float least = 1, t = 0.004f;
  for (int step = 0; step < 40 && t < 0.45f; ++step) {
    const float d = (*this)(p + direction * t);
    least = std::min(least, sharpness * d / t);
    if (least < -1) return 0;
    t += std::min(std::max(std::abs(d), 0.003f), 0.05f);
  }
  return 0.25f * (1 + least) * (1 + least) * (2 - least);
}

Light FormGrid::light(Vec3 p, Vec3 normal) const {
  const Vec3 start = p + normal * 0.003f;
  Light light;
  light.window = visible(start, kWindow, 6.0f);
  Vec3 u, v;
  frame_of(normal, u, v);
  for (int n = 0; n < kCones; ++n) {
    // Cosine-weighted directions on a Fibonacci spiral.
    const float r = std::sqrt((n + 0.5f) / kCones), turn = 2.39996323f * n;
    const Vec3 d = normalize(u * (r * std::cos(turn)) + v * (r * std::sin(turn)) +
                             normal * std::sqrt(1 - r * r));
    const float free = visible(start, d, 2.5f);
    Vec3 incoming = room(d);
    if (d.z < 0) {
      const float t = -p.z / d.z, x = p.x + t * d.x, y = p.y + t * d.y;
      // Near its foot the table is in the sculpture's own shade.
      const float r2 = length(x, y);
      if (r2 < kTableRadius) incoming = kTableGlow * mix(0.35f, 1.0f, smoothstep(0.08f, 0.22f, r2));
    }
    // What hides the room is lit too, dimly and warmly.
    incoming = mix(Vec3{0.060f, 0.045f, 0.035f}, incoming, free);
    light.ambient += incoming * (1.0f / kCones);
  }
  return light;
}

}  // namespace gypsum::sample

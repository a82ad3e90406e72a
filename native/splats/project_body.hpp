// Gaussians to splats and back: elliptical weighted averages (Zwicker et al. 2001) and their
// derivatives, with the 2D filter of Mip-Splatting (Yu et al. 2024).
#include <omp.h>

#include <cmath>
#include <cstring>

#include "splats/spherical.hpp"

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

constexpr float kLog2e = 1.44269504f;
constexpr float kBeside = 0.3f;     // of the half picture: further out a Gaussian's shape is that there
constexpr float kThinnest = 2.5e-5f;  // ratio of determinants below which the filter's factor is held

// All that the way there and the way back have in common.
struct Shape {
  float p[3];          // in the camera's frame
  float xc, yc;        // p held within the picture and a little beside it
  bool x_held, y_held;
  float axes[9];       // rotation of the Gaussian
  float q[4], norm;    // unit quaternion and the length it had
  float M[9];          // axes diag(deviations)
  float T[6];          // derivative of the pixel by the world (2, 3)
  float B[6];          // T M
  float a, b, c;       // covariance in the picture, filtered
  float det0, det;     // determinants before and after the filter
  float factor;        // of the opacity, because the filter spreads it
  bool factor_held;
  float opacity;       // sigmoid of the logit
};

inline float clamp(float x, float low, float high) {
  return x < low ? low : (x > high ? high : x);
}

// False when the Gaussian is behind the camera or too near.
inline bool find_shape(const float* row, const Camera& camera, const Limits& limits, Shape& s) {
  const float* X = row + kMean;
  const float* R = camera.R;
  for (int i = 0; i < 3; ++i)
    s.p[i] = R[3 * i] * X[0] + R[3 * i + 1] * X[1] + R[3 * i + 2] * X[2] + camera.t[i];
  const float z = s.p[2];
  if (!(z > limits.near)) return false;
  const float iz = 1.0f / z;
  const float half_x = 0.5f * float(camera.width) / camera.fx;
  const float half_y = 0.5f * float(camera.height) / camera.fy;
  const float tx = s.p[0] * iz, ty = s.p[1] * iz;
  const float hx = clamp(tx, -camera.cx / camera.fx - kBeside * half_x,
                         (float(camera.width) - camera.cx) / camera.fx + kBeside * half_x);
  const float hy = clamp(ty, -camera.cy / camera.fy - kBeside * half_y,
                         (float(camera.height) - camera.cy) / camera.fy + kBeside * half_y);
  s.x_held = hx != tx, s.y_held = hy != ty;
  s.xc = hx * z, s.yc = hy * z;

  const float* turn = row + kTurn;
  s.norm = std::sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2] + turn[3] * turn[3]);
  if (!(s.norm > 0)) return false;
  for (int i = 0; i < 4; ++i) s.q[i] = turn[i] / s.norm;
  const float w = s.q[0], x = s.q[1], y = s.q[2], v = s.q[3];
  const float axes[9] = {1 - 2 * (y * y + v * v), 2 * (x * y - w * v),     2 * (x * v + w * y),
                         2 * (x * y + w * v),     1 - 2 * (x * x + v * v), 2 * (y * v - w * x),
                         2 * (x * v - w * y),     2 * (y * v + w * x),     1 - 2 * (x * x + y * y)};
  const float deviations[3] = {std::exp(row[kScale]), std::exp(row[kScale + 1]),
                               std::exp(row[kScale + 2])};
  for (int i = 0; i < 9; ++i) {
    s.axes[i] = axes[i];
    s.M[i] = axes[i] * deviations[i % 3];
  }
  const float j00 = camera.fx * iz, j02 = -camera.fx * hx * iz;
  const float j11 = camera.fy * iz, j12 = -camera.fy * hy * iz;
  for (int k = 0; k < 3; ++k) {
    s.T[k] = j00 * R[k] + j02 * R[6 + k];
    s.T[3 + k] = j11 * R[3 + k] + j12 * R[6 + k];
  }
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 3; ++k)
      s.B[3 * r + k] =
          s.T[3 * r] * s.M[k] + s.T[3 * r + 1] * s.M[3 + k] + s.T[3 * r + 2] * s.M[6 + k];
  const float* B = s.B;
  const float a0 = B[0] * B[0] + B[1] * B[1] + B[2] * B[2];
  const float c0 = B[3] * B[3] + B[4] * B[4] + B[5] * B[5];
  s.b = B[0] * B[3] + B[1] * B[4] + B[2] * B[5];
  // |B0 x B1|^2 is a0 c0 - b^2 without the cancellation that thin ellipses suffer.
  const float n0 = B[1] * B[5] - B[2] * B[4], n1 = B[2] * B[3] - B[0] * B[5],
              n2 = B[0] * B[4] - B[1] * B[3];
  s.det0 = n0 * n0 + n1 * n1 + n2 * n2;
  s.a = a0 + limits.blur, s.c = c0 + limits.blur;
  s.det = s.det0 + limits.blur * (a0 + c0 + limits.blur);
  if (!(s.det > 0) || !std::isfinite(s.det)) return false;
  const float ratio = s.det0 / s.det;
  s.factor_held = ratio < kThinnest;
  s.factor = std::sqrt(s.factor_held ? kThinnest : ratio);
  s.opacity = 1.0f / (1.0f + std::exp(-row[kOpacity]));
  return true;
}

// Unit direction from the camera to the Gaussian, and its distance.
inline float find_direction(const float* row, const Camera& camera, float* direction) {
  const float* R = camera.R;
  const float* t = camera.t;
  float length2 = 0;
  for (int i = 0; i < 3; ++i) {
    const float center = -(R[i] * t[0] + R[3 + i] * t[1] + R[6 + i] * t[2]);
    direction[i] = row[kMean + i] - center;
    length2 += direction[i] * direction[i];
  }
  const float length = std::sqrt(length2);
  for (int i = 0; i < 3; ++i) direction[i] /= length;
  return length;
}

inline bool project_one(const float* row, int degree, const Camera& camera, const Limits& limits,
                        Splat& splat, float& depth) {
  Shape s;
  if (!find_shape(row, camera, limits, s)) return false;
  const float opacity = s.opacity * s.factor;
  if (!(opacity > limits.alpha_min)) return false;
  const float ia = s.c / s.det, ib = -s.b / s.det, ic = s.a / s.det;
  const float q = 2.0f * std::log(opacity / limits.alpha_min);
  splat.u = camera.fx * s.p[0] / s.p[2] + camera.cx;
  splat.v = camera.fy * s.p[1] / s.p[2] + camera.cy;
  splat.reach_x = std::sqrt(q * s.a), splat.reach_y = std::sqrt(q * s.c);
  if (splat.u + splat.reach_x < 0 || splat.u - splat.reach_x > float(camera.width) ||
      splat.v + splat.reach_y < 0 || splat.v - splat.reach_y > float(camera.height))
    return false;
  splat.a = -0.5f * kLog2e * ia, splat.b = -0.5f * kLog2e * ib, splat.c = -0.5f * kLog2e * ic;
  splat.log_opacity = std::log2(opacity);
  splat.lean = s.b / s.c;
  splat.narrowing = s.det / (s.c * s.c);
  splat.width2 = q * s.det / s.c;
  splat.tip = splat.reach_x * s.b / s.a;
  float direction[3], basis[16];
  find_direction(row, camera, direction);
  spherical_basis(direction, degree, basis);
  const int terms = (degree + 1) * (degree + 1);
  for (int k = 0; k < 3; ++k) {
    float value = 0.5f;
    for (int i = 0; i < terms; ++i) value += basis[i] * row[kColor + 3 * i + k];
    splat.color[k] = value > 0 ? value : 0;
  }
  depth = s.p[2];
  return std::isfinite(splat.u) && std::isfinite(splat.v) && std::isfinite(splat.reach_x) &&
         std::isfinite(splat.reach_y);
}

void project(const float* rows, std::size_t count, int degree, const Camera& camera,
             const Limits& limits, int threads, Splat* splats, float* depths) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < std::int64_t(count); ++i) {
    const bool seen = project_one(rows + i * kRow, degree, camera, limits, splats[i], depths[i]);
    splats[i].gaussian = seen ? std::int32_t(i) : -1;
  }
}

// Adds to `out` the derivatives by the row's direction-dependent colour, and by the direction.
inline void color_backward(const float* row, int degree, const Camera& camera, const float* color,
                           const float* pull, float* out) {
  float direction[3], basis[16], slopes[48];
  const float length = find_direction(row, camera, direction);
  spherical_basis(direction, degree, basis);
  const int terms = (degree + 1) * (degree + 1);
  float g[3];
  for (int k = 0; k < 3; ++k) g[k] = color[k] > 0 ? pull[k] : 0;
  for (int i = 0; i < terms; ++i)
    for (int k = 0; k < 3; ++k) out[kColor + 3 * i + k] = basis[i] * g[k];
  if (degree == 0) return;
  spherical_slopes(direction, degree, slopes);
  float by_direction[3] = {0, 0, 0};
  for (int i = 1; i < terms; ++i) {
    const float* coefficient = row + kColor + 3 * i;
    const float weight = g[0] * coefficient[0] + g[1] * coefficient[1] + g[2] * coefficient[2];
    for (int j = 0; j < 3; ++j) by_direction[j] += weight * slopes[3 * i + j];
  }
  const float along = by_direction[0] * direction[0] + by_direction[1] * direction[1] +
                      by_direction[2] * direction[2];
  for (int j = 0; j < 3; ++j) out[kMean + j] += (by_direction[j] - along * direction[j]) / length;
}

inline void turn_backward(const Shape& s, const float* g, float* out) {
  const float w = s.q[0], x = s.q[1], y = s.q[2], z = s.q[3];
  const float d[4] = {
      2 * (x * (g[7] - g[5]) + y * (g[2] - g[6]) + z * (g[3] - g[1])),
      2 * (-2 * x * (g[4] + g[8]) + y * (g[1] + g[3]) + z * (g[2] + g[6]) + w * (g[7] - g[5])),
      2 * (x * (g[1] + g[3]) - 2 * y * (g[0] + g[8]) + z * (g[5] + g[7]) + w * (g[2] - g[6])),
      2 * (x * (g[2] + g[6]) + y * (g[5] + g[7]) - 2 * z * (g[0] + g[4]) + w * (g[3] - g[1]))};
  const float along = d[0] * w + d[1] * x + d[2] * y + d[3] * z;
  for (int i = 0; i < 4; ++i) out[kTurn + i] = (d[i] - along * s.q[i]) / s.norm;
}

void one_backward(const float* row, int degree, const Camera& camera, const Limits& limits,
                  const Splat& splat, const Pull& pull, float* out) {
  Shape s;
  find_shape(row, camera, limits, s);
  color_backward(row, degree, camera, splat.color, pull.color, out);
  const float d0 = pull.moments[0], dx = pull.moments[1], dy = pull.moments[2];
  const float dxx = pull.moments[3], dxy = pull.moments[4], dyy = pull.moments[5];
  const float ia = s.c / s.det, ib = -s.b / s.det, ic = s.a / s.det;
  // ln alpha = ln opacity - (ia dx^2 + 2 ib dx dy + ic dy^2) / 2 with dx = x - u, dy = y - v.
  const float gu = ia * dx + ib * dy, gv = ib * dx + ic * dy;
  const float ga_ = -0.5f * dxx, gb_ = -dxy, gc_ = -0.5f * dyy;
  // By the covariance: -K G K, where K is its inverse and G the derivative by K.
  const float h = 0.5f * gb_;
  const float k00 = ia * ga_ + ib * h, k01 = ia * h + ib * gc_;
  const float k10 = ib * ga_ + ic * h, k11 = ib * h + ic * gc_;
  float ga = -(k00 * ia + k01 * ib);
  float gb = -2.0f * (k00 * ib + k01 * ic);
  float gc = -(k10 * ib + k11 * ic);
  if (!s.factor_held) {
    // d0 is the derivative by ln opacity, and so by ln factor = (ln det0 - ln det) / 2.
    const float a0 = s.a - limits.blur, c0 = s.c - limits.blur;
    ga += 0.5f * d0 * (c0 / s.det0 - s.c / s.det);
    gc += 0.5f * d0 * (a0 / s.det0 - s.a / s.det);
    gb += d0 * s.b * (1.0f / s.det - 1.0f / s.det0);
  }
  out[kOpacity] = d0 * (1.0f - s.opacity);

  float gB[6], gT[6], gM[9], gAxes[9];
  for (int k = 0; k < 3; ++k) {
    gB[k] = 2 * ga * s.B[k] + gb * s.B[3 + k];
    gB[3 + k] = 2 * gc * s.B[3 + k] + gb * s.B[k];
  }
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 3; ++k)
      gT[3 * r + k] = gB[3 * r] * s.M[3 * k] + gB[3 * r + 1] * s.M[3 * k + 1] +
                      gB[3 * r + 2] * s.M[3 * k + 2];
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) gM[3 * i + j] = s.T[i] * gB[j] + s.T[3 + i] * gB[3 + j];
  for (int j = 0; j < 3; ++j) {
    const float deviation = std::exp(row[kScale + j]);
    float g = 0;
    for (int i = 0; i < 3; ++i) {
      g += gM[3 * i + j] * s.M[3 * i + j];
      gAxes[3 * i + j] = gM[3 * i + j] * deviation;
    }
    out[kScale + j] = g;
  }
  turn_backward(s, gAxes, out);

  const float* R = camera.R;
  const float iz = 1.0f / s.p[2], iz2 = iz * iz;
  float j00 = 0, j02 = 0, j11 = 0, j12 = 0;
  for (int k = 0; k < 3; ++k) {
    j00 += gT[k] * R[k];
    j02 += gT[k] * R[6 + k];
    j11 += gT[3 + k] * R[3 + k];
    j12 += gT[3 + k] * R[6 + k];
  }
  float gp[3] = {camera.fx * iz * gu, camera.fy * iz * gv,
                 -iz2 * (camera.fx * s.p[0] * gu + camera.fy * s.p[1] * gv)};
  gp[2] -= iz2 * (camera.fx * j00 + camera.fy * j11);
  gp[2] += iz2 * iz * (camera.fx * s.xc * j02 + camera.fy * s.yc * j12);
  if (!s.x_held) {
    gp[0] -= camera.fx * iz2 * j02;
    gp[2] += iz2 * iz * camera.fx * s.xc * j02;
  }
  if (!s.y_held) {
    gp[1] -= camera.fy * iz2 * j12;
    gp[2] += iz2 * iz * camera.fy * s.yc * j12;
  }
  for (int j = 0; j < 3; ++j)
    out[kMean + j] += R[j] * gp[0] + R[3 + j] * gp[1] + R[6 + j] * gp[2];
}

// The derivatives by a splat from all tiles.
inline Pull total_pull(const Bins& bins, std::size_t k, const Pull* pulls) {
  float total[kPull] = {};
  for (std::uint32_t i = bins.firsts[k]; i < bins.firsts[k + 1]; ++i) {
    const float* part = reinterpret_cast<const float*>(pulls + bins.slots[i]);
    for (int j = 0; j < kPull; ++j) total[j] += part[j];
  }
  Pull pull;
  std::memcpy(&pull, total, sizeof pull);
  return pull;
}

void project_backward(const float* rows, std::size_t count, int degree, const Camera& camera,
                      const Limits& limits, const Bins& bins, const Pull* pulls, int threads,
                      float* derivatives, float* errors, std::uint8_t* seen) {
  std::memset(seen, 0, count);
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t k = 0; k < std::int64_t(bins.splats.size()); ++k) {
    const Splat& splat = bins.splats[k];
    const Pull pull = total_pull(bins, k, pulls);
    float* out = derivatives + std::size_t(splat.gaussian) * kRow;
    std::memset(out, 0, sizeof(float) * kRow);
    one_backward(rows + std::size_t(splat.gaussian) * kRow, degree, camera, limits, splat, pull,
                 out);
    errors[splat.gaussian] += pull.error;
    seen[splat.gaussian] = 1;
  }
}

}  // namespace
}  // namespace gypsum::splats::GYPSUM_VARIANT

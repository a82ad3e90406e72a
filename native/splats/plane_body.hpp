// The planes that flat Gaussians lie in, blended as colours are, and how well they agree.
//
// In the camera's frame the plane through a Gaussian's mean p with the direction n of its shortest
// axis is m . X = 1 with m = n / (n . p), whichever way n points. Along the ray r = ((x - cx) / fx,
// (y - cy) / fy, 1) of a pixel its inverse depth is m . r, linear in the pixel. So m, blended, is the
// normal of what a pixel shows, and its product with the ray is the inverse depth, whose differences
// between pixels give a normal again. In a picture of a surface both are one (Huang et al. 2024).
// After project_body.hpp.
#include <omp.h>

#include <cmath>
#include <cstring>

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

constexpr float kGrazing = 0.1f;  // cosine of n and p below which m does not grow further
constexpr float kStep = 0.05f;    // part of the inverse depth by which neighbours on one surface differ
constexpr float kShown = 0.5f;    // pixels of which more shows through have no plane

// The plane of a Gaussian, and what its derivative needs.
struct Plane {
  int axis;         // the shortest
  float n[3], p[3]; // camera frame
  float distance;   // n . p, held away from 0
  float length;     // of p
  bool held;
  float m[3];
};

inline void find_plane(const float* row, const Camera& camera, const Shape& s, Plane& plane) {
  plane.axis = 0;
  for (int k = 1; k < 3; ++k)
    if (row[kScale + k] < row[kScale + plane.axis]) plane.axis = k;
  const float* R = camera.R;
  float distance = 0, length2 = 0;
  for (int i = 0; i < 3; ++i) {
    plane.n[i] = R[3 * i] * s.axes[plane.axis] + R[3 * i + 1] * s.axes[3 + plane.axis] +
                 R[3 * i + 2] * s.axes[6 + plane.axis];
    plane.p[i] = s.p[i];
    distance += plane.n[i] * s.p[i];
    length2 += s.p[i] * s.p[i];
  }
  plane.length = std::sqrt(length2);
  const float least = kGrazing * plane.length;
  plane.held = std::fabs(distance) < least;
  plane.distance = plane.held ? (distance < 0 ? -least : least) : distance;
  for (int i = 0; i < 3; ++i) plane.m[i] = plane.n[i] / plane.distance;
}

// Puts the planes into the splats' places for colours.
void planes(const float* rows, const Camera& camera, const Limits& limits, int threads, Bins& bins) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t k = 0; k < std::int64_t(bins.splats.size()); ++k) {
    Splat& splat = bins.splats[k];
    const float* row = rows + std::size_t(splat.gaussian) * kRow;
    Shape s;
    Plane plane;
    find_shape(row, camera, limits, s);
    find_plane(row, camera, s, plane);
    std::memcpy(splat.color, plane.m, sizeof plane.m);
  }
}

inline void plane_backward(const float* row, const Camera& camera, const Limits& limits,
                           const float* by_m, float* out) {
  Shape s;
  Plane plane;
  find_shape(row, camera, limits, s);
  find_plane(row, camera, s, plane);
  const float d = plane.distance;
  const float along = by_m[0] * plane.n[0] + by_m[1] * plane.n[1] + by_m[2] * plane.n[2];
  const float by_distance = -along / (d * d);
  float by_n[3], by_p[3];
  for (int i = 0; i < 3; ++i) {
    by_n[i] = by_m[i] / d + (plane.held ? 0.0f : by_distance * plane.p[i]);
    by_p[i] = by_distance * (plane.held ? d * plane.p[i] / (plane.length * plane.length) : plane.n[i]);
  }
  const float* R = camera.R;
  float by_axes[9] = {}, by_turn[kRow];
  for (int j = 0; j < 3; ++j) {
    by_axes[3 * j + plane.axis] = R[j] * by_n[0] + R[3 + j] * by_n[1] + R[6 + j] * by_n[2];
    out[kMean + j] += R[j] * by_p[0] + R[3 + j] * by_p[1] + R[6 + j] * by_p[2];
  }
  turn_backward(s, by_axes, by_turn);
  for (int i = 0; i < 4; ++i) out[kTurn + i] += by_turn[kTurn + i];
}

// Adds the derivatives by what the planes in the picture depend on to `derivatives` (count, kRow).
void planes_backward(const float* rows, const Camera& camera, const Limits& limits,
                     const Bins& bins, const Pull* pulls, int threads, float* derivatives) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t k = 0; k < std::int64_t(bins.splats.size()); ++k) {
    const Splat& splat = bins.splats[k];
    Pull pull = total_pull(bins, k, pulls);
    const float by_m[3] = {pull.color[0], pull.color[1], pull.color[2]};
    std::memset(pull.color, 0, sizeof pull.color);
    const float* row = rows + std::size_t(splat.gaussian) * kRow;
    float part[kRow] = {};
    one_backward(row, 0, camera, limits, splat, pull, part);
    plane_backward(row, camera, limits, by_m, part);
    float* out = derivatives + std::size_t(splat.gaussian) * kRow;
    for (int i = 0; i < kColor; ++i) out[i] += part[i];
  }
}

// Mean over the pixels of 1 - cos of the angle between the blended normal and that of the inverse
// depths, with its derivative times `weight` by `drawn` (3, height, width). Pixels at the border, at
// steps, and of which little is seen do not count. `scratch` has 3 height width floats.
double agree(const Camera& camera, const float* drawn, const float* transmittance, float weight,
             int threads, float* scratch, float* derivative) {
  const int width = camera.width, height = camera.height;
  const std::size_t plane = std::size_t(width) * height;
  const float share = weight / float(plane);
  std::vector<double> sums(height, 0.0);
  std::memset(scratch, 0, sizeof(float) * 3 * plane);
  std::memset(derivative, 0, sizeof(float) * 3 * plane);
  const auto inverse_depth = [&](std::size_t at, float x, float y) {
    return drawn[at] * x / camera.fx + drawn[plane + at] * y / camera.fy + drawn[2 * plane + at];
  };
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int row = 1; row < height - 1; ++row) {
      const float y = float(row) + 0.5f - camera.cy;
      for (int column = 1; column < width - 1; ++column) {
        const std::size_t at = std::size_t(row) * width + column;
        if (transmittance[at] > kShown) continue;
        const float x = float(column) + 0.5f - camera.cx;
        const float q = inverse_depth(at, x, y);
        const float across = 0.5f * (inverse_depth(at + 1, x + 1, y) - inverse_depth(at - 1, x - 1, y));
        const float down =
            0.5f * (inverse_depth(at + width, x, y + 1) - inverse_depth(at - width, x, y - 1));
        if (!(std::fabs(across) + std::fabs(down) < kStep * q)) continue;
        const float a[3] = {drawn[at], drawn[plane + at], drawn[2 * plane + at]};
        const float b[3] = {camera.fx * across, camera.fy * down, q - x * across - y * down};
        const float a_length = std::sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
        const float b_length = std::sqrt(b[0] * b[0] + b[1] * b[1] + b[2] * b[2]);
        if (!(a_length > 0 && b_length > 0)) continue;
        const float cosine = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (a_length * b_length);
        sums[row] += 1 - cosine;
        float by_b[3];
        for (int k = 0; k < 3; ++k) {
          const float ua = a[k] / a_length, ub = b[k] / b_length;
          derivative[k * plane + at] = share * (cosine * ua - ub) / a_length;
          by_b[k] = share * (cosine * ub - ua) / b_length;
        }
        scratch[at] = by_b[2];
        scratch[plane + at] = 0.5f * (camera.fx * by_b[0] - x * by_b[2]);
        scratch[2 * plane + at] = 0.5f * (camera.fy * by_b[1] - y * by_b[2]);
      }
    }
#pragma omp for schedule(static)
    for (int row = 0; row < height; ++row) {
      const float y = float(row) + 0.5f - camera.cy;
      for (int column = 0; column < width; ++column) {
        const std::size_t at = std::size_t(row) * width + column;
        const float x = float(column) + 0.5f - camera.cx;
        const float *by_across = scratch + plane, *by_down = scratch + 2 * plane;
        float by_q = scratch[at];
        if (column > 0) by_q += by_across[at - 1];
        if (column < width - 1) by_q -= by_across[at + 1];
        if (row > 0) by_q += by_down[at - width];
        if (row < height - 1) by_q -= by_down[at + width];
        derivative[at] += by_q * x / camera.fx;
        derivative[plane + at] += by_q * y / camera.fy;
        derivative[2 * plane + at] += by_q;
      }
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return total / double(plane);
}

}  // namespace
}  // namespace gypsum::splats::GYPSUM_VARIANT

#include "compare.hpp"

#include <algorithm>

namespace gypsum::fusion {
namespace {

// A point given by a photo whose pixels are this much larger there is given again, in more detail.
constexpr float kMuchCoarser = 1.5f;
// A point looks like it hangs in the air when a surface lies this many depth limits behind it.
constexpr float kBehind = 4.0f;

void compare_pixel(const Photo& here, const std::vector<Photo>& sources, const Limits& limits, int x,
                   int y, const Verdicts& out) {
  const std::size_t at = std::size_t(y) * here.width + x;
  const float z = here.depth[at];
  out.agree[at] = out.conflict[at] = out.carried[at] = 0;
  if (!(z > 0)) return;
  const float px = x + 0.5f, py = y + 0.5f, size = here.footprint(z);
  float X[3], N[3];
  here.to_world(px, py, z, X);
  here.normal_to_world(here.normal + 3 * at, N);
  float sum[3] = {X[0], X[1], X[2]}, turn[3] = {N[0], N[1], N[2]}, total = 1;
  for (const Photo& other : sources) {
    float qx, qy, qz;
    if (!other.project(X, &qx, &qy, &qz)) continue;
    const std::size_t there = std::size_t(int(qy)) * other.width + int(qx);
    if (!(other.depth[there] > 0)) continue;
    const float found = other.depth_at(there, qx, qy);
    if (qz < found * (1 - kBehind * limits.depth)) {
      ++out.conflict[at];
      continue;
    }
    if (std::abs(qz - found) > limits.depth * found) continue;
    float M[3], bx, by, bz;
    other.normal_to_world(other.normal + 3 * there, M);
    if (N[0] * M[0] + N[1] * M[1] + N[2] * M[2] < limits.cosine) continue;
    // The point where the other photo sees it, on the line of sight through the projection.
    float Y[3];
    other.to_world(qx, qy, found, Y);
    if (!here.project(Y, &bx, &by, &bz)) continue;
    if (std::hypot(bx - px, by - py) > limits.pixels) continue;
    ++out.agree[at];
    const float other_size = other.footprint(found);
    if (other.kept && other.kept[there] && other_size < kMuchCoarser * size) out.carried[at] = 1;
    const float weight = size * size / (other_size * other_size);
    for (int i = 0; i < 3; ++i) {
      sum[i] += weight * Y[i];
      turn[i] += weight * M[i];
    }
    total += weight;
  }
  const float length = std::sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2]);
  for (int i = 0; i < 3; ++i) {
    out.points[3 * at + i] = sum[i] / total;
    out.normals[3 * at + i] = turn[i] / std::max(length, 1e-12f);
  }
}

}  // namespace

void compare(const Photo& here, const std::vector<Photo>& sources, const Limits& limits, int threads,
             const Verdicts& out) {
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
  for (int y = 0; y < here.height; ++y)
    for (int x = 0; x < here.width; ++x) compare_pixel(here, sources, limits, x, y, out);
}

}  // namespace gypsum::fusion

// What keeps a field one of distances: the eikonal and curvature terms, diffusion, and redistancing.
#include "sdf/field.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gypsum::sdf {
namespace {

// Row of the neighbour of node (x, y, z) of a block along an axis, -1 where there is no block.
inline std::int64_t neighbor(const std::int32_t* around, std::int64_t block, const int at[3], int axis, int sign) {
  constexpr int kStride[3] = {1, kSide, kSide * kSide};
  const int moved = at[axis] + sign;
  const std::int64_t inside = (at[2] * kSide + at[1]) * kSide + at[0];
  if (moved >= 0 && moved < kSide) return block * kNodes + inside + sign * kStride[axis];
  const std::int32_t next = around[6 * block + 2 * axis + (sign > 0)];
  if (next < 0) return -1;
  return std::int64_t(next) * kNodes + inside - sign * (kSide - 1) * kStride[axis];
}

// Calls f(row, rows of the six neighbours: before and after along x, y, z).
template <class F>
void each_node(const Blocks& blocks, int threads, F f) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t block = 0; block < blocks.count; ++block)
    for (int n = 0; n < kNodes; ++n) {
      const int at[3] = {n & 3, n >> 2 & 3, n >> 4};
      std::int64_t rows[6];
      for (int k = 0; k < 6; ++k) rows[k] = neighbor(blocks.around, block, at, k >> 1, k & 1 ? 1 : -1);
      f(block * kNodes + n, rows);
    }
}

}  // namespace

// Adds the gradient of  eikonal sum (|grad f| - 1)^2 / 2 + curvature sum of edge^2 (sqrt(1 + (lap f / edge)^2) - 1)
// over the nodes within a width of the surface.
void regularize(const Blocks& blocks, const float* f, const Smoothness& how, int threads, float* gradient) {
  std::vector<float> by(4 * blocks.count * kNodes);  // (rows, 4): by the slope, and by the Laplacian
  each_node(blocks, threads, [&](std::int64_t row, const std::int64_t rows[6]) {
    float* to = by.data() + 4 * row;
    if (std::fabs(f[row]) > how.width) return;
    float slope[3], bend = 0, length = 0;
    for (int k = 0; k < 3; ++k) {
      const bool both = rows[2 * k] >= 0 && rows[2 * k + 1] >= 0;
      if (!both) return;
      const float before = f[rows[2 * k]], after = f[rows[2 * k + 1]];
      slope[k] = 0.5f * (after - before);
      bend += after + before - 2 * f[row];
      length += slope[k] * slope[k];
    }
    length = std::sqrt(length);
    const float scale = how.eikonal * (length - 1) / std::max(length, 1e-3f);
    for (int k = 0; k < 3; ++k) to[k] = scale * slope[k];
    to[3] = how.curvature * bend / std::sqrt(1 + bend * bend / (how.edge * how.edge));
  });
  each_node(blocks, threads, [&](std::int64_t row, const std::int64_t rows[6]) {
    float sum = -6 * by[4 * row + 3];
    for (int k = 0; k < 3; ++k) {
      if (rows[2 * k] >= 0) sum += 0.5f * by[4 * rows[2 * k] + k] + by[4 * rows[2 * k] + 3];
      if (rows[2 * k + 1] >= 0) sum += by[4 * rows[2 * k + 1] + 3] - 0.5f * by[4 * rows[2 * k + 1] + k];
    }
    gradient[row] += sum;
  });
}

// Rounds of (value + mean of its neighbours) / 2; a preconditioner for gradients.
void diffuse(const Blocks& blocks, int rounds, int threads, float* values) {
  std::vector<float> before(blocks.count * kNodes);
  for (int round = 0; round < rounds; ++round) {
    std::copy_n(values, before.size(), before.data());
    each_node(blocks, threads, [&](std::int64_t row, const std::int64_t near[6]) {
      float sum = 0;
      for (int k = 0; k < 6; ++k) sum += before[near[k] >= 0 ? near[k] : row];
      values[row] = 0.5f * before[row] + sum / 12;
    });
  }
}

// Distances to where the field is zero, which stays: nodes beside it keep the distance to the plane through the
// crossings on their edges; those further away follow by Godunov's scheme, round by round (Jeong and Whitaker,
// SIAM J. Sci. Comput. 2008, without the list).
void redistance(const Blocks& blocks, const float* f, float truncation, int rounds, int threads, float* to) {
  const std::int64_t count = blocks.count * kNodes;
  std::vector<float> now(count), next(count);
  constexpr float kFixed = 1e-3f;
  each_node(blocks, threads, [&](std::int64_t row, const std::int64_t rows[6]) {
    float inverse = 0;
    for (int k = 0; k < 3; ++k) {
      float nearest = 2;
      for (int side = 0; side < 2; ++side) {
        const std::int64_t other = rows[2 * k + side];
        if (other < 0 || (f[other] < 0) == (f[row] < 0)) continue;
        nearest = std::min(nearest, std::fabs(f[row]) / std::max(std::fabs(f[row] - f[other]), 1e-12f));
      }
      if (nearest < 2) inverse += 1 / std::max(nearest * nearest, kFixed * kFixed);
    }
    // Negative marks what stays.
    now[row] = inverse > 0 ? -1 / std::sqrt(inverse) : truncation;
  });
  for (int round = 0; round < rounds; ++round) {
    each_node(blocks, threads, [&](std::int64_t row, const std::int64_t rows[6]) {
      if (now[row] < 0) {
        next[row] = now[row];
        return;
      }
      float a[3];
      for (int k = 0; k < 3; ++k) {
        a[k] = truncation;
        for (int side = 0; side < 2; ++side)
          if (rows[2 * k + side] >= 0) a[k] = std::min(a[k], std::fabs(now[rows[2 * k + side]]));
      }
      std::sort(a, a + 3);
      float d = a[0] + 1;
      if (d > a[1]) {
        d = 0.5f * (a[0] + a[1] + std::sqrt(std::max(0.0f, 2 - (a[0] - a[1]) * (a[0] - a[1]))));
        if (d > a[2]) {
          const float sum = a[0] + a[1] + a[2];
          const float squares = a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
          d = (sum + std::sqrt(std::max(0.0f, sum * sum - 3 * (squares - 1)))) / 3;
        }
      }
      next[row] = std::min({d, now[row], truncation});
    });
    std::swap(now, next);
  }
  for (std::int64_t row = 0; row < count; ++row) to[row] = std::copysign(std::fabs(now[row]), f[row]);
}

}  // namespace gypsum::sdf

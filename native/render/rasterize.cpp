#include "render/rasterize.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace gypsum::render {
namespace {

constexpr int kBandsPerThread = 4;

// Homogeneous rasterisation (Olano and Greer 1997): with the corners' homogeneous pixel coordinates as
// the columns of M, M^-1 (x, y, 1) holds the barycentric weights divided by depth. That is linear in
// the pixel, correct in perspective, and needs no clipping of triangles that reach behind the camera.
struct Edges {
  double e[3][3];
  int x0, x1, y0, y1;  // half-open box of pixels; empty for what can't be seen
};

struct Corner {
  double x, y, w;
};

Corner corner(const Triangles& mesh, const Pinhole& camera, int32_t vertex) {
  const float* v = mesh.vertices + 3 * static_cast<int64_t>(vertex);
  return {camera.fx * v[0] + camera.cx * v[2], camera.fy * v[1] + camera.cy * v[2], v[2]};
}

// The first pixel whose centre is at or beyond `position`, within 0 and `limit`.
int first_pixel(double position, int limit) {
  return static_cast<int>(std::clamp(std::ceil(position - 0.5), 0.0, static_cast<double>(limit)));
}

void bound(const Corner (&c)[3], const Pinhole& camera, Edges& edges) {
  edges.x0 = edges.y0 = 0;
  edges.x1 = camera.width;
  edges.y1 = camera.height;
  // Triangles that reach behind the camera may cover any part of the picture.
  if (std::min({c[0].w, c[1].w, c[2].w}) <= 0) return;
  const double x[3] = {c[0].x / c[0].w, c[1].x / c[1].w, c[2].x / c[2].w};
  const double y[3] = {c[0].y / c[0].w, c[1].y / c[1].w, c[2].y / c[2].w};
  edges.x0 = first_pixel(*std::min_element(x, x + 3), camera.width);
  edges.y0 = first_pixel(*std::min_element(y, y + 3), camera.height);
  // One more on the far side, for the centres that lie right on it.
  edges.x1 = std::min(camera.width, first_pixel(*std::max_element(x, x + 3), camera.width) + 1);
  edges.y1 = std::min(camera.height, first_pixel(*std::max_element(y, y + 3), camera.height) + 1);
}

Edges prepare(const Triangles& mesh, const Pinhole& camera, int64_t face) {
  Edges edges{};
  const int32_t* index = mesh.faces + 3 * face;
  const Corner c[3] = {corner(mesh, camera, index[0]), corner(mesh, camera, index[1]),
                       corner(mesh, camera, index[2])};
  if (std::max({c[0].w, c[1].w, c[2].w}) <= 0) return edges;
  double cofactors[3][3];
  for (int i = 0; i < 3; ++i) {
    const Corner &p = c[(i + 1) % 3], &q = c[(i + 2) % 3];
    cofactors[i][0] = p.y * q.w - p.w * q.y;
    cofactors[i][1] = p.w * q.x - p.x * q.w;
    cofactors[i][2] = p.x * q.y - p.y * q.x;
  }
  const double determinant =
      c[0].x * cofactors[0][0] + c[0].y * cofactors[0][1] + c[0].w * cofactors[0][2];
  // Seen edge-on or without area: its inverse overflows.
  if (!(std::abs(determinant) > std::numeric_limits<double>::min())) return edges;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) edges.e[i][j] = cofactors[i][j] / determinant;
  }
  bound(c, camera, edges);
  return edges;
}

bool inside(const Ball& ball, const Pinhole& camera, double x, double y, double depth) {
  const double dx = (x - camera.cx) / camera.fx * depth - ball.center[0];
  const double dy = (y - camera.cy) / camera.fy * depth - ball.center[1];
  const double dz = depth - ball.center[2];
  return dx * dx + dy * dy + dz * dz <= ball.radius * ball.radius;
}

void draw(const Edges& t, int32_t face, const Pinhole& camera, const Ball& ball, int top, int bottom,
          Fragments out) {
  for (int row = std::max(t.y0, top); row < std::min(t.y1, bottom); ++row) {
    const double y = row + 0.5;
    double start[3];
    for (int i = 0; i < 3; ++i) start[i] = t.e[i][1] * y + t.e[i][2];
    for (int column = t.x0; column < t.x1; ++column) {
      const double x = column + 0.5;
      const double a = t.e[0][0] * x + start[0];
      const double b = t.e[1][0] * x + start[1];
      const double c = t.e[2][0] * x + start[2];
      if (!(a >= 0 && b >= 0 && c >= 0)) continue;
      const double sum = a + b + c;
      if (!(sum > 0)) continue;
      const float depth = static_cast<float>(1 / sum);
      const int64_t pixel = static_cast<int64_t>(row) * camera.width + column;
      if (out.face[pixel] >= 0 && depth >= out.depth[pixel]) continue;
      if (!inside(ball, camera, x, y, depth)) continue;
      out.face[pixel] = face;
      out.depth[pixel] = depth;
      out.weights[2 * pixel] = static_cast<float>(b / sum);
      out.weights[2 * pixel + 1] = static_cast<float>(c / sum);
    }
  }
}

}  // namespace

void rasterize(const Triangles& mesh, const Pinhole& camera, const Ball& ball, int threads,
               Fragments out) {
  if (threads <= 0) threads = omp_get_num_procs();
  const int64_t pixels = static_cast<int64_t>(camera.width) * camera.height;
  std::fill(out.face, out.face + pixels, -1);
  std::fill(out.depth, out.depth + pixels, 0.0f);
  std::fill(out.weights, out.weights + 2 * pixels, 0.0f);
  std::vector<Edges> edges(mesh.face_count);
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t face = 0; face < mesh.face_count; ++face) edges[face] = prepare(mesh, camera, face);
  const int bands = std::min(camera.height, kBandsPerThread * threads);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int band = 0; band < bands; ++band) {
    const int top = static_cast<int>(static_cast<int64_t>(camera.height) * band / bands);
    const int bottom = static_cast<int>(static_cast<int64_t>(camera.height) * (band + 1) / bands);
    for (int64_t face = 0; face < mesh.face_count; ++face) {
      const Edges& t = edges[face];
      if (t.y0 < bottom && t.y1 > top) {
        draw(t, static_cast<int32_t>(face), camera, ball, top, bottom, out);
      }
    }
  }
}

}  // namespace gypsum::render

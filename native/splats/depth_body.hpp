// Depth and normal of each pixel, blended as the colours are. After raster_body.hpp, which finds the
// blocks of a tile that a splat touches.
#include <omp.h>

#include <cmath>
#include <vector>

#include "splats/depths.hpp"

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

constexpr float kExtent = 4.0f;  // standard deviations along z within which a Gaussian lies
constexpr float kThin = 1e-3f;   // the thinnest axis is taken to be this part of the longest at least

Facet find_facet(const float* row, const Camera& camera) {
  const float* X = row + kMean;
  const float* R = camera.R;
  double p[3];
  for (int i = 0; i < 3; ++i)
    p[i] = double(R[3 * i]) * X[0] + double(R[3 * i + 1]) * X[1] + double(R[3 * i + 2]) * X[2] +
           camera.t[i];
  double w = row[kTurn], x = row[kTurn + 1], y = row[kTurn + 2], v = row[kTurn + 3];
  const double norm = std::sqrt(w * w + x * x + y * y + v * v);
  w /= norm, x /= norm, y /= norm, v /= norm;
  const double axes[9] = {1 - 2 * (y * y + v * v), 2 * (x * y - w * v),     2 * (x * v + w * y),
                          2 * (x * y + w * v),     1 - 2 * (x * x + v * v), 2 * (y * v - w * x),
                          2 * (x * v - w * y),     2 * (y * v + w * x),     1 - 2 * (x * x + y * y)};
  double size[3], longest = 0;
  int thinnest = 0;
  for (int k = 0; k < 3; ++k) {
    size[k] = std::exp(double(row[kScale + k]));
    longest = size[k] > longest ? size[k] : longest;
    if (row[kScale + k] < row[kScale + thinnest]) thinnest = k;
  }
  const double least = std::fmax(size[thinnest], kThin * longest);
  const double ray[3] = {p[0] / p[2], p[1] / p[2], 1.0};
  double A[9] = {}, along = 0, normal[3] = {};
  for (int k = 0; k < 3; ++k) {
    double axis[3];
    for (int i = 0; i < 3; ++i)
      axis[i] = R[3 * i] * axes[k] + R[3 * i + 1] * axes[3 + k] + R[3 * i + 2] * axes[6 + k];
    const double share = least / std::fmax(size[k], least), weight = share * share;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) A[3 * i + j] += weight * axis[i] * axis[j];
    along += size[k] * size[k] * axis[2] * axis[2];
    if (k == thinnest)
      for (int i = 0; i < 3; ++i) normal[i] = axis[i];
  }
  double b[3], c = 0, facing = 0;
  for (int i = 0; i < 3; ++i) {
    b[i] = A[3 * i] * ray[0] + A[3 * i + 1] * ray[1] + A[3 * i + 2] * ray[2];
    facing += normal[i] * ray[i];
  }
  for (int i = 0; i < 3; ++i) c += b[i] * ray[i];
  const double ix = 1.0 / camera.fx, iy = 1.0 / camera.fy, reach = kExtent * std::sqrt(along);
  const double side = facing > 0 ? -1.0 : 1.0;
  return {float(p[2]),
          float(b[0] * ix / c),
          float(b[1] * iy / c),
          float(A[0] * ix * ix / c),
          float(A[1] * ix * iy / c),
          float(A[4] * iy * iy / c),
          float(std::fmax(p[2] - reach, 0.0)),
          float(p[2] + reach),
          float(size[thinnest] / std::sqrt(c)),
          {float(side * normal[0]), float(side * normal[1]), float(side * normal[2])}};
}

void draw_depth_tile(const Bins& bins, const Facet* facets, int tile, const Limits& limits,
                     float surface, float front, DepthPicture picture) {
  alignas(32) float T[kPixels], median[kPixels], mean[kPixels], normal[3][kPixels];
  const Place place(tile, bins.columns, picture.width, picture.height);
  for (int i = 0; i < kPixels; ++i) T[i] = 1.0f;
  std::memset(median, 0, sizeof median);
  std::memset(mean, 0, sizeof mean);
  std::memset(normal, 0, sizeof normal);
  Alive alive(place.width, place.height);
  Touched touched;
  const Floats alpha_min = all(limits.alpha_min), finished = all(limits.transmittance_min),
               at_surface = all(surface);
  for (std::uint32_t k = bins.starts[tile]; k < bins.starts[tile + 1] && alive.count > 0; ++k) {
    const Splat& s = bins.splats[bins.list[k]];
    const Facet& f = facets[bins.list[k]];
    const float u = s.u - float(place.x), v = s.v - float(place.y);
    find_touched(s, u, v, alive, touched);
    const Floats nearest = all(f.nearest), furthest = all(f.furthest);
    const Floats thickness = all(front * f.thickness);
    for (int i = 0; i < touched.count; ++i) {
      const int block = touched.blocks[i], at = block * kLanes;
      const Offsets offsets(block, u, v);
      const Floats dx = offsets.dx, dy = offsets.dy;
      Floats alpha = least(exp2(power_at(s, offsets)), all(kOpaque));
      alpha = keep(alpha, alpha >= alpha_min);
      const Floats before = load(T + at), weight = alpha * before, after = before - weight;
      const Floats over = 1.0f + fma(all(f.bx), dx, all(f.by) * dy);
      const Floats tilt = fma(all(f.cxx), dx, 2.0f * fma(all(f.cxy), dy, all(f.bx)));
      const Floats rise = fma(all(f.cyy), dy, all(2.0f * f.by));
      // The denominator is a square but for rounding; where it vanishes the bounds hold.
      const Floats under = most(1.0f + fma(dx, tilt, dy * rise), all(1e-6f));
      const Floats depth = most(least(all(f.z) * over / under, furthest), nearest);
      const Ints crossed = (before > at_surface) & (after <= at_surface);
      const Floats shown = most(depth - thickness / root(under), all(limits.near));
      store(median + at, load(median + at) + keep(shown, crossed));
      store(mean + at, fma(weight, depth, load(mean + at)));
      for (int k = 0; k < 3; ++k)
        store(normal[k] + at, fma(weight, all(f.normal[k]), load(normal[k] + at)));
      store(T + at, after);
      if (!any(after >= finished)) alive.finish(block);
    }
  }
  for (int i = 0; i < kPixels; ++i) {
    const float opacity = 1.0f - T[i];
    const float length = std::sqrt(normal[0][i] * normal[0][i] + normal[1][i] * normal[1][i] +
                                   normal[2][i] * normal[2][i]);
    mean[i] = opacity > 0 ? mean[i] / opacity : 0.0f;
    for (int k = 0; k < 3; ++k) normal[k][i] = length > 0 ? normal[k][i] / length : 0.0f;
  }
  const std::size_t plane = std::size_t(picture.width) * picture.height;
  copy_out(median, picture.surface, picture.width, place);
  copy_out(mean, picture.expected, picture.width, place);
  for (int k = 0; k < 3; ++k)
    copy_out(normal[k], picture.normal + k * plane, picture.width, place);
  copy_out(T, picture.transmittance, picture.width, place);
}

void draw_depths(const float* rows, const Camera& camera, const Limits& limits, const Bins& bins,
                 float surface, float front, int threads, DepthPicture picture) {
  std::vector<Facet> facets(bins.splats.size());
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t k = 0; k < std::int64_t(facets.size()); ++k)
    facets[k] = find_facet(rows + std::size_t(bins.splats[k].gaussian) * kRow, camera);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int tile = 0; tile < bins.columns * bins.rows; ++tile)
    draw_depth_tile(bins, facets.data(), tile, limits, surface, front, picture);
}

}  // namespace

extern const DepthKernel depth_kernel{draw_depths};

}  // namespace gypsum::splats::GYPSUM_VARIANT

// Blending of splats in tiles, front to back, and its derivative, front to back as well.
//
// Splats are in the outer loop and pixels in the inner one: what a tile's pixels need stays in the
// first cache. Rows of a tile are four blocks of eight pixels; the ellipse tells which blocks it
// touches in each row, and blocks whose pixels are all finished are passed over.
#include <omp.h>

#include <cmath>
#include <cstring>

#include "splats/lanes.hpp"

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

constexpr int kBlocks = kTile / kLanes;
constexpr float kOpaque = 0.99f;  // the most that one splat covers: the next one keeps a derivative
constexpr int kPixels = kTile * kTile;
const Floats kCenters = {0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f, 7.5f};

// What of a tile a splat touches: rows [top, bottom) and a bit for each block of a row.
struct Touched {
  int top, bottom;
  std::uint8_t blocks[kTile + kLanes];
};

inline int limited(float x, int low, int high) {
  return x <= float(low) ? low : (x >= float(high) ? high : int(x));
}

// `u`, `v` are the splat's centre from the tile's corner.
inline Touched find_touched(const Splat& s, float u, float v) {
  Touched t;
  t.top = limited(std::ceil(v - s.reach_y - 0.5f), 0, kTile);
  t.bottom = limited(std::floor(v + s.reach_y - 0.5f) + 1.0f, 0, kTile);
  for (int row = t.top; row < t.bottom; row += kLanes) {
    const Floats dy = all(float(row) - v) + kCenters;
    const Floats half = root(most(all(s.width2) - all(s.narrowing) * dy * dy, all(0.0f)));
    const Floats middle = fma(all(s.lean), dy, all(u - 0.5f));
    // Rounded up and down to pixels' centres, held to the tile and a little beside it.
    const Floats low = all(-8.0f), high = all(float(kTile) + 8.0f);
    const Ints first = whole(least(most(middle - half + 0.5f, low), high));
    const Ints last = whole(least(most(middle + half - 0.5f, low), high));
    for (int i = 0; i < kLanes; ++i) {
      const int from = first[i] > 0 ? first[i] >> 3 : 0;
      const int to = last[i] < kTile ? last[i] >> 3 : kBlocks - 1;
      const int mask = first[i] <= last[i] && last[i] >= 0 && first[i] < kTile
                           ? ((2 << to) - 1) & ~((1 << from) - 1)
                           : 0;
      t.blocks[row + i] = std::uint8_t(mask);
    }
  }
  return t;
}

// Which blocks of a tile still have pixels to finish.
struct Alive {
  std::uint8_t blocks[kTile];
  int count;

  // Of the whole tile, only what lies in the picture.
  Alive(int width, int height) : count(0) {
    for (int row = 0; row < kTile; ++row) {
      const int here = row < height ? (width + kLanes - 1) / kLanes : 0;
      blocks[row] = std::uint8_t((1 << here) - 1);
      count += here;
    }
  }
  void finish(int row, int block) {
    blocks[row] = std::uint8_t(blocks[row] & ~(1 << block));
    --count;
  }
};

// The corner and the size of a tile, within the picture.
struct Place {
  int x, y, width, height;
  Place(int tile, int columns, int picture_width, int picture_height)
      : x(tile % columns * kTile), y(tile / columns * kTile) {
    width = picture_width - x < kTile ? picture_width - x : kTile;
    height = picture_height - y < kTile ? picture_height - y : kTile;
  }
};

inline void copy_in(const float* plane, int stride, const Place& place, float* tile) {
  std::memset(tile, 0, sizeof(float) * kPixels);
  for (int y = 0; y < place.height; ++y)
    std::memcpy(tile + y * kTile, plane + std::size_t(place.y + y) * stride + place.x,
                sizeof(float) * place.width);
}

inline void copy_out(const float* tile, float* plane, int stride, const Place& place) {
  for (int y = 0; y < place.height; ++y)
    std::memcpy(plane + std::size_t(place.y + y) * stride + place.x, tile + y * kTile,
                sizeof(float) * place.width);
}

void draw_tile(const Bins& bins, int tile, const float* background, const Limits& limits,
               Picture picture) {
  alignas(32) float T[kPixels], color[3][kPixels];
  const Place place(tile, bins.columns, picture.width, picture.height);
  for (int i = 0; i < kPixels; ++i) T[i] = 1.0f;
  std::memset(color, 0, sizeof color);
  Alive alive(place.width, place.height);
  const Floats alpha_min = all(limits.alpha_min), finished = all(limits.transmittance_min);
  for (std::uint32_t k = bins.starts[tile]; k < bins.starts[tile + 1] && alive.count > 0; ++k) {
    const Splat& s = bins.splats[bins.list[k]];
    const float u = s.u - float(place.x), v = s.v - float(place.y);
    const Touched touched = find_touched(s, u, v);
    const Floats a = all(s.a), red = all(s.color[0]), green = all(s.color[1]),
                 blue = all(s.color[2]);
    for (int row = touched.top; row < touched.bottom; ++row) {
      unsigned blocks = touched.blocks[row] & alive.blocks[row];
      if (!blocks) continue;
      const float dy = float(row) + 0.5f - v;
      const Floats constant = all(s.log_opacity + s.c * dy * dy), linear = all(2.0f * s.b * dy);
      do {
        const int block = __builtin_ctz(blocks);
        blocks &= blocks - 1;
        const int at = row * kTile + block * kLanes;
        const Floats dx = all(float(block * kLanes) - u) + kCenters;
        const Floats power = most(fma(dx, fma(a, dx, linear), constant), all(-64.0f));
        Floats alpha = least(exp2(power), all(kOpaque));
        alpha = keep(alpha, alpha >= alpha_min);
        const Floats before = load(T + at), weight = alpha * before, after = before - weight;
        store(color[0] + at, fma(weight, red, load(color[0] + at)));
        store(color[1] + at, fma(weight, green, load(color[1] + at)));
        store(color[2] + at, fma(weight, blue, load(color[2] + at)));
        store(T + at, after);
        if (!any(after >= finished)) alive.finish(row, block);
      } while (blocks);
    }
  }
  const std::size_t plane = std::size_t(picture.width) * picture.height;
  for (int k = 0; k < 3; ++k) {
    for (int i = 0; i < kPixels; ++i) color[k][i] += T[i] * background[k];
    copy_out(color[k], picture.color + k * plane, picture.width, place);
  }
  copy_out(T, picture.transmittance, picture.width, place);
}

// Along the ray, dL/dalpha = T g.c - S / (1 - alpha), where g is the derivative by the pixel and S
// is g times what lies behind, the background included. S starts as g times the whole pixel and
// loses each splat's part when that is passed: one number for each pixel.
void pull_tile(const Bins& bins, int tile, const Limits& limits, Picture picture,
               const float* derivative, const float* error, Pull* pulls) {
  alignas(32) float T[kPixels], g[3][kPixels], behind[kPixels], wrong[kPixels];
  const Place place(tile, bins.columns, picture.width, picture.height);
  const std::size_t plane = std::size_t(picture.width) * picture.height;
  std::memset(behind, 0, sizeof behind);
  for (int i = 0; i < kPixels; ++i) T[i] = 1.0f;
  for (int k = 0; k < 3; ++k) {
    alignas(32) float drawn[kPixels];
    copy_in(picture.color + k * plane, picture.width, place, drawn);
    copy_in(derivative + k * plane, picture.width, place, g[k]);
    for (int i = 0; i < kPixels; ++i) behind[i] += g[k][i] * drawn[i];
  }
  copy_in(error, picture.width, place, wrong);
  Alive alive(place.width, place.height);
  const Floats alpha_min = all(limits.alpha_min), finished = all(limits.transmittance_min);
  std::uint32_t k = bins.starts[tile];
  for (; k < bins.starts[tile + 1] && alive.count > 0; ++k) {
    const Splat& s = bins.splats[bins.list[k]];
    const float u = s.u - float(place.x), v = s.v - float(place.y);
    const Touched touched = find_touched(s, u, v);
    const Floats a = all(s.a), red = all(s.color[0]), green = all(s.color[1]),
                 blue = all(s.color[2]);
    const Floats none = all(0.0f);
    Floats d = none, d_x = none, d_y = none, d_xx = none, d_xy = none, d_yy = none;
    Floats by_red = none, by_green = none, by_blue = none, by_error = none;
    for (int row = touched.top; row < touched.bottom; ++row) {
      unsigned blocks = touched.blocks[row] & alive.blocks[row];
      if (!blocks) continue;
      const float y = float(row) + 0.5f - v;
      const Floats dy = all(y);
      const Floats constant = all(s.log_opacity + s.c * y * y), linear = all(2.0f * s.b * y);
      do {
        const int block = __builtin_ctz(blocks);
        blocks &= blocks - 1;
        const int at = row * kTile + block * kLanes;
        const Floats dx = all(float(block * kLanes) - u) + kCenters;
        const Floats power = most(fma(dx, fma(a, dx, linear), constant), all(-64.0f));
        const Floats full = exp2(power);
        Floats alpha = least(full, all(kOpaque));
        alpha = keep(alpha, alpha >= alpha_min);
        const Floats before = load(T + at), weight = alpha * before, after = before - weight;
        const Floats g_r = load(g[0] + at), g_g = load(g[1] + at), g_b = load(g[2] + at);
        const Floats gain = fma(g_r, red, fma(g_g, green, g_b * blue));
        const Floats rest = load(behind + at) - gain * weight;
        store(behind + at, rest);
        store(T + at, after);
        by_red = fma(weight, g_r, by_red);
        by_green = fma(weight, g_g, by_green);
        by_blue = fma(weight, g_b, by_blue);
        by_error = fma(weight, load(wrong + at), by_error);
        // alpha dL/dalpha, by ln alpha; none where alpha is held.
        Floats pull = gain * weight - alpha * rest / (1.0f - alpha);
        pull = keep(pull, full < all(kOpaque));
        const Floats pull_x = pull * dx, pull_y = pull * dy;
        d += pull;
        d_x += pull_x;
        d_y += pull_y;
        d_xx = fma(pull_x, dx, d_xx);
        d_xy = fma(pull_x, dy, d_xy);
        d_yy = fma(pull_y, dy, d_yy);
        if (!any(after >= finished)) alive.finish(row, block);
      } while (blocks);
    }
    pulls[k] = {{sum(by_red), sum(by_green), sum(by_blue)},
                {sum(d), sum(d_x), sum(d_y), sum(d_xx), sum(d_xy), sum(d_yy)},
                sum(by_error)};
  }
  std::memset(static_cast<void*>(pulls + k), 0, sizeof(Pull) * (bins.starts[tile + 1] - k));
}

void rasterize(const Bins& bins, const float* background, const Limits& limits, int threads,
               Picture picture) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int tile = 0; tile < bins.columns * bins.rows; ++tile)
    draw_tile(bins, tile, background, limits, picture);
}

void rasterize_backward(const Bins& bins, const Limits& limits, int threads, Picture picture,
                        const float* derivative, const float* error, Pull* pulls) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int tile = 0; tile < bins.columns * bins.rows; ++tile)
    pull_tile(bins, tile, limits, picture, derivative, error, pulls);
}

}  // namespace
}  // namespace gypsum::splats::GYPSUM_VARIANT

// Blending of splats in tiles, front to back, and its derivative, front to back as well.
//
// Splats are in the outer loop and pixels in the inner one: what a tile's pixels need stays in the
// first cache. A tile is made of blocks of 4 x 2 pixels, one vector each, in bands of two rows. The
// ellipse tells which blocks it touches; blocks whose pixels are all finished are passed over. The
// blocks to visit are listed before, without branches: how many a band has can't be predicted.
#include <omp.h>

#include <array>
#include <cmath>
#include <cstring>

#include "splats/lanes.hpp"

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

constexpr int kBlockWidth = 4, kBlockHeight = 2;
constexpr int kAcross = kTile / kBlockWidth;  // blocks of a band
constexpr int kBands = kTile / kBlockHeight;
constexpr int kBlocks = kAcross * kBands;
constexpr float kOpaque = 0.99f;  // the most that one splat covers: the next one keeps a derivative
constexpr int kPixels = kTile * kTile;
static_assert(kAcross == 8 && kBands == 2 * kLanes && kBlockWidth * kBlockHeight == kLanes);

// Centres of a block's pixels from its corner.
const Floats kCentersX = {0.5f, 1.5f, 2.5f, 3.5f, 0.5f, 1.5f, 2.5f, 3.5f};
const Floats kCentersY = {0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 1.5f, 1.5f, 1.5f};
const Floats kEvenRows = {0.5f, 2.5f, 4.5f, 6.5f, 8.5f, 10.5f, 12.5f, 14.5f};

// Where pixel (x, y) of a tile is kept: block by block.
constexpr int place_of(int x, int y) {
  return (y / kBlockHeight * kAcross + x / kBlockWidth) * kLanes + y % kBlockHeight * kBlockWidth +
         x % kBlockWidth;
}

// The corner of each block from the tile's, pixels.
struct Corners {
  float x[kBlocks], y[kBlocks];
};
constexpr Corners kCorners = [] {
  Corners corners{};
  for (int i = 0; i < kBlocks; ++i) {
    corners.x[i] = float(i % kAcross * kBlockWidth);
    corners.y[i] = float(i / kAcross * kBlockHeight);
  }
  return corners;
}();

// The places of the bits that a byte has, lowest first, as bytes of a word; and their number.
struct Bits {
  std::array<std::uint64_t, 256> places;
  std::array<std::uint8_t, 256> count;
};
constexpr Bits kBits = [] {
  Bits bits{};
  for (int byte = 0; byte < 256; ++byte)
    for (int i = 0; i < 8; ++i)
      if (byte >> i & 1) bits.places[byte] |= std::uint64_t(i) << 8 * bits.count[byte]++;
  return bits;
}();

// Which blocks of a tile still have pixels to finish: a bit for each block of a band.
struct Alive {
  alignas(32) std::int32_t bands[kBands];
  int count;

  // Of the whole tile, only what lies in the picture.
  Alive(int width, int height) : count(0) {
    for (int band = 0; band < kBands; ++band) {
      const int here = band * kBlockHeight < height ? (width + kBlockWidth - 1) / kBlockWidth : 0;
      bands[band] = (1 << here) - 1;
      count += here;
    }
  }
  void finish(int block) {
    bands[block / kAcross] &= ~(1 << block % kAcross);
    --count;
  }
};

// The blocks that a splat touches and that are not finished, in their order.
struct Touched {
  int count;
  std::uint8_t blocks[kBlocks + 8];  // whole words are written
};

// First and last column of pixels within the ellipse in rows at dy; the last one is before the first
// where there are none.
inline void find_columns(const Splat& s, float u, Floats dy, Ints& first, Ints& last) {
  const Floats square = all(s.width2) - all(s.narrowing) * dy * dy;
  const Floats half = root(most(square, all(0.0f)));
  const Floats middle = fma(all(s.lean), dy, all(u - 0.5f));
  // Rounded up and down to pixels' centres, held to the tile and a little beside it.
  const Floats low = all(-8.0f), high = all(float(kTile) + 8.0f);
  const Ints none = square < 0.0f;
  first = whole(least(most(middle - half + 0.5f, low), high)) | (none & 0x40);
  last = whole(least(most(middle + half - 0.5f, low), high)) | none;
}

// `u`, `v` are the splat's centre from the tile's corner.
inline void find_touched(const Splat& s, float u, float v, const Alive& alive, Touched& touched) {
  std::int32_t bands[kBands];
  for (int half = 0; half < 2; ++half) {
    const Floats dy = all(float(half * kTile / 2) - v) + kEvenRows;
    Ints first, last, first_odd, last_odd;
    find_columns(s, u, dy, first, last);
    find_columns(s, u, dy + 1.0f, first_odd, last_odd);
    first = least(first, first_odd), last = most(last, last_odd);
    const Ints inside = (first <= last) & (last >= 0) & (first < kTile);
    const Ints from = most(first >> 2, Ints{}), to = least(last >> 2, Ints{} + (kAcross - 1));
    Ints some = ((Ints{} + 2) << (to & 7)) - ((Ints{} + 1) << (from & 7));
    Ints still;
    std::memcpy(&still, alive.bands + half * kLanes, sizeof still);
    some &= inside & still;
    std::memcpy(bands + half * kLanes, &some, sizeof some);
  }
  const auto limited = [](float x) { return x <= 0 ? 0 : (x >= kTile ? kTile : int(x)); };
  const int top = limited(v - s.reach_y) / kBlockHeight;
  const int bottom = (limited(v + s.reach_y) + kBlockHeight) / kBlockHeight;
  int count = 0;
  for (int band = top; band < bottom && band < kBands; ++band) {
    const std::uint64_t word =
        kBits.places[bands[band]] + 0x0101010101010101u * std::uint64_t(band * kAcross);
    std::memcpy(touched.blocks + count, &word, sizeof word);
    count += kBits.count[bands[band]];
  }
  touched.count = count;
}

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
  for (int y = 0; y < place.height; ++y) {
    const float* row = plane + std::size_t(place.y + y) * stride + place.x;
    for (int x = 0; x < place.width; ++x) tile[place_of(x, y)] = row[x];
  }
}

inline void copy_out(const float* tile, float* plane, int stride, const Place& place) {
  for (int y = 0; y < place.height; ++y) {
    float* row = plane + std::size_t(place.y + y) * stride + place.x;
    for (int x = 0; x < place.width; ++x) row[x] = tile[place_of(x, y)];
  }
}

// The pixels of a block from a splat's centre.
struct Offsets {
  Floats dx, dy;
  Offsets(int block, float u, float v)
      : dx(all(kCorners.x[block] - u) + kCentersX), dy(all(kCorners.y[block] - v) + kCentersY) {}
};

// The logarithm (base 2) of a splat's alpha there.
inline Floats power_at(const Splat& s, const Offsets& at) {
  const Floats along = fma(all(s.a), at.dx, all(2.0f * s.b) * at.dy);
  const Floats power = fma(at.dx, along, fma(all(s.c) * at.dy, at.dy, all(s.log_opacity)));
  return most(power, all(-64.0f));
}

void draw_tile(const Bins& bins, int tile, const float* background, const Limits& limits,
               Picture picture) {
  alignas(32) float T[kPixels], color[3][kPixels];
  const Place place(tile, bins.columns, picture.width, picture.height);
  for (int i = 0; i < kPixels; ++i) T[i] = 1.0f;
  std::memset(color, 0, sizeof color);
  Alive alive(place.width, place.height);
  Touched touched;
  const Floats alpha_min = all(limits.alpha_min), finished = all(limits.transmittance_min);
  for (std::uint32_t k = bins.starts[tile]; k < bins.starts[tile + 1] && alive.count > 0; ++k) {
    const Splat& s = bins.splats[bins.list[k]];
    const float u = s.u - float(place.x), v = s.v - float(place.y);
    find_touched(s, u, v, alive, touched);
    const Floats red = all(s.color[0]), green = all(s.color[1]), blue = all(s.color[2]);
    for (int i = 0; i < touched.count; ++i) {
      const int block = touched.blocks[i], at = block * kLanes;
      Floats alpha = least(exp2(power_at(s, Offsets(block, u, v))), all(kOpaque));
      alpha = keep(alpha, alpha >= alpha_min);
      const Floats before = load(T + at), weight = alpha * before, after = before - weight;
      store(color[0] + at, fma(weight, red, load(color[0] + at)));
      store(color[1] + at, fma(weight, green, load(color[1] + at)));
      store(color[2] + at, fma(weight, blue, load(color[2] + at)));
      store(T + at, after);
      if (!any(after >= finished)) alive.finish(block);
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
  Touched touched;
  const Floats alpha_min = all(limits.alpha_min), finished = all(limits.transmittance_min);
  std::uint32_t k = bins.starts[tile];
  for (; k < bins.starts[tile + 1] && alive.count > 0; ++k) {
    const Splat& s = bins.splats[bins.list[k]];
    const float u = s.u - float(place.x), v = s.v - float(place.y);
    find_touched(s, u, v, alive, touched);
    const Floats red = all(s.color[0]), green = all(s.color[1]), blue = all(s.color[2]);
    const Floats none = all(0.0f);
    Floats d = none, d_x = none, d_y = none, d_xx = none, d_xy = none, d_yy = none;
    Floats by_red = none, by_green = none, by_blue = none, by_error = none;
    for (int i = 0; i < touched.count; ++i) {
      const int block = touched.blocks[i], at = block * kLanes;
      const Offsets offsets(block, u, v);
      const Floats full = exp2(power_at(s, offsets));
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
      const Floats pull_x = pull * offsets.dx, pull_y = pull * offsets.dy;
      d += pull;
      d_x += pull_x;
      d_y += pull_y;
      d_xx = fma(pull_x, offsets.dx, d_xx);
      d_xy = fma(pull_x, offsets.dy, d_xy);
      d_yy = fma(pull_y, offsets.dy, d_yy);
      if (!any(after >= finished)) alive.finish(block);
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

// The kernel's body, compiled once for each instruction set: rows of eight voxels. All variants give
// the same bits.
#include <algorithm>
#include <cmath>

#include "tsdf/lanes.hpp"
#include "tsdf/volume.hpp"

namespace gypsum::tsdf {
namespace {

constexpr float kFull = 0.25f;        // share of the truncation behind the surface that counts in full
constexpr float kColorUnits = 64.0f;  // of a colour's weight
constexpr float kNearest = 1e-6f;     // closer to the camera's plane nothing is seen

// What a frame says about a row of voxels.
struct Row {
  Floats distance;  // shares of the truncation, at most one
  Floats weight;    // zero: nothing
  Ints pixel;
};

// False where the frame says nothing about any of them.
inline bool observe(const Frame& frame, const Settings& settings, const float start[3], const float step[3],
                    Row& row) {
  const Floats zero = Floats::all(0), one = Floats::all(1), two = Floats::all(2), half = Floats::all(0.5f);
  const Floats count = Floats::counting();
  const Floats right = Floats::all(float(frame.width - 1)), bottom = Floats::all(float(frame.height - 1));
  const Floats z = Floats::all(start[2]) + count * Floats::all(step[2]);
  const Floats per_depth = one / most(z, Floats::all(kNearest));
  const Floats x =
      Floats::all(frame.fx) * (Floats::all(start[0]) + count * Floats::all(step[0])) * per_depth + Floats::all(frame.cx);
  const Floats y =
      Floats::all(frame.fy) * (Floats::all(start[1]) + count * Floats::all(step[1])) * per_depth + Floats::all(frame.cy);
  const Mask inside = (Floats::all(kNearest) < z) & (zero - half <= x) & (x < right + half) & (zero - half <= y) &
                      (y < bottom + half);
  if (!inside.any()) return false;
  const Floats px = least(most(x, zero), right), py = least(most(y, zero), bottom);
  const Ints ix = whole(px), iy = whole(py);
  const Floats left = floats(ix), top = floats(iy), fx = px - left, fy = py - top;
  const Ints to_right = where(left < right, Ints::all(1)), below = where(top < bottom, Ints::all(frame.width));
  const Ints corner = iy * Ints::all(frame.width) + ix;
  row.pixel = corner + where(half <= fx, to_right) + where(half <= fy, below);
  const Floats nearest = gather(frame.inverse, row.pixel);
  const Floats per_truncation = Floats::all(1 / settings.truncation);
  const Floats roughly = (one / most(nearest, Floats::all(1e-9f)) - z) * per_truncation;
  // What is mixed below lies within a truncation of the nearest pixel.
  const Mask seen = inside & (zero < nearest), close = seen & (zero - two < roughly) & (roughly < two);
  const Mask before = seen & (two <= roughly);
  row.distance = one;
  row.weight = zero;
  if (before.any())
    row.weight = choose(before, Floats::all(settings.free_weight) * gather(frame.weights, row.pixel), zero);
  if (!close.any()) return before.any();
  const Floats a = gather(frame.inverse, corner), b = gather(frame.inverse, corner + to_right);
  const Floats c = gather(frame.inverse, corner + below), d = gather(frame.inverse, corner + below + to_right);
  // Planes have inverse depths that are linear in the picture. Across a jump nothing is mixed.
  const Floats low = least(least(a, b), least(c, d)), high = most(most(a, b), most(c, d));
  const Floats above = a + fx * (b - a), under = c + fx * (d - c);
  const Mask smooth = (zero < low) & (high - low <= Floats::all(settings.truncation) * high * low);
  const Floats found = choose(smooth, above + fy * (under - above), nearest);
  const Floats distance = (one / most(found, Floats::all(1e-9f)) - z) * per_truncation;
  const Mask known = close & (zero - one < distance);
  const Floats behind = least(one, (one + distance) * Floats::all(1 / (1 - kFull)));
  const Floats share = choose(one < distance, Floats::all(settings.free_weight), behind);
  row.distance = choose(close, least(distance, one), one);
  row.weight = choose(known, share * gather(frame.weights, row.pixel), row.weight);
  return true;
}

inline std::uint16_t blend(std::uint16_t mean, std::uint8_t value, float share) {
  const float to = 256.0f * float(value);
  return std::uint16_t(float(mean) + share * (to - float(mean)) + 0.5f);
}

inline void color(Block& block, int first, const Row& row, const std::uint8_t* colors) {
  const Mask near = (Floats::all(0) < row.weight) & (row.distance < Floats::all(1));
  if (!near.any()) return;
  if (!block.colors) block.colors = std::make_unique<Colors>();
  Colors& mean = *block.colors;
  float distance[kSide], weight[kSide];
  std::int32_t pixel[kSide];
  row.distance.store(distance);
  row.weight.store(weight);
  row.pixel.store(pixel);
  for (int i = 0; i < kSide; ++i) {
    if (!(weight[i] > 0) || !(distance[i] < 1)) continue;
    const int at = first + i;
    const float units = std::max(1.0f, std::min(kColorUnits * weight[i], 16384.0f));
    const float total = float(mean.weight[at]) + units, share = units / total;
    const std::uint8_t* const seen = colors + 3 * std::size_t(pixel[i]);
    mean.red[at] = blend(mean.red[at], seen[0], share);
    mean.green[at] = blend(mean.green[at], seen[1], share);
    mean.blue[at] = blend(mean.blue[at], seen[2], share);
    mean.weight[at] = std::uint16_t(std::min(total, 65535.0f));
  }
}

}  // namespace

void GYPSUM_VARIANT(integrate_block)(Block& block, const Frame& frame, const Settings& settings) {
  const double voxel = settings.voxel, edge = voxel * kSide;
  const double low[3] = {block.place.x * edge, block.place.y * edge, block.place.z * edge};
  float origin[3], axis[3][3];
  for (int i = 0; i < 3; ++i) {
    origin[i] = float(frame.R[3 * i] * low[0] + frame.R[3 * i + 1] * low[1] + frame.R[3 * i + 2] * low[2] +
                      frame.t[i]);
    for (int k = 0; k < 3; ++k) axis[k][i] = float(frame.R[3 * i + k] * voxel);
  }
  for (int z = 0; z < kSide; ++z)
    for (int y = 0; y < kSide; ++y) {
      float start[3];
      for (int i = 0; i < 3; ++i) start[i] = origin[i] + float(z) * axis[2][i] + float(y) * axis[1][i];
      Row row;
      if (!observe(frame, settings, start, axis[0], row)) continue;
      const int first = (z * kSide + y) * kSide;
      const Floats mean = Floats::load(block.distance + first), before = Floats::load(block.weight + first);
      const Floats total = before + row.weight;
      const Floats share = row.weight / most(total, Floats::all(1e-12f));
      (mean + share * (row.distance - mean)).store(block.distance + first);
      total.store(block.weight + first);
      if (frame.colors) color(block, first, row, frame.colors);
    }
}

}  // namespace gypsum::tsdf

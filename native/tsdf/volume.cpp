#include "tsdf/volume.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "common/cpu.hpp"

namespace gypsum::tsdf {
namespace {

std::uint64_t mixed(std::uint64_t key) {  // the finaliser of SplitMix64
  key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ULL;
  key = (key ^ (key >> 27)) * 0x94D049BB133111EBULL;
  return key ^ (key >> 31);
}

// Blocks along the part of a line of sight that lies within the truncation (Amanatides and Woo 1987).
template <class Visit>
void walk(const double from[3], const double to[3], double block, const Visit& visit) {
  Place at, end;
  double next[3], step[3];
  int sign[3];
  std::int32_t* const a = &at.x;
  std::int32_t* const e = &end.x;
  for (int k = 0; k < 3; ++k) {
    const double first = from[k] / block, last = to[k] / block;
    if (!(std::abs(first) < kFarthest - 1) || !(std::abs(last) < kFarthest - 1)) return;
    a[k] = std::int32_t(std::floor(first));
    e[k] = std::int32_t(std::floor(last));
    const double along = last - first;
    sign[k] = along < 0 ? -1 : 1;
    step[k] = along != 0 ? 1 / std::abs(along) : std::numeric_limits<double>::infinity();
    const double rest = along < 0 ? first - a[k] : a[k] + 1 - first;
    next[k] = along != 0 ? rest * step[k] : std::numeric_limits<double>::infinity();
  }
  const int crossings = std::abs(e[0] - a[0]) + std::abs(e[1] - a[1]) + std::abs(e[2] - a[2]);
  visit(at);
  for (int n = 0; n < crossings; ++n) {
    const int k = next[0] <= next[1] ? (next[0] <= next[2] ? 0 : 2) : (next[1] <= next[2] ? 1 : 2);
    a[k] += sign[k];
    next[k] += step[k];
    visit(at);
  }
}

// The farthest depth in each square of pixels.
class Farthest {
 public:
  explicit Farthest(const Frame& frame)
      : columns_((frame.width + kTile - 1) / kTile), rows_((frame.height + kTile - 1) / kTile),
        depth_(std::size_t(columns_) * rows_, 0.0f) {
    for (int y = 0; y < frame.height; ++y)
      for (int x = 0; x < frame.width; ++x) {
        const float inverse = frame.inverse[std::size_t(y) * frame.width + x];
        float& farthest = depth_[std::size_t(y / kTile) * columns_ + x / kTile];
        if (inverse > 0) farthest = std::max(farthest, 1 / inverse);
      }
  }
  // Over a rectangle of pixels, ends included.
  float within(float left, float right, float top, float bottom) const {
    const int x0 = tile(left, columns_), x1 = tile(right, columns_);
    const int y0 = tile(top, rows_), y1 = tile(bottom, rows_);
    float farthest = 0;
    for (int y = y0; y <= y1; ++y)
      for (int x = x0; x <= x1; ++x) farthest = std::max(farthest, depth_[std::size_t(y) * columns_ + x]);
    return farthest;
  }

 private:
  static constexpr int kTile = 16;
  static int tile(float pixel, int count) {
    return std::clamp(int(std::floor(std::clamp(pixel, -1e6f, 1e6f) / kTile)), 0, count - 1);
  }
  int columns_, rows_;
  std::vector<float> depth_;
};

// Whether a frame may say anything about a block.
bool sees(const Frame& frame, const Farthest& farthest, const Place& place, const Settings& settings) {
  const double edge = double(settings.voxel) * kSide, half = 0.5 * edge;
  const double center[3] = {place.x * edge + half, place.y * edge + half, place.z * edge + half};
  float c[3];
  for (int i = 0; i < 3; ++i)
    c[i] = float(frame.R[3 * i] * center[0] + frame.R[3 * i + 1] * center[1] +
                 frame.R[3 * i + 2] * center[2] + frame.t[i]);
  const float reach = float(1.7321 * half), near = c[2] - reach, far = c[2] + reach;
  if (far <= 0) return false;
  float left = 0, right = float(frame.width), top = 0, bottom = float(frame.height);
  if (near > 0) {
    const float x0 = c[0] - reach, x1 = c[0] + reach, y0 = c[1] - reach, y1 = c[1] + reach;
    left = frame.cx + frame.fx * x0 / (x0 < 0 ? near : far) - 1;
    right = frame.cx + frame.fx * x1 / (x1 < 0 ? far : near) + 1;
    top = frame.cy + frame.fy * y0 / (y0 < 0 ? near : far) - 1;
    bottom = frame.cy + frame.fy * y1 / (y1 < 0 ? far : near) + 1;
    if (right < 0 || bottom < 0 || left > frame.width || top > frame.height) return false;
  }
  return near < farthest.within(left, right, top, bottom) + settings.truncation;
}

}  // namespace

std::int64_t Volume::find(const Place& place) const {
  if (slots_.empty()) return -1;
  const std::uint64_t key = key_of(place), mask = slots_.size() - 1;
  for (std::uint64_t slot = mixed(key) & mask;; slot = (slot + 1) & mask) {
    const std::int64_t index = slots_[slot];
    if (index < 0 || key_of(blocks_[index]->place) == key) return index;
  }
}

void Volume::grow() {
  const std::size_t wanted = std::max<std::size_t>(1024, 2 * slots_.size());
  slots_.assign(wanted, -1);
  for (std::size_t index = 0; index < blocks_.size(); ++index) {
    std::uint64_t slot = mixed(key_of(blocks_[index]->place)) & (wanted - 1);
    while (slots_[slot] >= 0) slot = (slot + 1) & (wanted - 1);
    slots_[slot] = std::int64_t(index);
  }
}

void Volume::insert(std::uint64_t key) {
  if (2 * (blocks_.size() + 1) > slots_.size()) grow();
  auto block = std::make_unique<Block>();  // value-initialised: no distance, no weight
  block->place = place_of(key);
  std::uint64_t slot = mixed(key) & (slots_.size() - 1);
  while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = std::int64_t(blocks_.size());
  blocks_.push_back(std::move(block));
}

void Volume::touched(const Frame& frame, int threads, std::vector<std::uint64_t>& keys) const {
  const double block = double(settings_.voxel) * kSide, truncation = settings_.truncation;
  double center[3];
  for (int k = 0; k < 3; ++k)
    center[k] = -(frame.R[k] * frame.t[0] + frame.R[3 + k] * frame.t[1] + frame.R[6 + k] * frame.t[2]);
  std::vector<std::vector<std::uint64_t>> parts(threads);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int part = 0; part < threads; ++part) {
    std::vector<std::uint64_t>& mine = parts[part];
    // Neighbouring pixels meet the same blocks: what was seen lately is not asked for again.
    std::array<std::uint64_t, 4096> lately;
    lately.fill(~std::uint64_t(0));
    const auto visit = [&](const Place& place) {
      const std::uint64_t key = key_of(place);
      std::uint64_t& seen = lately[mixed(key) & (lately.size() - 1)];
      if (seen == key) return;
      seen = key;
      if (find(place) < 0) mine.push_back(key);
    };
    const int first = int(std::int64_t(frame.height) * part / threads);
    const int last = int(std::int64_t(frame.height) * (part + 1) / threads);
    for (int y = first; y < last; ++y)
      for (int x = 0; x < frame.width; ++x) {
        const std::size_t pixel = std::size_t(y) * frame.width + x;
        if (!(frame.inverse[pixel] > 0) || !(frame.weights[pixel] > 0)) continue;
        const double depth = 1 / double(frame.inverse[pixel]);
        const double u = (x - frame.cx) / frame.fx, v = (y - frame.cy) / frame.fy;
        const double before = std::max(depth - truncation, 0.0), behind = depth + truncation;
        double from[3], to[3];
        for (int k = 0; k < 3; ++k) {
          const double ray = frame.R[k] * u + frame.R[3 + k] * v + frame.R[6 + k];
          from[k] = center[k] + before * ray;
          to[k] = center[k] + behind * ray;
        }
        walk(from, to, block, visit);
      }
  }
  for (const auto& part : parts) keys.insert(keys.end(), part.begin(), part.end());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

bool Volume::integrate(const Frame& frame, int threads, bool portable) {
  std::vector<std::uint64_t> keys;
  touched(frame, threads, keys);
  if (blocks_.size() + keys.size() > most_) return false;
  for (const std::uint64_t key : keys) insert(key);
  colored_ = colored_ || frame.colors;
  const Farthest farthest(frame);
  const auto update = has_avx2() && !portable ? integrate_block_avx2 : integrate_block_portable;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 32)
  for (std::size_t index = 0; index < blocks_.size(); ++index)
    if (sees(frame, farthest, blocks_[index]->place, settings_)) update(*blocks_[index], frame, settings_);
  return true;
}

}  // namespace gypsum::tsdf

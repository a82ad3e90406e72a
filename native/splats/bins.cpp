// Sorting by depth and filling of the tiles.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "splats/splats.hpp"

namespace gypsum::splats {
namespace {

// The order of positive numbers by a stable radix sort of their bits, 11 at a time.
std::vector<std::uint32_t> sorted_order(const std::vector<std::uint32_t>& keys) {
  constexpr int kBits = 11, kBuckets = 1 << kBits;
  const std::size_t count = keys.size();
  std::vector<std::uint32_t> order(count), next(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = std::uint32_t(i);
  for (int shift = 0; shift < 32; shift += kBits) {
    std::vector<std::uint32_t> places(kBuckets + 1, 0);
    for (const std::uint32_t key : keys) ++places[((key >> shift) & (kBuckets - 1)) + 1];
    for (int i = 0; i < kBuckets; ++i) places[i + 1] += places[i];
    for (const std::uint32_t i : order) next[places[(keys[i] >> shift) & (kBuckets - 1)]++] = i;
    order.swap(next);
  }
  return order;
}

// Calls visit(tile) for every tile that has a pixel's centre within the ellipse's rows and columns
// there.
template <class Visit>
void for_tiles(const Splat& s, int columns, int rows, Visit visit) {
  const int top = std::max(0, int(std::ceil(s.v - s.reach_y - 0.5f)) >> 5);
  const int bottom = std::min(rows - 1, int(std::floor(s.v + s.reach_y - 0.5f)) >> 5);
  for (int row = top; row <= bottom; ++row) {
    // The widest place within the tile's rows, on the right; on the left it is the mirrored one.
    const float low = std::max(float(row * kTile) + 0.5f - s.v, -s.reach_y);
    const float high = std::min(float(row * kTile + kTile) - 0.5f - s.v, s.reach_y);
    if (low > high) continue;
    const auto edge = [&](float dy, float side) {
      return s.lean * dy + side * std::sqrt(std::max(0.0f, s.width2 - s.narrowing * dy * dy));
    };
    const float right = s.u + edge(std::clamp(s.tip, low, high), 1.0f);
    const float left = s.u + edge(std::clamp(-s.tip, low, high), -1.0f);
    const int first = std::max(0, int(std::ceil(left - 0.5f)) >> 5);
    const int last = std::min(columns - 1, int(std::floor(right - 0.5f)) >> 5);
    for (int column = first; column <= last; ++column) visit(row * columns + column);
  }
}

}  // namespace

void fill_bins(const Splat* projected, const float* depths, std::size_t count, int width,
               int height, int threads, Bins& bins) {
  static_assert(kTile == 32, "tiles are found by shifts of 5 bits");
  bins.columns = (width + kTile - 1) / kTile;
  bins.rows = (height + kTile - 1) / kTile;
  const std::size_t tiles = std::size_t(bins.columns) * bins.rows;

  std::vector<std::uint32_t> seen, keys;
  for (std::size_t i = 0; i < count; ++i) {
    if (projected[i].gaussian < 0) continue;
    std::uint32_t bits;
    std::memcpy(&bits, depths + i, sizeof bits);
    seen.push_back(std::uint32_t(i));
    keys.push_back(bits);
  }
  const std::vector<std::uint32_t> order = sorted_order(keys);
  const std::int64_t total = std::int64_t(order.size());
  bins.splats.resize(order.size());
  bins.firsts.assign(order.size() + 1, 0);

  // Each thread takes a run of splats; a tile's list has the runs one after the other.
  std::vector<std::uint32_t> counts(tiles * threads, 0);
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    const std::int64_t from = total * thread / threads, to = total * (thread + 1) / threads;
    std::uint32_t* mine = counts.data() + tiles * thread;
    for (std::int64_t k = from; k < to; ++k) {
      bins.splats[k] = projected[seen[order[k]]];
      std::uint32_t touched = 0;
      for_tiles(bins.splats[k], bins.columns, bins.rows, [&](int tile) {
        ++mine[tile];
        ++touched;
      });
      bins.firsts[k + 1] = touched;
    }
  }
  for (std::int64_t k = 0; k < total; ++k) bins.firsts[k + 1] += bins.firsts[k];
  bins.starts.assign(tiles + 1, 0);
  std::uint32_t place = 0;
  for (std::size_t tile = 0; tile < tiles; ++tile) {
    bins.starts[tile] = place;
    for (int thread = 0; thread < threads; ++thread) {
      const std::uint32_t here = counts[tiles * thread + tile];
      counts[tiles * thread + tile] = place;
      place += here;
    }
  }
  bins.starts[tiles] = place;
  bins.list.resize(place);
  bins.slots.resize(place);
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    const std::int64_t from = total * thread / threads, to = total * (thread + 1) / threads;
    std::uint32_t* mine = counts.data() + tiles * thread;
    for (std::int64_t k = from; k < to; ++k) {
      std::uint32_t slot = bins.firsts[k];
      for_tiles(bins.splats[k], bins.columns, bins.rows, [&](int tile) {
        bins.list[mine[tile]] = std::uint32_t(k);
        bins.slots[slot++] = mine[tile]++;
      });
    }
  }
}

}  // namespace gypsum::splats

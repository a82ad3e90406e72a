// A truncated signed distance field on blocks of voxels that lie near the surface only.
//
// Curless and Levoy (SIGGRAPH 1996): every voxel holds the weighted mean of its distance to the surface
// along the lines of sight. Niessner et al. (SIGGRAPH Asia 2013): blocks are found by a hash table.
#pragma once

#include <cstdint>
#include <cstddef>
#include <memory>
#include <vector>

namespace gypsum::tsdf {

constexpr int kSide = 8;                          // voxels along a block's side
constexpr int kVoxels = kSide * kSide * kSide;

// A block's place, counted in blocks; a voxel is sampled at its index times the voxel's edge.
struct Place {
  std::int32_t x, y, z;
};

constexpr std::int32_t kFarthest = (1 << 20) - 1;  // blocks from the origin along an axis

inline std::uint64_t key_of(const Place& p) {
  const auto part = [](std::int32_t v) { return std::uint64_t(std::uint32_t(v + kFarthest + 1)); };
  return part(p.z) << 42 | part(p.y) << 21 | part(p.x);
}
inline Place place_of(std::uint64_t key) {
  const auto part = [](std::uint64_t v) { return std::int32_t(v & 0x1FFFFF) - kFarthest - 1; };
  return {part(key), part(key >> 21), part(key >> 42)};
}

// Mean colour with 8 bits behind the point, and its weight in units of 1 / 64, as far as it goes.
struct Colors {
  std::uint16_t red[kVoxels], green[kVoxels], blue[kVoxels], weight[kVoxels];
};

// Voxels in order x fastest. Distances are shares of the truncation, positive outside.
struct Block {
  Place place;
  std::unique_ptr<Colors> colors;  // none while no picture has coloured it
  alignas(32) float distance[kVoxels];
  alignas(32) float weight[kVoxels];
};

// One depth map with its camera: x_cam = R x + t; index coordinates, pixel centres are whole numbers.
struct Frame {
  int width, height;
  const float* inverse;         // 1 / depth, 0 where unknown
  const float* weights;         // of each pixel
  const std::uint8_t* colors;   // (height, width, 3), or none
  float fx, fy, cx, cy;
  double R[9], t[3];
};

struct Settings {
  float voxel, truncation;
  float free_weight;  // share of the weight for voxels seen through, far before the surface
};

// Changes one block's voxels as a frame tells. Compiled for several instruction sets.
void integrate_block_portable(Block& block, const Frame& frame, const Settings& settings);
void integrate_block_avx2(Block& block, const Frame& frame, const Settings& settings);

struct Triangles {
  std::vector<float> vertices;         // (V, 3)
  std::vector<std::int32_t> faces;     // (F, 3)
  std::vector<std::uint8_t> colors;    // (V, 3), or empty
};

class Volume {
 public:
  Volume(const Settings& settings, std::size_t most_blocks) : settings_(settings), most_(most_blocks) {}
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  // Add a depth map; false when it would need more blocks than there may be, with nothing changed.
  bool integrate(const Frame& frame, int threads, bool portable);
  // The surface where distances change sign between voxels that all have the least weight.
  Triangles surface(float least_weight, int threads) const;

  std::size_t size() const { return blocks_.size(); }
  bool colored() const { return colored_; }
  // The block at a place, -1 where there is none.
  std::int64_t find(const Place& place) const;

 private:
  void touched(const Frame& frame, int threads, std::vector<std::uint64_t>& keys) const;
  void insert(std::uint64_t key);
  void grow();

  Settings settings_;
  std::size_t most_;
  bool colored_ = false;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::int64_t> slots_;  // open addressing: index of a block, -1 for none; a power of two
};

}  // namespace gypsum::tsdf

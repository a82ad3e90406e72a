// The fused cloud while it grows: points gathered in the cells of a grid, so that memory follows the
// surface and not the number of photos that see it.
#pragma once

#include "photo.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace gypsum::fusion {

// A place in the grid. A cell of level l has 2^l times the finest edge: the grid follows the
// resolution of the photos. The two sides of a thin sheet are kept apart.
struct Place {
  std::int32_t x, y, z;
  std::int16_t level, side;
  bool operator==(const Place&) const = default;
};

// Weighted sums over the points of a cell.
struct Cell {
  Place place;
  float weight;
  float offset[3];  // from the cell's low corner, in its edges
  float normal[3];
  float color[3];
  float radius;
  float confidence;
};

// How many photos a point's view list names: more would let memory grow with the number of photos.
inline constexpr int kListed = 12;

// What the photos say about a cell.
struct Witnesses {
  std::uint16_t seeing, against;   // how many see the point, how many look through it
  std::uint16_t masked, outside;   // how many with a mask have it in the frame, and beside the mask
  std::uint16_t facing;            // how many look at its front with nothing known to hide it
  std::uint16_t listed[kListed];   // the first that see it
};

// What a photo adds: arrays of (height, width) and (height, width, 3).
struct Contribution {
  std::size_t pixels;
  const std::uint8_t* chosen;  // only these pixels
  const std::uint8_t* agree;   // other photos that agree
  const float* points;         // world
  const float* normals;        // world
  const std::uint8_t* colors;
  const float* radii;          // size of a pixel there, world
  const float* confidence;
};

// The finished cloud; arrays of (count), (count, 3), and view lists as compressed rows.
struct Cloud {
  std::vector<float> points, normals, radii, confidence;
  std::vector<std::uint8_t> colors;
  std::vector<std::uint16_t> support;  // photos that see the point
  std::vector<std::int64_t> starts;    // (count + 1)
  std::vector<std::uint16_t> photos;   // the first kListed of them
};

class Cells {
 public:
  // Edge of the finest cells in world units, cells per photo pixel, and the most cells that may be
  // held: when there are more, the finest merge into cells twice as large.
  Cells(double edge, double cells_per_pixel, std::size_t most);
  Cells(const Cells&) = delete;

  void add(const Contribution& from);
  // Asks a photo about every cell: does it see the point, or a surface clearly behind it? Only
  // depths that are `trusted` (1) speak against a point. `mask` is null, or 0 beside the object.
  // Nothing may be added afterwards.
  void judge(const Photo& photo, int number, const std::uint8_t* trusted, const std::uint8_t* mask,
             float max_depth, float min_cosine, float behind, int threads);
  // The cells that at least `fewest` photos see, and a share of `least_seeing` of those that face
  // them, more than `per_conflict` times as many as look through them, and that at most a share of
  // `most_outside` of the masks leaves out.
  Cloud finish(int fewest, float per_conflict, float most_outside, float least_seeing) const;

  std::size_t size() const { return count_; }
  // How many times the finest cells were merged.
  int merged() const { return floor_; }

 private:
  static constexpr std::size_t kBlock = 1 << 14;

  Cell& at(std::size_t row) { return blocks_[row / kBlock][row % kBlock]; }
  const Cell& at(std::size_t row) const { return blocks_[row / kBlock][row % kBlock]; }
  double edge(int level) const { return edge_ * double(std::int64_t(1) << level); }
  std::size_t slot(const Place& place) const;
  Cell& find_or_make(const Place& place);
  void grow_table();
  void coarsen();
  void position(const Cell& cell, float* X) const;

  double edge_, cells_per_pixel_;
  std::size_t most_, count_ = 0;
  int floor_ = 0;
  std::vector<std::unique_ptr<Cell[]>> blocks_;
  std::vector<std::uint32_t> table_;  // open addressing; row + 1, 0: free
  std::vector<Witnesses> witnesses_;
};

}  // namespace gypsum::fusion

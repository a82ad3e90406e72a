// Points of any number gathered in the cells of a sparse grid, whose cells grow when there are too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gypsum::cloud {

struct Corner {
  std::int32_t x, y, z;
  bool operator==(const Corner&) const = default;
};

struct Cell {
  Corner corner;
  std::uint32_t count;
  float offset[3];  // sum of places within the cell, in edges
  float color[3];   // sums
  float facing[3];  // sum of unit vectors to where the points were seen from
  float intensity;  // sum
  std::uint32_t votes;  // by which the majority's class leads (Boyer and Moore)
  std::uint8_t majority;
};

struct Points {
  std::size_t count;
  const double* places;           // (N, 3)
  const std::uint8_t* colors;     // (N, 3)
  const float* facing;            // (N, 3)
  const float* intensity;         // (N,)
  const std::uint8_t* classes;    // (N,)
};

struct Gathered {
  std::vector<float> points, facing, intensity;
  std::vector<std::uint8_t> colors, classes;
  std::vector<std::uint32_t> counts;
};

class Grid {
 public:
  Grid(double edge, std::size_t most);
  Grid(const Grid&) = delete;
  Grid& operator=(const Grid&) = delete;
  void add(const Points& from);
  Gathered finish() const;
  std::size_t size() const { return count_; }
  double edge() const { return edge_; }

 private:
  static constexpr std::size_t kBlock = 1 << 16;

  Cell& at(std::size_t row) { return blocks_[row / kBlock][row % kBlock]; }
  const Cell& at(std::size_t row) const { return blocks_[row / kBlock][row % kBlock]; }
  std::size_t slot(const Corner& corner) const;
  Cell& find_or_make(const Corner& corner);
  void grow_table();
  void coarsen();

  double edge_;
  std::size_t most_, count_ = 0;
  std::vector<std::uint32_t> table_;  // row + 1 of the cell in each slot; 0 is free
  std::vector<std::unique_ptr<Cell[]>> blocks_;
};

}  // namespace gypsum::cloud

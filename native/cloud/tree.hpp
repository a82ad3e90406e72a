// A k-d tree over points (Bentley 1975): medians along the widest axis, points stored leaf by leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::cloud {

struct Neighbour {
  float squared;
  std::uint32_t point;  // index into the points as they were given
};

class Tree {
 public:
  Tree(const float* points, std::size_t count);
  // The nearest points to X in order, itself included when it is one; returns how many there are.
  int nearest(const float* X, int k, Neighbour* found) const;
  const float* stored(std::size_t place) const { return &points_[3 * place]; }
  const float* source(std::uint32_t point) const { return source_ + 3 * std::size_t(point); }
  std::uint32_t given(std::size_t place) const { return order_[place]; }
  std::size_t size() const { return order_.size(); }

 private:
  struct Node {
    float split;
    std::int32_t axis;  // -1: a leaf of the points from begin to end
    std::uint32_t begin, end;
    std::uint32_t right;  // the left child follows its parent
  };

  void build(const float* points, std::uint32_t begin, std::uint32_t end);
  void search(std::uint32_t node, const float* X, int k, Neighbour* found, int& held) const;

  const float* source_;  // the points as they were given; their owner keeps them
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> order_;
  std::vector<float> points_;
};

}  // namespace gypsum::cloud

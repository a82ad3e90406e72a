#include "tree.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace gypsum::cloud {
namespace {

constexpr std::uint32_t kLeaf = 12;

void insert(Neighbour candidate, int k, Neighbour* found, int& held) {
  int at = held < k ? held++ : k - 1;
  while (at > 0 && found[at - 1].squared > candidate.squared) {
    found[at] = found[at - 1];
    --at;
  }
  found[at] = candidate;
}

}  // namespace

Tree::Tree(const float* points, std::size_t count) : source_(points), order_(count) {
  std::iota(order_.begin(), order_.end(), 0u);
  if (count) build(points, 0, std::uint32_t(count));
  points_.resize(3 * count);
  for (std::size_t i = 0; i < count; ++i)
    std::copy_n(points + 3 * std::size_t(order_[i]), 3, &points_[3 * i]);
}

void Tree::build(const float* points, std::uint32_t begin, std::uint32_t end) {
  const std::size_t here = nodes_.size();
  nodes_.push_back({0, -1, begin, end, 0});
  if (end - begin <= kLeaf) return;
  float low[3], high[3];
  std::fill_n(low, 3, std::numeric_limits<float>::max());
  std::fill_n(high, 3, std::numeric_limits<float>::lowest());
  for (std::uint32_t i = begin; i < end; ++i)
    for (int k = 0; k < 3; ++k) {
      const float x = points[3 * std::size_t(order_[i]) + k];
      low[k] = std::min(low[k], x);
      high[k] = std::max(high[k], x);
    }
  int axis = 0;
  for (int k = 1; k < 3; ++k)
    if (high[k] - low[k] > high[axis] - low[axis]) axis = k;
  if (!(high[axis] > low[axis])) return;  // all at one place
  const std::uint32_t middle = begin + (end - begin) / 2;
  const auto coordinate = [&](std::uint32_t i) { return points[3 * std::size_t(i) + axis]; };
  // Ties go by index, so that the tree is the same everywhere.
  std::nth_element(order_.begin() + begin, order_.begin() + middle, order_.begin() + end,
                   [&](std::uint32_t a, std::uint32_t b) {
                     return coordinate(a) != coordinate(b) ? coordinate(a) < coordinate(b) : a < b;
                   });
  nodes_[here].axis = axis;
  nodes_[here].split = coordinate(order_[middle]);
  build(points, begin, middle);
  nodes_[here].right = std::uint32_t(nodes_.size());
  build(points, middle, end);
}

int Tree::nearest(const float* X, int k, Neighbour* found) const {
  int held = 0;
  if (!nodes_.empty() && k > 0) search(0, X, k, found, held);
  return held;
}

void Tree::search(std::uint32_t number, const float* X, int k, Neighbour* found, int& held) const {
  const Node& node = nodes_[number];
  if (node.axis < 0) {
    for (std::uint32_t i = node.begin; i < node.end; ++i) {
      const float* P = &points_[3 * std::size_t(i)];
      const float dx = P[0] - X[0], dy = P[1] - X[1], dz = P[2] - X[2];
      const float squared = dx * dx + dy * dy + dz * dz;
      if (held < k || squared < found[k - 1].squared) insert({squared, order_[i]}, k, found, held);
    }
    return;
  }
  const float beyond = X[node.axis] - node.split;
  const std::uint32_t left = number + 1;
  search(beyond < 0 ? left : node.right, X, k, found, held);
  if (held < k || beyond * beyond <= found[k - 1].squared) search(beyond < 0 ? node.right : left, X, k, found, held);
}

}  // namespace gypsum::cloud

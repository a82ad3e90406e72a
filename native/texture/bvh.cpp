#include "texture/bvh.hpp"

#include <algorithm>
#include <numeric>

namespace gypsum::texture {
namespace {

constexpr int kBins = 12;
constexpr std::int32_t kLeaf = 4;   // faces of a leaf
constexpr int kDeepest = 96;        // of the traversal's stack; a split never leaves a side empty
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Box {
  Vec low{kInfinity, kInfinity, kInfinity}, high{-kInfinity, -kInfinity, -kInfinity};

  void add(const Vec& p) {
    for (int k = 0; k < 3; ++k) low[k] = std::min(low[k], p[k]), high[k] = std::max(high[k], p[k]);
  }
  void add(const Box& b) { add(b.low), add(b.high); }
  float area() const {
    const Vec d = high - low;
    return d[0] < 0 ? 0 : d[0] * d[1] + d[1] * d[2] + d[2] * d[0];
  }
};

// The part [t0, t1] of a line inside a box; empty when t0 > t1.
struct Span {
  float t0, t1;
};

Span span_in(const Vec& low, const Vec& high, const Vec& origin, const Vec& inverse) {
  Span span{-kInfinity, kInfinity};
  for (int k = 0; k < 3; ++k) {
    float a = (low[k] - origin[k]) * inverse[k], b = (high[k] - origin[k]) * inverse[k];
    if (a > b) std::swap(a, b);
    span.t0 = std::max(span.t0, a);
    span.t1 = std::min(span.t1, b);
  }
  return span;
}

Vec inverse_of(const Vec& d) {
  // Keeps 0 * infinity out of the slabs.
  const auto invert = [](float v) { return 1 / (std::abs(v) > 1e-12f ? v : std::copysign(1e-12f, v)); };
  return {invert(d[0]), invert(d[1]), invert(d[2])};
}

}  // namespace

Bvh::Bvh(const float* vertices, const std::int32_t* faces, std::size_t face_count)
    : vertices_(vertices), faces_(faces), order_(face_count) {
  std::iota(order_.begin(), order_.end(), 0);
  std::vector<Vec> centers(face_count);
  for (std::size_t f = 0; f < face_count; ++f) {
    const Vec sum = row(vertices, faces[3 * f]) + row(vertices, faces[3 * f + 1]) +
                    row(vertices, faces[3 * f + 2]);
    centers[f] = sum * (1.0f / 3);
  }
  nodes_.reserve(face_count);
  nodes_.push_back({{}, {}, 0, static_cast<std::int32_t>(face_count)});
  fit(nodes_[0]);
  std::vector<std::pair<std::int32_t, int>> todo{{0, 0}};
  while (!todo.empty()) {
    const auto [at, depth] = todo.back();
    todo.pop_back();
    if (nodes_[at].count <= kLeaf || depth >= kDeepest / 2) continue;
    split(at, centers);
    if (nodes_[at].count > 0) continue;
    todo.push_back({nodes_[at].first, depth + 1});
    todo.push_back({nodes_[at].first + 1, depth + 1});
  }
}

void Bvh::fit(Node& node) const {
  Box box;
  for (std::int32_t i = node.first; i < node.first + node.count; ++i) {
    for (int k = 0; k < 3; ++k) box.add(row(vertices_, faces_[3 * static_cast<std::size_t>(order_[i]) + k]));
  }
  node.low = box.low;
  node.high = box.high;
}

void Bvh::split(std::int32_t at, std::vector<Vec>& centers) {
  const Node node = nodes_[at];
  Box spread;
  for (std::int32_t i = node.first; i < node.first + node.count; ++i) spread.add(centers[order_[i]]);
  float best = kInfinity;
  int best_axis = -1, best_bin = 0;
  const auto bin_of = [&](std::int32_t face, int axis) {
    const float extent = spread.high[axis] - spread.low[axis];
    const float place = (centers[face][axis] - spread.low[axis]) / extent * kBins;
    return std::min(static_cast<int>(place), kBins - 1);
  };
  for (int axis = 0; axis < 3; ++axis) {
    if (!(spread.high[axis] > spread.low[axis])) continue;
    Box boxes[kBins];
    int counts[kBins] = {};
    for (std::int32_t i = node.first; i < node.first + node.count; ++i) {
      const int bin = bin_of(order_[i], axis);
      ++counts[bin];
      for (int k = 0; k < 3; ++k) {
        boxes[bin].add(row(vertices_, faces_[3 * static_cast<std::size_t>(order_[i]) + k]));
      }
    }
    Box right[kBins];
    Box sum;
    for (int b = kBins - 1; b > 0; --b) {
      if (counts[b] > 0) sum.add(boxes[b]);
      right[b] = sum;
    }
    Box left;
    int before = 0;
    for (int b = 0; b < kBins - 1; ++b) {
      if (counts[b] > 0) left.add(boxes[b]);
      before += counts[b];
      if (before == 0 || before == node.count) continue;
      const float cost = left.area() * before + right[b + 1].area() * (node.count - before);
      if (cost < best) best = cost, best_axis = axis, best_bin = b;
    }
  }
  if (best_axis < 0) return;  // all centres coincide
  const auto begin = order_.begin() + node.first, end = begin + node.count;
  const auto middle = std::stable_partition(
      begin, end, [&](std::int32_t f) { return bin_of(f, best_axis) <= best_bin; });
  const auto before = static_cast<std::int32_t>(middle - begin);
  const auto child = static_cast<std::int32_t>(nodes_.size());
  nodes_.push_back({{}, {}, node.first, before});
  nodes_.push_back({{}, {}, node.first + before, node.count - before});
  fit(nodes_[child]);
  fit(nodes_[child + 1]);
  nodes_[at].first = child;
  nodes_[at].count = 0;
}

// Moeller, Trumbore 1997, "Fast, Minimum Storage Ray-Triangle Intersection".
bool Bvh::cross_face(std::int32_t face, const Vec& origin, const Vec& direction, Hit& hit) const {
  const std::int32_t* corner = faces_ + 3 * static_cast<std::size_t>(face);
  const Vec a = row(vertices_, corner[0]);
  const Vec ab = row(vertices_, corner[1]) - a, ac = row(vertices_, corner[2]) - a;
  const Vec p = cross(direction, ac);
  const float det = dot(ab, p);
  if (det == 0) return false;
  const float inverse = 1 / det;
  const Vec from = origin - a;
  const float u = dot(from, p) * inverse;
  constexpr float kEdge = 1e-5f;  // neighbours overlap rather than leave a gap
  if (u < -kEdge || u > 1 + kEdge) return false;
  const Vec q = cross(from, ab);
  const float v = dot(direction, q) * inverse;
  if (v < -kEdge || u + v > 1 + kEdge) return false;
  hit = {face, dot(ac, q) * inverse, u, v};
  return true;
}

Hit Bvh::nearest_on_line(const Vec& origin, const Vec& direction, float reach) const {
  const Vec inverse = inverse_of(direction);
  Hit best;
  float nearest = reach;
  // How near to the origin the line comes inside a node; infinity when it misses it.
  const auto distance = [&](const Node& node) {
    const Span span = span_in(node.low, node.high, origin, inverse);
    if (span.t0 > span.t1) return kInfinity;
    return std::max({span.t0, -span.t1, 0.0f});
  };
  std::array<std::int32_t, kDeepest> stack;
  int top = 0;
  stack[top++] = 0;
  while (top > 0) {
    const Node& node = nodes_[stack[--top]];
    if (distance(node) > nearest) continue;
    if (node.count == 0) {
      const float a = distance(nodes_[node.first]), b = distance(nodes_[node.first + 1]);
      const std::int32_t closer = a <= b ? 0 : 1;
      if (std::max(a, b) <= nearest) stack[top++] = node.first + 1 - closer;
      if (std::min(a, b) <= nearest) stack[top++] = node.first + closer;
      continue;
    }
    for (std::int32_t i = node.first; i < node.first + node.count; ++i) {
      Hit hit;
      if (!cross_face(order_[i], origin, direction, hit) || std::abs(hit.t) > nearest) continue;
      const std::int32_t* corner = faces_ + 3 * static_cast<std::size_t>(hit.face);
      const Vec a = row(vertices_, corner[0]);
      const Vec normal = cross(row(vertices_, corner[1]) - a, row(vertices_, corner[2]) - a);
      if (dot(normal, direction) <= 0) continue;
      nearest = std::abs(hit.t);
      best = hit;
    }
  }
  return best;
}

bool Bvh::occluded(const Vec& origin, const Vec& direction, float nearest) const {
  const Vec inverse = inverse_of(direction);
  std::array<std::int32_t, kDeepest> stack;
  int top = 0;
  stack[top++] = 0;
  while (top > 0) {
    const Node& node = nodes_[stack[--top]];
    const Span span = span_in(node.low, node.high, origin, inverse);
    if (span.t0 > span.t1 || span.t1 < nearest) continue;
    if (node.count == 0) {
      stack[top++] = node.first;
      stack[top++] = node.first + 1;
      continue;
    }
    for (std::int32_t i = node.first; i < node.first + node.count; ++i) {
      Hit hit;
      if (cross_face(order_[i], origin, direction, hit) && hit.t > nearest) return true;
    }
  }
  return false;
}

}  // namespace gypsum::texture

#include "reduce/collapse.hpp"

#include <algorithm>
#include <cmath>
#include <queue>

namespace gypsum::reduce {
namespace {

constexpr int kDims = 5;
// Cosine between a triangle's normals before and after; less is a fold in the making.
constexpr double kLeastTurn = 0.3;
// Twice a triangle's area by the square of its longest side; thinner ones are not made.
constexpr double kThinnest = 0.02;
// Squared distance from the line of a seam or border, against distance from a plane of equal area.
constexpr double kLineWeight = 4.0;

Point operator-(const Point& a, const Point& b) {
  Point d;
  for (int i = 0; i < kDims; ++i) d[i] = a[i] - b[i];
  return d;
}

double dot(const Point& a, const Point& b) {
  double sum = 0;
  for (int i = 0; i < kDims; ++i) sum += a[i] * b[i];
  return sum;
}

// Weighted squared distance to planes and lines: p'Ap + 2b'p + c.
struct Quadric {
  std::array<double, 15> a{};
  Point b{};
  double c = 0;
  double weight = 0;

  void add(const Quadric& other) {
    for (int i = 0; i < 15; ++i) a[i] += other.a[i];
    for (int i = 0; i < kDims; ++i) b[i] += other.b[i];
    c += other.c;
    weight += other.weight;
  }

  double at(const Point& p) const {
    double sum = c;
    int k = 0;
    for (int i = 0; i < kDims; ++i) {
      sum += 2 * b[i] * p[i] + a[k++] * p[i] * p[i];
      for (int j = i + 1; j < kDims; ++j) sum += 2 * a[k++] * p[i] * p[j];
    }
    return sum;
  }

  // The part of space that unit vectors at right angles leave over, at a point.
  static Quadric beside(const Point& p, std::initializer_list<Point> axes, double weight) {
    Quadric q;
    q.weight = weight;
    double full[kDims][kDims] = {};
    for (int i = 0; i < kDims; ++i) full[i][i] = 1;
    for (const Point& e : axes) {
      for (int i = 0; i < kDims; ++i) {
        for (int j = 0; j < kDims; ++j) full[i][j] -= e[i] * e[j];
      }
    }
    int k = 0;
    for (int i = 0; i < kDims; ++i) {
      double row = 0;
      for (int j = 0; j < kDims; ++j) row += full[i][j] * p[j];
      q.b[i] = -weight * row;
      q.c += weight * row * p[i];
      for (int j = i; j < kDims; ++j) q.a[k++] = weight * full[i][j];
    }
    return q;
  }
};

struct Candidate {
  double cost;
  std::int32_t from, to;
  bool operator<(const Candidate& other) const {  // the queue gives the largest
    if (cost != other.cost) return cost > other.cost;
    if (from != other.from) return from > other.from;
    return to > other.to;
  }
};

// One side of an edge at a vertex: the neighbour, and the wedges at both ends.
struct Half {
  std::int32_t to, near, far;
};

std::array<double, 3> normal_of(const Point& a, const Point& b, const Point& c) {
  const double ux = b[0] - a[0], uy = b[1] - a[1], uz = b[2] - a[2];
  const double vx = c[0] - a[0], vy = c[1] - a[1], vz = c[2] - a[2];
  return {uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx};
}

double length_of(const std::array<double, 3>& v) {
  return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

double uv_area(const Point& a, const Point& b, const Point& c) {
  return (b[3] - a[3]) * (c[4] - a[4]) - (b[4] - a[4]) * (c[3] - a[3]);
}

double longest_side(const Point& a, const Point& b, const Point& c) {
  double most = 0;
  for (const Point& d : {b - a, c - b, a - c}) {
    most = std::max(most, d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  }
  return most;
}

class Collapser {
 public:
  Collapser(const Mesh& mesh, std::size_t places, double tolerance)
      : most_(tolerance * tolerance), wedges_(mesh.wedges), places_(mesh.places), corners_(mesh.corners),
        alive_(mesh.places.size(), true), left_(mesh.places.size()), around_(places),
        quadrics_(mesh.wedges.size()) {
    for (std::size_t f = 0; f < places_.size(); ++f) {
      const Triple& p = places_[f];
      if (p[0] == p[1] || p[1] == p[2] || p[2] == p[0]) {
        alive_[f] = false;
        --left_;
        continue;
      }
      for (const std::int32_t v : p) around_[v].push_back(std::int32_t(f));
      add_plane(f);
    }
    for (std::size_t v = 0; v < places; ++v) add_lines(std::int32_t(v));
  }

  Result run(std::size_t wanted) {
    for (std::size_t v = 0; v < around_.size(); ++v) offer_from(std::int32_t(v));
    while (left_ > wanted && !queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const double cost = price(best.from, best.to);
      if (cost < 0) continue;
      if (cost > best.cost * (1 + 1e-9) + 1e-30) {
        queue_.push({cost, best.from, best.to});
        continue;
      }
      if (!folds(best.from, best.to)) apply(best.from, best.to);
    }
    Result result;
    for (std::size_t f = 0; f < places_.size(); ++f) {
      if (!alive_[f]) continue;
      result.triangles.push_back(std::int32_t(f));
      result.corners.push_back(corners_[f]);
    }
    return result;
  }

 private:
  const double most_;  // mean squared distance
  const std::vector<Point>& wedges_;
  std::vector<Triple> places_, corners_;
  std::vector<char> alive_;
  std::size_t left_;
  std::vector<std::vector<std::int32_t>> around_;
  std::vector<Quadric> quadrics_;
  std::priority_queue<Candidate> queue_;
  std::vector<Half> halves_;                                // of the vertex in question
  std::vector<std::pair<std::int32_t, std::int32_t>> map_;  // wedges that move, and where to

  void add_plane(std::size_t f) {
    const auto& [a, b, c] = corners_[f];
    Point u = wedges_[b] - wedges_[a], v = wedges_[c] - wedges_[a];
    const double uu = std::sqrt(dot(u, u));
    if (uu <= 0) return;
    for (double& x : u) x /= uu;
    const double uv = dot(u, v);
    for (int i = 0; i < kDims; ++i) v[i] -= uv * u[i];
    const double vv = std::sqrt(dot(v, v));
    if (vv <= 0) return;
    for (double& x : v) x /= vv;
    const Quadric q = Quadric::beside(wedges_[a], {u, v}, uu * vv / 2);
    for (const std::int32_t wedge : corners_[f]) quadrics_[wedge].add(q);
  }

  // What keeps seams and borders in place; each is seen once from either end.
  void add_lines(std::int32_t v) {
    gather(v);
    for (const Half& half : halves_) {
      if (is_smooth(half.to)) continue;
      Point d = wedges_[half.far] - wedges_[half.near];
      const double squared = dot(d, d), size = std::sqrt(squared);
      if (size <= 0) continue;
      for (double& x : d) x /= size;
      quadrics_[half.near].add(Quadric::beside(wedges_[half.near], {d}, kLineWeight * squared));
    }
  }

  void gather(std::int32_t v) {
    halves_.clear();
    for (const std::int32_t f : around_[v]) {
      const int k = corner_of(f, v), second = (k + 1) % 3, third = (k + 2) % 3;
      halves_.push_back({places_[f][second], corners_[f][k], corners_[f][second]});
      halves_.push_back({places_[f][third], corners_[f][k], corners_[f][third]});
    }
  }

  int corner_of(std::int32_t f, std::int32_t v) const {
    const Triple& p = places_[f];
    return p[0] == v ? 0 : p[1] == v ? 1 : 2;
  }

  int sides(std::int32_t to) const {
    return int(std::count_if(halves_.begin(), halves_.end(),
                             [to](const Half& half) { return half.to == to; }));
  }

  // Whether both triangles at the edge to a neighbour see the same wedges.
  bool is_smooth(std::int32_t to) const {
    const Half* first = nullptr;
    int count = 0;
    for (const Half& half : halves_) {
      if (half.to != to) continue;
      if (first && (first->near != half.near || first->far != half.far)) return false;
      first = &half;
      ++count;
    }
    return count == 2;
  }

  // The error of moving a vertex onto a neighbour, negative where that is not allowed. Leaves in
  // `map_` which wedge becomes which.
  double price(std::int32_t from, std::int32_t to) {
    if (around_[from].empty() || around_[to].empty()) return -1;
    gather(from);
    int lines = 0, borders = 0;
    for (std::size_t i = 0; i < halves_.size(); ++i) {
      const std::int32_t other = halves_[i].to;
      const auto seen = std::find_if(halves_.begin(), halves_.begin() + i,
                                     [other](const Half& half) { return half.to == other; });
      if (seen != halves_.begin() + i) continue;
      const int count = sides(other);
      if (count > 2) return -1;
      if (is_smooth(other)) continue;
      ++lines;
      borders += count == 1;
    }
    const int count = sides(to);
    if (count == 0) return -1;
    if (lines != 0) {
      // Only along a line that neither ends nor branches here, nor turns from seam into border.
      if (lines != 2 || borders == 1 || is_smooth(to)) return -1;
    }
    map_.clear();
    for (const Half& half : halves_) {
      if (half.to != to) continue;
      const auto known = std::find_if(map_.begin(), map_.end(),
                                      [&half](const auto& pair) { return pair.first == half.near; });
      if (known == map_.end()) {
        map_.emplace_back(half.near, half.far);
      } else if (known->second != half.far) {
        return -1;
      }
    }
    for (const Half& half : halves_) {
      if (std::none_of(map_.begin(), map_.end(),
                       [&half](const auto& pair) { return pair.first == half.near; })) {
        return -1;
      }
    }
    double cost = 0;
    for (const auto& [near, far] : map_) {
      const Quadric &one = quadrics_[near], &two = quadrics_[far];
      const double error = one.at(wedges_[far]) + two.at(wedges_[far]);
      if (error > most_ * (one.weight + two.weight)) return -1;
      cost += error;
    }
    return std::max(cost, 0.0);
  }

  std::int32_t moved(std::int32_t wedge) const {
    for (const auto& [near, far] : map_) {
      if (near == wedge) return far;
    }
    return wedge;
  }

  // Whether the collapse that `map_` is of would pinch the surface, or fold it or its texture.
  bool folds(std::int32_t from, std::int32_t to) {
    const int shared = sides(to);
    std::vector<std::int32_t> ring;
    for (const std::int32_t f : around_[to]) {
      for (const std::int32_t v : places_[f]) {
        if (v != to && v != from) ring.push_back(v);
      }
    }
    std::sort(ring.begin(), ring.end());
    ring.erase(std::unique(ring.begin(), ring.end()), ring.end());
    int common = 0;
    for (const std::int32_t v : ring) common += sides(v) > 0;
    if (common != shared) return true;
    for (const std::int32_t f : around_[from]) {
      const Triple& p = places_[f];
      if (p[0] == to || p[1] == to || p[2] == to) continue;
      if (turns(f)) return true;
    }
    return false;
  }

  bool turns(std::int32_t f) const {
    std::array<const Point*, 3> before, after;
    for (int k = 0; k < 3; ++k) {
      before[k] = &wedges_[corners_[f][k]];
      after[k] = &wedges_[moved(corners_[f][k])];
    }
    const auto old_normal = normal_of(*before[0], *before[1], *before[2]);
    const auto new_normal = normal_of(*after[0], *after[1], *after[2]);
    const double old_length = length_of(old_normal), new_length = length_of(new_normal);
    if (new_length <= kThinnest * longest_side(*after[0], *after[1], *after[2])) {
      // Thin already: it may stay so, but not get worse.
      const double old_side = longest_side(*before[0], *before[1], *before[2]);
      const double new_side = longest_side(*after[0], *after[1], *after[2]);
      if (new_length * old_side <= old_length * new_side || new_length <= 0) return true;
    }
    double cosine = 0;
    for (int i = 0; i < 3; ++i) cosine += old_normal[i] * new_normal[i];
    if (old_length > 0 && cosine < kLeastTurn * old_length * new_length) return true;
    const double old_area = uv_area(*before[0], *before[1], *before[2]);
    return old_area != 0 && old_area * uv_area(*after[0], *after[1], *after[2]) <= 0;
  }

  void apply(std::int32_t from, std::int32_t to) {
    for (const auto& [near, far] : map_) quadrics_[far].add(quadrics_[near]);
    for (const std::int32_t f : around_[from]) {
      Triple& p = places_[f];
      if (p[0] == to || p[1] == to || p[2] == to) {
        remove(f, from);
        continue;
      }
      const int k = corner_of(f, from);
      p[k] = to;
      corners_[f][k] = moved(corners_[f][k]);
      around_[to].push_back(f);
    }
    around_[from].clear();
    std::vector<std::int32_t> ring;
    for (const std::int32_t f : around_[to]) {
      for (const std::int32_t v : places_[f]) ring.push_back(v);
    }
    std::sort(ring.begin(), ring.end());
    ring.erase(std::unique(ring.begin(), ring.end()), ring.end());
    for (const std::int32_t v : ring) offer_from(v);
  }

  void remove(std::int32_t f, std::int32_t keep) {
    alive_[f] = false;
    --left_;
    for (const std::int32_t v : places_[f]) {
      if (v == keep) continue;  // its list is being walked, and cleared afterwards
      auto& list = around_[v];
      list.erase(std::find(list.begin(), list.end(), f));
    }
  }

  // Puts the cheapest collapse of a vertex that folds nothing into the queue.
  void offer_from(std::int32_t v) {
    if (around_[v].empty()) return;
    std::vector<std::int32_t> ring;
    for (const std::int32_t f : around_[v]) {
      for (const std::int32_t other : places_[f]) {
        if (other != v) ring.push_back(other);
      }
    }
    std::sort(ring.begin(), ring.end());
    ring.erase(std::unique(ring.begin(), ring.end()), ring.end());
    Candidate best{-1, v, -1};
    for (const std::int32_t other : ring) {
      const double cost = price(v, other);
      if (cost < 0 || (best.to >= 0 && cost >= best.cost)) continue;
      if (!folds(v, other)) best = {cost, v, other};
    }
    if (best.to >= 0) queue_.push(best);
  }
};

}  // namespace

Result collapse(const Mesh& mesh, std::size_t place_count, std::size_t wanted, double tolerance) {
  return Collapser(mesh, place_count, tolerance).run(wanted);
}

}  // namespace gypsum::reduce

#include "simplify/collapse.hpp"

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>

namespace gypsum::simplify {
namespace {

// An open border is held by planes across it, this much heavier than the surface's own.
constexpr double kBorderWeight = 100;
// Distance from where the vertices were counts this little beside distance from the planes; it decides
// where the surface is flat, and makes every system solvable.
constexpr double kPlaceWeight = 1e-5;
// A face must not turn by more than this in one collapse (cosine), nor become thinner (twice its area
// by its longest edge squared; 0.87 is equilateral). Where nothing else is left, faces may do so.
constexpr double kCarefulTurn = 0.2, kCarefulShape = 0.001;
constexpr double kBoldTurn = -0.2, kBoldShape = 1e-4;
// Several turns that are each allowed can tip a sliver over; so those thinner than this hardly turn.
constexpr double kSliver = 0.02, kSliverTurn = 0.9;
// Far from the wanted number, the order need not be exact: the cheapest of all edges are collapsed
// together, each vertex once, before costs are worked out anew. That is several times quicker.
constexpr double kFar = 1.5;         // times the wanted number
constexpr double kTogether = 0.3;    // share of the edges

Point minus(const Point& a, const Point& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
double dot(const Point& a, const Point& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Point cross(const Point& a, const Point& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
Point halfway(const Point& a, const Point& b) {
  return {(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2};
}

// x'Ax - 2b'x + c: weighted squared distances from planes and points.
struct Quadric {
  double xx = 0, xy = 0, xz = 0, yy = 0, yz = 0, zz = 0, bx = 0, by = 0, bz = 0, c = 0;

  void add_plane(const Point& n, double offset, double weight) {
    xx += weight * n[0] * n[0];
    xy += weight * n[0] * n[1];
    xz += weight * n[0] * n[2];
    yy += weight * n[1] * n[1];
    yz += weight * n[1] * n[2];
    zz += weight * n[2] * n[2];
    bx += weight * n[0] * offset;
    by += weight * n[1] * offset;
    bz += weight * n[2] * offset;
    c += weight * offset * offset;
  }
  void add_point(const Point& p, double weight) {
    xx += weight;
    yy += weight;
    zz += weight;
    bx += weight * p[0];
    by += weight * p[1];
    bz += weight * p[2];
    c += weight * dot(p, p);
  }
  void add(const Quadric& q) {
    xx += q.xx;
    xy += q.xy;
    xz += q.xz;
    yy += q.yy;
    yz += q.yz;
    zz += q.zz;
    bx += q.bx;
    by += q.by;
    bz += q.bz;
    c += q.c;
  }
  double at(const Point& p) const {
    const double x = p[0], y = p[1], z = p[2];
    return xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z) -
           2 * (bx * x + by * y + bz * z) + c;
  }
  // Where it is least; false when that is not certain.
  bool least(Point& p) const {
    const double a = yy * zz - yz * yz, b = xz * yz - xy * zz, d = xy * yz - xz * yy;
    const double determinant = xx * a + xy * b + xz * d, trace = xx + yy + zz;
    if (!(determinant > 1e-13 * trace * trace * trace)) return false;
    const double e = xx * zz - xz * xz, f = xz * xy - xx * yz, g = xx * yy - xy * xy;
    p = {(a * bx + b * by + d * bz) / determinant, (b * bx + e * by + f * bz) / determinant,
         (d * bx + f * by + g * bz) / determinant};
    return true;
  }
};

struct Candidate {
  float cost;
  std::int32_t a, b;      // vertices, a < b
  std::uint32_t version;  // of both together, when the cost was worked out
};

struct Later {
  bool operator()(const Candidate& p, const Candidate& q) const {
    return std::tie(p.cost, p.a, p.b) > std::tie(q.cost, q.a, q.b);
  }
};

class Collapser {
 public:
  Collapser(Mesh& mesh, std::size_t wanted)
      : points_(mesh.vertices), faces_(mesh.faces), wanted_(wanted), alive_(mesh.faces.size()),
        around_(mesh.vertices.size()), quadrics_(mesh.vertices.size()),
        version_(mesh.vertices.size()), border_(mesh.vertices.size()),
        dead_(mesh.faces.size()) {
    for (std::size_t f = 0; f < faces_.size(); ++f) {
      for (const std::int32_t v : faces_[f]) around_[v].push_back(static_cast<std::int32_t>(f));
    }
    measure();
  }

  void run() {
    for (const bool bold : {false, true}) {
      turn_ = bold ? kBoldTurn : kCarefulTurn;
      shape_ = bold ? kBoldShape : kCarefulShape;
      // What a neighbour forbade may be possible later: go round until nothing changes.
      for (std::size_t before = alive_ + 1; alive_ > wanted_ && alive_ < before;) {
        before = alive_;
        if (static_cast<double>(alive_) > kFar * static_cast<double>(wanted_)) rush();
        if (alive_ == before || static_cast<double>(alive_) <= kFar * wanted_) sweep();
      }
    }
  }

  void finish(Mesh& mesh) {
    std::vector<std::int32_t> number(points_.size(), -1);
    Mesh made;
    made.faces.reserve(alive_);
    for (std::size_t f = 0; f < faces_.size(); ++f) {
      if (dead_[f]) continue;
      Face face = faces_[f];
      for (std::int32_t& v : face) {
        if (number[v] < 0) {
          number[v] = static_cast<std::int32_t>(made.vertices.size());
          made.vertices.push_back(points_[v]);
        }
        v = number[v];
      }
      made.faces.push_back(face);
    }
    mesh = std::move(made);
  }

 private:
  void measure() {
    for (std::size_t f = 0; f < faces_.size(); ++f) {
      const Face& face = faces_[f];
      const Point &p = points_[face[0]], &q = points_[face[1]], &r = points_[face[2]];
      Point n = cross(minus(q, p), minus(r, p));
      const double length = std::sqrt(dot(n, n)), area = length / 2;
      if (!(length > 0)) continue;
      for (double& x : n) x /= length;
      for (int k = 0; k < 3; ++k) {
        Quadric& quadric = quadrics_[face[k]];
        quadric.add_plane(n, dot(n, p), area / 3);
        quadric.add_point(points_[face[k]], kPlaceWeight * area / 3);
        const std::int32_t a = face[k], b = face[(k + 1) % 3];
        if (shared(a, b) != 1) continue;
        border_[a] = border_[b] = true;
        const Point edge = minus(points_[b], points_[a]);
        Point across = cross(edge, n);
        const double size = std::sqrt(dot(across, across));
        if (!(size > 0)) continue;
        for (double& x : across) x /= size;
        const double offset = dot(across, points_[a]), weight = kBorderWeight * dot(edge, edge);
        quadrics_[a].add_plane(across, offset, weight / 2);
        quadrics_[b].add_plane(across, offset, weight / 2);
      }
    }
  }

  std::vector<Candidate> candidates() const {
    std::vector<Candidate> found;
    found.reserve(alive_ * 3 / 2 + 1024);
    for (std::size_t f = 0; f < faces_.size(); ++f) {
      if (dead_[f]) continue;
      for (int k = 0; k < 3; ++k) {
        const std::int32_t a = faces_[f][k], b = faces_[f][(k + 1) % 3];
        // An inner edge runs both ways in its two faces: take it once.
        if (a < b || (border_[a] && border_[b] && shared(a, b) == 1)) {
          found.push_back(candidate(a, b));
        }
      }
    }
    return found;
  }

  void rush() {
    std::vector<Candidate> found = candidates();
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(kTogether * found.size());
    const auto sooner = [](const Candidate& p, const Candidate& q) { return Later()(q, p); };
    std::nth_element(found.begin(), end, found.end(), sooner);
    std::sort(found.begin(), end, sooner);
    std::vector<bool> touched(points_.size());
    for (auto next = found.begin(); next != end && alive_ > wanted_; ++next) {
      if (touched[next->a] || touched[next->b] || !join(next->a, next->b)) continue;
      touched[next->a] = touched[next->b] = true;
    }
  }

  void sweep() {
    std::priority_queue<Candidate, std::vector<Candidate>, Later> queue(Later(), candidates());
    while (alive_ > wanted_ && !queue.empty()) {
      const Candidate next = queue.top();
      queue.pop();
      if (next.version != version_[next.a] + version_[next.b]) continue;
      if (around_[next.a].empty() || around_[next.b].empty()) continue;
      if (!join(next.a, next.b)) continue;
      neighbors(next.a, ring_);
      for (const std::int32_t v : ring_) queue.push(candidate(next.a, v));
    }
  }

  Candidate candidate(std::int32_t a, std::int32_t b) const {
    if (a > b) std::swap(a, b);
    Quadric q = quadrics_[a];
    q.add(quadrics_[b]);
    return {static_cast<float>(q.at(place(q, a, b))), a, b, version_[a] + version_[b]};
  }

  Point place(const Quadric& q, std::int32_t a, std::int32_t b) const {
    const Point &p = points_[a], &r = points_[b], middle = halfway(p, r);
    Point best;
    if (q.least(best)) {
      // Rounding can throw the solution far away; it belongs near the edge.
      const Point away = minus(best, middle), edge = minus(r, p);
      if (dot(away, away) <= 4 * dot(edge, edge)) return best;
    }
    best = middle;
    for (const Point& end : {p, r}) {
      if (q.at(end) < q.at(best)) best = end;
    }
    return best;
  }

  // Makes one vertex, a, of two; false when that would hurt.
  bool join(std::int32_t a, std::int32_t b) {
    const int common = shared(a, b);
    if (common == 0 || (border_[a] && border_[b] && common != 1)) return false;
    neighbors(a, ring_);
    neighbors(b, other_ring_);
    both_.clear();
    std::set_intersection(ring_.begin(), ring_.end(), other_ring_.begin(), other_ring_.end(),
                          std::back_inserter(both_));
    // The link condition (Dey et al. 1999): else a part would be pinched or a tunnel closed.
    if (static_cast<int>(both_.size()) != common) return false;
    for (const std::int32_t v : both_) {
      // Its faces would lie on each other, or it would hang on a single vertex.
      if (around_[v].size() <= (border_[v] ? 1u : 3u)) return false;
    }
    Quadric q = quadrics_[a];
    q.add(quadrics_[b]);
    const Point p = place(q, a, b);
    if (!harmless(a, b, p) || !harmless(b, a, p)) return false;

    for (const std::int32_t f : around_[b]) {
      Face& face = faces_[f];
      if (holds(face, a)) {
        dead_[f] = true;
        --alive_;
        for (const std::int32_t v : face) {
          if (v != b) std::erase(around_[v], f);
        }
      } else {
        *std::find(face.begin(), face.end(), b) = a;
        around_[a].push_back(f);
      }
    }
    around_[b].clear();
    around_[b].shrink_to_fit();
    points_[a] = p;
    quadrics_[a] = q;
    border_[a] = border_[a] || border_[b];
    // No other pair of versions of these two can add up to the same again.
    version_[a] = version_[a] + version_[b] + 1;
    return true;
  }

  // Whether the faces of `moved` that stay neither turn over nor become slivers.
  bool harmless(std::int32_t moved, std::int32_t gone, const Point& to) const {
    for (const std::int32_t f : around_[moved]) {
      const Face& face = faces_[f];
      if (holds(face, gone)) continue;
      const int k = face[0] == moved ? 0 : face[1] == moved ? 1 : 2;
      const Point &q = points_[face[(k + 1) % 3]], &r = points_[face[(k + 2) % 3]];
      const Point side = minus(r, q);
      const Point before = cross(minus(q, points_[moved]), minus(r, points_[moved]));
      const Point u = minus(q, to), v = minus(r, to), after = cross(u, v);
      const double size = std::sqrt(dot(after, after));
      const double longest = std::max({dot(side, side), dot(u, u), dot(v, v)});
      if (!(size > shape_ * longest)) return false;
      const double turn = turn_ > 0 && size < kSliver * longest ? kSliverTurn : turn_;
      if (dot(before, after) < turn * size * std::sqrt(dot(before, before))) return false;
    }
    return true;
  }

  static bool holds(const Face& face, std::int32_t v) {
    return face[0] == v || face[1] == v || face[2] == v;
  }

  int shared(std::int32_t a, std::int32_t b) const {
    int count = 0;
    for (const std::int32_t f : around_[a]) count += holds(faces_[f], b);
    return count;
  }

  // The vertices that share an edge with v, ascending.
  void neighbors(std::int32_t v, std::vector<std::int32_t>& ring) const {
    ring.clear();
    for (const std::int32_t f : around_[v]) {
      for (const std::int32_t w : faces_[f]) {
        if (w != v) ring.push_back(w);
      }
    }
    std::sort(ring.begin(), ring.end());
    ring.erase(std::unique(ring.begin(), ring.end()), ring.end());
  }

  std::vector<Point>& points_;
  std::vector<Face>& faces_;
  std::size_t wanted_, alive_;
  std::vector<std::vector<std::int32_t>> around_;  // faces of each vertex
  std::vector<Quadric> quadrics_;
  std::vector<std::uint32_t> version_;
  std::vector<bool> border_, dead_;
  std::vector<std::int32_t> ring_, other_ring_, both_;
  double turn_ = 0, shape_ = 0;
};

}  // namespace

void collapse(Mesh& mesh, std::size_t wanted) {
  Collapser collapser(mesh, wanted);
  collapser.run();
  collapser.finish(mesh);
}

}  // namespace gypsum::simplify

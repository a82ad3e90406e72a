#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

constexpr int kEnough = 3;             // two photos can't outvote each other
constexpr int kNear = 3;               // neighbours of a face
constexpr float kTolerance = 4;        // in robust standard deviations
constexpr float kGrown = 2;            // beside what was rejected in the same photo
constexpr int kSmoothing = 4;          // rings over which colours are averaged at the second scale
constexpr int kMostGrowth = 200;       // rings that a rejected region may grow
constexpr int kMargin = 2;             // rings around it: all faces that share a vertex, and more

// Bounds of the spread of colours that agree, share of the colour range: no smaller than noise and
// small misalignment; no larger, so that ghosts can't widen their own tolerance.
struct Spread {
  float least, most;
};
constexpr Spread kSingle{0.02f, 0.06f}, kSmoothed{0.0125f, 0.03f};

float median(std::vector<float>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The candidates of one face.
struct Slice {
  std::int64_t begin, end;
  std::size_t size() const { return static_cast<std::size_t>(end - begin); }
};

class Votes {
 public:
  Votes(const std::int64_t* first, const std::int32_t* views, std::size_t faces,
        const std::int32_t* edges, std::size_t edge_count, int threads)
      : first_(first), faces_(faces), count_(static_cast<std::size_t>(first[faces])),
        threads_(threads), near_(count_ * kNear, -1) {
    std::vector<std::array<std::int32_t, kNear>> around(faces, {-1, -1, -1});
    const auto add = [&](std::int32_t face, std::int32_t other) {
      for (std::int32_t& slot : around[face]) {
        if (slot >= 0) continue;
        slot = other;
        return;
      }
    };
    for (std::size_t e = 0; e < edge_count; ++e) {
      add(edges[2 * e], edges[2 * e + 1]);
      add(edges[2 * e + 1], edges[2 * e]);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::size_t f = 0; f < faces; ++f) {
      for (int n = 0; n < kNear; ++n) {
        if (around[f][n] >= 0) link(views, slice(f), slice(around[f][n]), n);
      }
    }
  }

  // How far each candidate's colour is from the typical one of its face.
  std::vector<std::array<float, 3>> residuals(const float* colors) const {
    std::vector<std::array<float, 3>> out(count_);
    each_face([&](const Slice& s, std::vector<float>& buffer) {
      for (int c = 0; c < 3; ++c) {
        buffer.clear();
        for (auto i = s.begin; i < s.end; ++i) buffer.push_back(colors[3 * i + c]);
        const float center = median(buffer);
        for (auto i = s.begin; i < s.end; ++i) out[i][c] = colors[3 * i + c] - center;
      }
    });
    return out;
  }

  // Mean over neighbouring faces of the same photo: misalignment of fine detail averages out,
  // and what stands in front of the surface stays.
  void smooth(std::vector<std::array<float, 3>>& values) const {
    std::vector<std::array<float, 3>> next(count_);
    for (int pass = 0; pass < kSmoothing; ++pass) {
#pragma omp parallel for schedule(static) num_threads(threads_)
      for (std::size_t i = 0; i < count_; ++i) {
        std::array<float, 3> sum = values[i];
        float weight = 1;
        for (int n = 0; n < kNear; ++n) {
          const std::int32_t j = near_[i * kNear + n];
          if (j < 0) continue;
          weight += 1;
          for (int c = 0; c < 3; ++c) sum[c] += values[j][c];
        }
        for (int c = 0; c < 3; ++c) next[i][c] = sum[c] / weight;
      }
      values.swap(next);
    }
  }

  // Lengths of the residuals in robust standard deviations of their face.
  std::vector<float> distances(const std::vector<std::array<float, 3>>& residual,
                               Spread limits) const {
    std::vector<float> out(count_);
    each_face([&](const Slice& s, std::vector<float>& buffer) {
      buffer.clear();
      for (auto i = s.begin; i < s.end; ++i) {
        const auto& r = residual[i];
        out[i] = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
        buffer.push_back(out[i]);
      }
      const float spread = std::clamp(1.48f * median(buffer), limits.least, limits.most);
      for (auto i = s.begin; i < s.end; ++i) out[i] = s.size() < kEnough ? 0 : out[i] / spread;
    });
    return out;
  }

  // Rejected regions grow over what looks doubtful in the same photo, as the edges of Canny's
  // detector do, and over single faces that they surround.
  void grow(const std::vector<float>& distance, std::vector<std::uint8_t>& bad) const {
    std::vector<std::uint8_t> next = bad;
    for (int pass = 0; pass < kMostGrowth; ++pass) {
      std::size_t grown = 0;
#pragma omp parallel for schedule(static) num_threads(threads_) reduction(+ : grown)
      for (std::size_t i = 0; i < count_; ++i) {
        if (bad[i]) continue;
        int known = 0, rejected = 0;
        for (int n = 0; n < kNear; ++n) {
          const std::int32_t j = near_[i * kNear + n];
          if (j >= 0) ++known, rejected += bad[j];
        }
        if (rejected == 0) continue;
        if (distance[i] > kGrown || (known >= 2 && 2 * rejected > known)) next[i] = 1, ++grown;
      }
      if (grown == 0) return;
      bad = next;
    }
  }

  // A margin around rejected regions: faces at their rim show a little of what was rejected.
  // Single faces are noise and stay, doubtful as they are: without them charts would have holes.
  void widen(std::vector<std::uint8_t>& bad) const {
    std::vector<std::uint8_t> region(count_);
    const auto rejected_around = [&](std::size_t i, const std::vector<std::uint8_t>& marks) {
      int rejected = 0;
      for (int n = 0; n < kNear; ++n) {
        const std::int32_t j = near_[i * kNear + n];
        if (j >= 0) rejected += marks[j];
      }
      return rejected;
    };
#pragma omp parallel for schedule(static) num_threads(threads_)
    for (std::size_t i = 0; i < count_; ++i) region[i] = bad[i] && rejected_around(i, bad) > 0;
    for (int ring = 0; ring < kMargin; ++ring) {
      const std::vector<std::uint8_t> before = region;
#pragma omp parallel for schedule(static) num_threads(threads_)
      for (std::size_t i = 0; i < count_; ++i) {
        if (!region[i] && rejected_around(i, before) > 0) region[i] = 1;
      }
    }
    bad = region;
  }

  template <class F>
  void each_face(F&& work) const {
#pragma omp parallel num_threads(threads_)
    {
      std::vector<float> buffer;
#pragma omp for schedule(static)
      for (std::size_t f = 0; f < faces_; ++f) {
        const Slice s = slice(f);
        if (s.size() > 0) work(s, buffer);
      }
    }
  }

 private:
  Slice slice(std::size_t f) const { return {first_[f], first_[f + 1]}; }

  // Views ascend within both slices.
  void link(const std::int32_t* views, const Slice& mine, const Slice& theirs, int n) {
    auto j = theirs.begin;
    for (auto i = mine.begin; i < mine.end; ++i) {
      while (j < theirs.end && views[j] < views[i]) ++j;
      if (j < theirs.end && views[j] == views[i]) {
        near_[i * kNear + n] = static_cast<std::int32_t>(j);
      }
    }
  }

  const std::int64_t* first_;
  std::size_t faces_, count_;
  int threads_;
  std::vector<std::int32_t> near_;  // (N, kNear) the same photo's candidate of each neighbour
};

}  // namespace

void find_outliers(const std::int64_t* first, const std::int32_t* views, const float* colors,
                   std::size_t face_count, const std::int32_t* edges, std::size_t edge_count,
                   int threads, std::uint8_t* rejected, float* doubt) {
  const Votes votes(first, views, face_count, edges, edge_count, threads);
  auto residual = votes.residuals(colors);
  std::vector<float> distance = votes.distances(residual, kSingle);
  votes.smooth(residual);
  const std::vector<float> smoothed = votes.distances(residual, kSmoothed);
  std::vector<std::uint8_t> bad(distance.size());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    distance[i] = std::max(distance[i], smoothed[i]);
    bad[i] = distance[i] > kTolerance;
    doubt[i] = distance[i];
  }
  votes.grow(smoothed, bad);
  votes.widen(bad);
  std::copy(bad.begin(), bad.end(), rejected);
}

}  // namespace gypsum::texture

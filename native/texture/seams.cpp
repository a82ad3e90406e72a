#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

struct Point {
  float x, y;
};

// A seam edge as both of its charts draw it.
class Seam {
 public:
  explicit Seam(const float* data) : p_(data) {}

  Point at(int side, float t) const {
    const float* p = p_ + 4 * side;
    return {p[0] + t * (p[2] - p[0]), p[1] + t * (p[3] - p[1])};
  }

  // Sample positions: two for each texel of the longer side.
  int samples() const {
    const float length = std::max(std::hypot(p_[2] - p_[0], p_[3] - p_[1]),
                                  std::hypot(p_[6] - p_[4], p_[7] - p_[5]));
    return 2 + static_cast<int>(2 * length);
  }

 private:
  const float* p_;
};

std::array<float, 3> color_at(const std::int16_t* atlas, Sheet sheet, Point p) {
  std::array<float, 3> color{};
  sample_atlas(atlas, sheet, &p.x, 1, 1, color.data());
  return color;
}

std::size_t texel_at(Point p, Sheet sheet) {
  const int x = std::clamp(static_cast<int>(p.x), 0, sheet.width - 1);
  const int y = std::clamp(static_cast<int>(p.y), 0, sheet.height - 1);
  return static_cast<std::size_t>(y) * sheet.width + x;
}

// How a texel at a seam has to change to meet the other side half way.
struct Wish {
  std::int32_t chart;
  std::int32_t texel;
  std::array<float, 3> change;
};

std::int32_t chart_at(std::int32_t owner, const std::int32_t* chart_of_face) {
  return owner == -1 ? -1 : chart_of_face[owner >= 0 ? owner : -2 - owner];
}

std::vector<Wish> collect_wishes(const float* seams, std::size_t seam_count,
                                 const std::int16_t* atlas, const std::int32_t* owners,
                                 const std::int32_t* chart_of_face, Sheet sheet) {
  std::vector<Wish> wishes;
  for (std::size_t e = 0; e < seam_count; ++e) {
    const Seam seam(seams + 8 * e);
    const int count = seam.samples();
    for (int i = 0; i < count; ++i) {
      const float t = static_cast<float>(i) / static_cast<float>(count - 1);
      const Point p[2] = {seam.at(0, t), seam.at(1, t)};
      const auto a = color_at(atlas, sheet, p[0]), b = color_at(atlas, sheet, p[1]);
      for (int side = 0; side < 2; ++side) {
        const std::size_t texel = texel_at(p[side], sheet);
        Wish wish{chart_at(owners[texel], chart_of_face), static_cast<std::int32_t>(texel), {}};
        if (wish.chart < 0) continue;
        for (int c = 0; c < 3; ++c) wish.change[c] = 0.5f * (side == 0 ? b[c] - a[c] : a[c] - b[c]);
        wishes.push_back(wish);
      }
    }
  }
  std::stable_sort(wishes.begin(), wishes.end(), [](const Wish& a, const Wish& b) {
    return a.chart != b.chart ? a.chart < b.chart : a.texel < b.texel;
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < wishes.size();) {
    Wish mean = wishes[i];
    std::size_t j = i + 1;
    for (; j < wishes.size() && wishes[j].texel == mean.texel; ++j) {
      for (int c = 0; c < 3; ++c) mean.change[c] += wishes[j].change[c];
    }
    for (float& v : mean.change) v /= static_cast<float>(j - i);
    wishes[kept++] = mean;
    i = j;
  }
  wishes.resize(kept);
  return wishes;
}

// The part of one chart that its seams change: texels in breadth-first order from the seam.
class Strip {
 public:
  Strip(const Wish* wishes, std::size_t count, const std::int32_t* owners,
        const std::int32_t* chart_of_face, Sheet sheet, int reach)
      : fixed_(count) {
    const std::int32_t chart = wishes[0].chart;
    for (std::size_t i = 0; i < count; ++i) add(wishes[i].texel, 0, wishes[i].change);
    for (std::size_t i = 0; i < texels_.size(); ++i) {
      const std::int32_t texel = texels_[i];
      const int x = texel % sheet.width, y = texel / sheet.width;
      const std::int32_t around[4] = {x > 0 ? texel - 1 : -1, x + 1 < sheet.width ? texel + 1 : -1,
                                      y > 0 ? texel - sheet.width : -1,
                                      y + 1 < sheet.height ? texel + sheet.width : -1};
      const bool grow = layers_[i] + 1 < reach;
      for (int n = 0; n < 4; ++n) {
        std::int32_t near = kOutside;
        if (around[n] >= 0 && chart_at(owners[around[n]], chart_of_face) == chart) {
          near = find(around[n]);
          if (near < 0 && !grow) near = kFaded;
          if (near == kMissing) {
            std::array<float, 3> guess = values_[i];
            const float fade = 1 - 1.0f / static_cast<float>(reach - layers_[i]);
            for (float& v : guess) v *= fade;
            near = add(around[n], layers_[i] + 1, guess);
          }
        }
        near_.push_back(near);
      }
    }
  }

  void relax(int iterations) {
    constexpr float kOver = 1.7f;  // successive over-relaxation
    for (int pass = 0; pass < iterations; ++pass) {
      for (std::size_t i = fixed_; i < texels_.size(); ++i) {
        std::array<float, 3> sum{};
        int count = 0;
        for (int n = 0; n < 4; ++n) {
          const std::int32_t near = near_[4 * i + n];
          if (near == kOutside) continue;
          ++count;
          if (near == kFaded) continue;
          for (int c = 0; c < 3; ++c) sum[c] += values_[near][c];
        }
        for (int c = 0; c < 3; ++c) {
          values_[i][c] += kOver * (sum[c] / static_cast<float>(count) - values_[i][c]);
        }
      }
    }
  }

  void apply(std::int16_t* atlas) const {
    for (std::size_t i = 0; i < texels_.size(); ++i) {
      std::int16_t* p = atlas + 3 * static_cast<std::size_t>(texels_[i]);
      for (int c = 0; c < 3; ++c) {
        const float v = p[c] + kOne * values_[i][c];
        p[c] = static_cast<std::int16_t>(std::lround(std::clamp(v, -32767.0f, 32767.0f)));
      }
    }
  }

 private:
  static constexpr std::int32_t kMissing = -1, kOutside = -2, kFaded = -3;

  // Open addressing from texel to its place in the strip.
  std::int32_t find(std::int32_t texel) const {
    for (std::size_t slot = hash(texel);; slot = (slot + 1) & (table_.size() - 1)) {
      if (table_[slot] < 0) return kMissing;
      if (texels_[table_[slot]] == texel) return table_[slot];
    }
  }

  std::int32_t add(std::int32_t texel, int layer, const std::array<float, 3>& value) {
    if (2 * (texels_.size() + 1) > table_.size()) grow_table();
    const auto place = static_cast<std::int32_t>(texels_.size());
    texels_.push_back(texel);
    layers_.push_back(layer);
    values_.push_back(value);
    insert(place);
    return place;
  }

  void insert(std::int32_t place) {
    std::size_t slot = hash(texels_[place]);
    while (table_[slot] >= 0) slot = (slot + 1) & (table_.size() - 1);
    table_[slot] = place;
  }

  void grow_table() {
    table_.assign(std::max<std::size_t>(64, 2 * table_.size()), -1);
    for (std::size_t i = 0; i < texels_.size(); ++i) insert(static_cast<std::int32_t>(i));
  }

  std::size_t hash(std::int32_t texel) const {
    return (static_cast<std::uint32_t>(texel) * 2654435761u >> 7) & (table_.size() - 1);
  }

  std::size_t fixed_;
  std::vector<std::int32_t> texels_, layers_, near_, table_;
  std::vector<std::array<float, 3>> values_;
};

}  // namespace

void measure_seams(const std::int16_t* atlas, Sheet sheet, const float* seams,
                   std::size_t seam_count, int threads, float* steps) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::size_t e = 0; e < seam_count; ++e) {
    const Seam seam(seams + 8 * e);
    const int count = seam.samples();
    double sum[2][3] = {}, weight[2] = {};
    for (int i = 0; i < count; ++i) {
      const float t = static_cast<float>(i) / static_cast<float>(count - 1);
      const auto a = color_at(atlas, sheet, seam.at(0, t)), b = color_at(atlas, sheet, seam.at(1, t));
      const float share[2] = {1 - t, t};
      for (int end = 0; end < 2; ++end) {
        weight[end] += share[end];
        for (int c = 0; c < 3; ++c) sum[end][c] += share[end] * (b[c] - a[c]);
      }
    }
    for (int end = 0; end < 2; ++end) {
      for (int c = 0; c < 3; ++c) {
        steps[6 * e + 3 * end + c] = static_cast<float>(sum[end][c] / weight[end]);
      }
    }
  }
}

void seam_contrasts(const std::int16_t* atlas, Sheet sheet, const float* seams,
                    std::size_t seam_count, int threads, float* contrasts) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::size_t e = 0; e < seam_count; ++e) {
    const Seam seam(seams + 8 * e);
    const int count = seam.samples();
    double sum = 0;
    for (int i = 0; i < count; ++i) {
      const float t = static_cast<float>(i) / static_cast<float>(count - 1);
      const auto a = color_at(atlas, sheet, seam.at(0, t)), b = color_at(atlas, sheet, seam.at(1, t));
      for (int c = 0; c < 3; ++c) sum += std::abs(b[c] - a[c]);
    }
    contrasts[e] = static_cast<float>(sum / (3 * count));
  }
}

void level_seams(const float* seams, std::size_t seam_count, const std::int32_t* owners,
                 const std::int32_t* chart_of_face, Sheet sheet, int reach, int iterations,
                 int threads, std::int16_t* atlas) {
  const std::vector<Wish> wishes =
      collect_wishes(seams, seam_count, atlas, owners, chart_of_face, sheet);
  std::vector<std::size_t> first;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (i == 0 || wishes[i].chart != wishes[i - 1].chart) first.push_back(i);
  }
  first.push_back(wishes.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::size_t k = 0; k < first.size() - 1; ++k) {
    Strip strip(wishes.data() + first[k], first[k + 1] - first[k], owners, chart_of_face, sheet,
                reach);
    strip.relax(iterations);
    strip.apply(atlas);
  }
}

}  // namespace gypsum::texture

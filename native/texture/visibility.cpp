#include <omp.h>

#include <limits>

#include "texture/raster.hpp"
#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

constexpr float kStrictCosine = 0.2f;   // 78 degrees
constexpr float kWeakCosine = 0.035f;   // 88 degrees
constexpr float kFlatGradient = 0.01f;  // counted for a pixel without any gradient
constexpr float kClipped = 250;         // 8-bit values from here on carry no colour
constexpr float kOutline = 3;           // how much deeper the background begins, in edge jumps
constexpr int kFewPixels = 4;           // smaller faces are sampled at fixed points instead

bool in_front(const float* depth, const std::int32_t* face) {
  return depth[face[0]] > 0 && depth[face[1]] > 0 && depth[face[2]] > 0;
}

// Gradient magnitude of the luma, 0 to 1 per pixel, by central differences.
std::vector<float> gradient(const Photo& photo, int threads) {
  const int w = photo.width, h = photo.height;
  std::vector<float> luma(static_cast<std::size_t>(w) * h), out(luma.size());
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int y = 0; y < h; ++y) {
      const std::uint8_t* row = photo.rgb + static_cast<std::size_t>(y) * w * 3;
      for (int x = 0; x < w; ++x) {
        luma[static_cast<std::size_t>(y) * w + x] =
            (0.299f * row[3 * x] + 0.587f * row[3 * x + 1] + 0.114f * row[3 * x + 2]) / 255;
      }
    }
#pragma omp for schedule(static)
    for (int y = 0; y < h; ++y) {
      const float* row = luma.data() + static_cast<std::size_t>(y) * w;
      const float* above = y > 0 ? row - w : row;
      const float* below = y + 1 < h ? row + w : row;
      for (int x = 0; x < w; ++x) {
        const float dx = row[std::min(x + 1, w - 1)] - row[std::max(x - 1, 0)];
        const float dy = below[x] - above[x];
        out[static_cast<std::size_t>(y) * w + x] = 0.5f * std::sqrt(dx * dx + dy * dy);
      }
    }
  }
  return out;
}

enum class Sight { hidden, near_edge, clear };

// Tests one point of a face against the drawn surface.
class DepthTest {
 public:
  DepthTest(const Photo& photo, const ScoreOptions& options, float slope)
      : photo_(photo), options_(options), slope_(slope) {}

  Sight at(float x, float y, float depth) const {
    const int px = std::clamp(static_cast<int>(x), 0, photo_.width - 1);
    const int py = std::clamp(static_cast<int>(y), 0, photo_.height - 1);
    if (surface(px, py) < depth - options_.slack - 1.5f * slope_) return Sight::hidden;
    const int r = options_.rim;
    const float jump = 2 * options_.slack + (r + 1.5f) * slope_;
    for (int dy = -r; dy <= r; dy += r) {
      for (int dx = -r; dx <= r; dx += r) {
        const int qx = std::clamp(px + dx, 0, photo_.width - 1);
        const int qy = std::clamp(py + dy, 0, photo_.height - 1);
        // What is in front may be wider in the photo than on the mesh; and where the mesh is too
        // fat, the photo shows the background beside its outline.
        const float near = surface(qx, qy);
        if (near < depth - jump || near > depth + kOutline * jump) return Sight::near_edge;
      }
    }
    return Sight::clear;
  }

 private:
  float surface(int x, int y) const {
    return photo_.surface[static_cast<std::size_t>(y) * photo_.width + x];
  }

  const Photo& photo_;
  const ScoreOptions& options_;
  float slope_;  // depth per pixel along the face, both axes together
};

// Depth change per pixel of the face's plane, bounded for faces seen edge-on.
float depth_slope(const Barycentric& map, const float* z) {
  double dx = 0, dy = 0;
  for (int k = 0; k < 3; ++k) {
    dx += map.x[k] * z[k];
    dy += map.y[k] * z[k];
  }
  const float limit = 0.02f * (z[0] + z[1] + z[2]) / 3;
  return std::min(static_cast<float>(std::abs(dx) + std::abs(dy)), limit);
}

struct Sums {
  double gradient = 0, count = 0, clipped = 0;
  std::uint8_t usable = 2;  // the least of all pixels
  double color[3] = {0, 0, 0};

  void add(const Photo& photo, const std::vector<float>& slope, int x, int y) {
    const std::size_t at = static_cast<std::size_t>(y) * photo.width + x;
    const std::uint8_t* rgb = photo.rgb + 3 * at;
    if (photo.usable != nullptr) usable = std::min(usable, photo.usable[at]);
    gradient += slope[at];
    count += 1;
    if (std::max({rgb[0], rgb[1], rgb[2]}) >= kClipped) clipped += 1;
    for (int c = 0; c < 3; ++c) color[c] += linear_table()[rgb[c]];
  }
};

Sums sum_pixels(const Photo& photo, const std::vector<float>& slope, const Barycentric& map,
                const float* a, const float* b, const float* c) {
  Sums sums;
  const Bounds box(a, b, c, 0, photo.width, photo.height);
  for (int y = box.y0; y < box.y1; ++y) {
    for (int x = box.x0; x < box.x1; ++x) {
      if (inside(map.at(x + 0.5, y + 0.5))) sums.add(photo, slope, x, y);
    }
  }
  if (sums.count >= kFewPixels) return sums;
  sums = Sums{.usable = sums.usable};
  constexpr float kSpots[4][3] = {
      {1 / 3.f, 1 / 3.f, 1 / 3.f}, {.6f, .2f, .2f}, {.2f, .6f, .2f}, {.2f, .2f, .6f}};
  for (const auto& w : kSpots) {
    const float x = w[0] * a[0] + w[1] * b[0] + w[2] * c[0];
    const float y = w[0] * a[1] + w[1] * b[1] + w[2] * c[1];
    sums.add(photo, slope, std::clamp(static_cast<int>(x), 0, photo.width - 1),
             std::clamp(static_cast<int>(y), 0, photo.height - 1));
  }
  return sums;
}

// 0 when too much is hidden, 1 when nothing is and no edge is close, else up to kWeak, the more the
// larger the part that is clear.
float sight(const DepthTest& test, const float* const corners[3], const float* z) {
  constexpr float kSpots[7][3] = {{1 / 3.f, 1 / 3.f, 1 / 3.f}, {.9f, .05f, .05f},
                                  {.05f, .9f, .05f},           {.05f, .05f, .9f},
                                  {.5f, .5f, 0},               {0, .5f, .5f},
                                  {.5f, 0, .5f}};
  int hidden = 0, near = 0;
  for (const auto& w : kSpots) {
    float x = 0, y = 0, inverse = 0;
    for (int k = 0; k < 3; ++k) {
      x += w[k] * corners[k][0];
      y += w[k] * corners[k][1];
      inverse += w[k] / z[k];
    }
    const Sight seen = test.at(x, y, 1 / inverse);
    hidden += seen == Sight::hidden;
    near += seen == Sight::near_edge;
  }
  if (hidden > 3) return 0;
  return hidden + near > 0 ? kWeak * static_cast<float>(8 - hidden - near) / 8 : 1;
}

}  // namespace

void draw_depth(const float* pixels, const float* depth, const std::int32_t* faces,
                std::size_t face_count, int width, int height, int threads, float* out) {
  const int bands = std::max(1, std::min(4 * threads, height / 16));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int band = 0; band < bands; ++band) {
    const int top = static_cast<int>(static_cast<std::int64_t>(height) * band / bands);
    const int bottom = static_cast<int>(static_cast<std::int64_t>(height) * (band + 1) / bands);
    // Nearness 1 / depth is linear in the picture; it is turned into depth at the end.
    std::fill(out + static_cast<std::size_t>(top) * width,
              out + static_cast<std::size_t>(bottom) * width, 0.0f);
    for (std::size_t f = 0; f < face_count; ++f) {
      const std::int32_t* face = faces + 3 * f;
      if (!in_front(depth, face)) continue;
      const float* a = pixels + 2 * face[0];
      const float* b = pixels + 2 * face[1];
      const float* c = pixels + 2 * face[2];
      if (std::max({a[1], b[1], c[1]}) < top || std::min({a[1], b[1], c[1]}) > bottom) continue;
      const Bounds box(a, b, c, 0, width, height);
      const int y0 = std::max(box.y0, top), y1 = std::min(box.y1, bottom);
      if (box.x0 >= box.x1 || y0 >= y1) continue;
      const Barycentric map(a, b, c);
      if (map.area2 == 0) continue;
      const double near[3] = {1.0 / depth[face[0]], 1.0 / depth[face[1]], 1.0 / depth[face[2]]};
      for (int y = y0; y < y1; ++y) {
        float* row = out + static_cast<std::size_t>(y) * width;
        for (int x = box.x0; x < box.x1; ++x) {
          const auto w = map.at(x + 0.5, y + 0.5);
          if (!inside(w)) continue;
          const float value = static_cast<float>(w[0] * near[0] + w[1] * near[1] + w[2] * near[2]);
          if (value > row[x]) row[x] = value;
        }
      }
    }
    for (std::size_t i = static_cast<std::size_t>(top) * width;
         i < static_cast<std::size_t>(bottom) * width; ++i) {
      out[i] = out[i] > 0 ? 1 / out[i] : std::numeric_limits<float>::infinity();
    }
  }
}

void score_faces(const Photo& photo, const float* pixels, const float* depth,
                 const std::int32_t* faces, const float* cosines, std::size_t face_count,
                 const ScoreOptions& options, int threads, float* score, float* color,
                 std::uint8_t* beside) {
  const std::vector<float> slope = gradient(photo, threads);
  const float right = photo.width - 1.0f, bottom = photo.height - 1.0f;
#pragma omp parallel for schedule(dynamic, 1024) num_threads(threads)
  for (std::size_t f = 0; f < face_count; ++f) {
    score[f] = 0;
    const std::int32_t* face = faces + 3 * f;
    if (cosines[f] < kWeakCosine || !in_front(depth, face)) continue;
    const float* corners[3] = {pixels + 2 * face[0], pixels + 2 * face[1], pixels + 2 * face[2]};
    bool within = true;
    for (const float* p : corners) {
      within = within && p[0] >= 1 && p[1] >= 1 && p[0] <= right && p[1] <= bottom;
    }
    if (!within) continue;
    const Barycentric map(corners[0], corners[1], corners[2]);
    // Counter-clockwise from outside turns clockwise in a picture whose y points down.
    if (map.area2 >= 0) continue;
    const float z[3] = {depth[face[0]], depth[face[1]], depth[face[2]]};
    float factor = sight(DepthTest(photo, options, depth_slope(map, z)), corners, z);
    if (factor == 0) continue;
    const Sums sums = sum_pixels(photo, slope, map, corners[0], corners[1], corners[2]);
    if (sums.usable == 0) continue;
    if (sums.usable == 1) factor = std::min(factor, kWeak);
    beside[f] = factor < 1;
    if (cosines[f] < kStrictCosine) factor = std::min(factor, kWeak);
    const double sharpness = factor < 1 ? 0 : sums.gradient / sums.count;
    const double area = -0.5 * map.area2;
    const double clear = 1 - sums.clipped / sums.count;
    const double angle = std::min(1.0, 2.0 * cosines[f]);
    score[f] = static_cast<float>(factor * area * (sharpness + kFlatGradient) *
                                  angle * (0.05 + 0.95 * clear * clear));
    for (int c = 0; c < 3; ++c) color[3 * f + c] = static_cast<float>(sums.color[c] / sums.count);
  }
}

}  // namespace gypsum::texture

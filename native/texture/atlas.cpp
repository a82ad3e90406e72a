#include <omp.h>

#include <limits>

#include "texture/raster.hpp"
#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

constexpr int kCurve = 4096;             // entries of a colour curve
constexpr std::size_t kSmall = 1 << 14;  // texels of a chart that one thread paints alone

std::int16_t fixed(float v) {
  return static_cast<std::int16_t>(std::lround(std::clamp(v * kOne, -32767.0f, 32767.0f)));
}

struct Box {
  int x0, y0, x1, y1;

  int width() const { return x1 - x0; }
  std::size_t area() const { return static_cast<std::size_t>(std::max(0, width())) * std::max(0, y1 - y0); }
};

Box chart_box(const Charts& charts, std::size_t chart, int margin, Sheet sheet) {
  float left = 1e30f, top = 1e30f, right = -1e30f, bottom = -1e30f;
  for (std::int64_t i = charts.first[chart]; i < charts.first[chart + 1]; ++i) {
    for (int k = 0; k < 3; ++k) {
      const float* p = charts.uvs + 2 * charts.uv_faces[3 * charts.order[i] + k];
      left = std::min(left, p[0]), right = std::max(right, p[0]);
      top = std::min(top, p[1]), bottom = std::max(bottom, p[1]);
    }
  }
  const auto clip = [](float v, int limit) {
    return static_cast<int>(std::clamp(v, 0.0f, static_cast<float>(limit)));
  };
  return {clip(std::floor(left) - margin, sheet.width), clip(std::floor(top) - margin, sheet.height),
          clip(std::ceil(right) + margin, sheet.width),
          clip(std::ceil(bottom) + margin, sheet.height)};
}

float segment_distance2(const float* a, const float* b, float x, float y) {
  const float dx = b[0] - a[0], dy = b[1] - a[1];
  const float length2 = dx * dx + dy * dy;
  float t = length2 > 0 ? ((x - a[0]) * dx + (y - a[1]) * dy) / length2 : 0;
  t = std::clamp(t, 0.0f, 1.0f);
  const float ex = x - a[0] - t * dx, ey = y - a[1] - t * dy;
  return ex * ex + ey * ey;
}

void draw_chart(const Charts& charts, const std::uint8_t* border, std::size_t chart, Sheet sheet,
                int padding, std::int32_t* owners) {
  const Box box = chart_box(charts, chart, padding, sheet);
  // A texel centre is padding when it is nearer than this to the chart: its box reaches into it.
  const float reach = static_cast<float>(padding);
  std::vector<float> nearest(box.area(), reach * reach);
  for (std::int64_t i = charts.first[chart]; i < charts.first[chart + 1]; ++i) {
    const std::int32_t f = charts.order[i];
    const float* a = charts.uvs + 2 * charts.uv_faces[3 * f];
    const float* b = charts.uvs + 2 * charts.uv_faces[3 * f + 1];
    const float* c = charts.uvs + 2 * charts.uv_faces[3 * f + 2];
    const Barycentric map(a, b, c);
    const Bounds bounds(a, b, c, border[f] ? reach : 0, sheet.width, sheet.height);
    for (int y = bounds.y0; y < bounds.y1; ++y) {
      for (int x = bounds.x0; x < bounds.x1; ++x) {
        float& best = nearest[static_cast<std::size_t>(y - box.y0) * box.width() + (x - box.x0)];
        std::int32_t& owner = owners[static_cast<std::size_t>(y) * sheet.width + x];
        if (best < 0) continue;
        const float px = x + 0.5f, py = y + 0.5f;
        if (map.area2 != 0 && inside(map.at(px, py))) {
          best = -1;
          owner = f;
          continue;
        }
        if (!border[f]) continue;
        const float d = std::min({segment_distance2(a, b, px, py), segment_distance2(b, c, px, py),
                                  segment_distance2(c, a, px, py)});
        if (d < best) best = d, owner = -2 - f;
      }
    }
  }
}

// What one photo gives to one texel.
struct Share {
  float weight = 1;
  std::array<float, 3> offset{};
};

Share share_of(const Mixing& mixing, const Charts& charts, const std::int32_t* vertices,
               std::int32_t face, double x, double y) {
  Share share{0, {}};
  bool any = false;
  for (int k = 0; k < 3; ++k) any = any || mixing.weights[vertices[k]] > 0;
  if (!any) return share;
  const auto w = weights_at(charts.uvs, charts.uv_faces + 3 * static_cast<std::size_t>(face), x, y);
  for (int k = 0; k < 3; ++k) {
    const auto at = static_cast<std::size_t>(vertices[k]);
    const float part = static_cast<float>(w[k]);
    share.weight += part * mixing.weights[at];
    for (int c = 0; c < 3; ++c) share.offset[c] += part * mixing.offsets[3 * at + c];
  }
  return share;
}

// Colours of the photo, sRGB-encoded 0 to 1.
class Sampler {
 public:
  Sampler(const std::uint8_t* rgb, int width, int height)
      : rgb_(rgb), width_(width), height_(height) {}

  // Catmull-Rom: exact on pixel centres, keeps the photo's sharpness in between.
  std::array<float, 3> cubic(double x, double y) const {
    const double fx = x - 0.5, fy = y - 0.5;
    const int ix = static_cast<int>(std::floor(fx)), iy = static_cast<int>(std::floor(fy));
    const auto wx = cubic_weights(static_cast<float>(fx - ix));
    const auto wy = cubic_weights(static_cast<float>(fy - iy));
    std::array<float, 3> sum{};
    for (int j = 0; j < 4; ++j) {
      const std::uint8_t* row = row_at(iy - 1 + j);
      for (int i = 0; i < 4; ++i) {
        const float w = wx[i] * wy[j];
        const std::uint8_t* p = row + 3 * std::clamp(ix - 1 + i, 0, width_ - 1);
        for (int c = 0; c < 3; ++c) sum[c] += w * p[c];
      }
    }
    for (float& v : sum) v = std::clamp(v / 255, 0.0f, 1.0f);
    return sum;
  }

  std::array<float, 3> linear_light(double x, double y) const {
    const double fx = x - 0.5, fy = y - 0.5;
    const int ix = static_cast<int>(std::floor(fx)), iy = static_cast<int>(std::floor(fy));
    const float tx = static_cast<float>(fx - ix), ty = static_cast<float>(fy - iy);
    std::array<float, 3> sum{};
    for (int j = 0; j < 2; ++j) {
      const std::uint8_t* row = row_at(iy + j);
      for (int i = 0; i < 2; ++i) {
        const float w = (i ? tx : 1 - tx) * (j ? ty : 1 - ty);
        const std::uint8_t* p = row + 3 * std::clamp(ix + i, 0, width_ - 1);
        for (int c = 0; c < 3; ++c) sum[c] += w * linear_table()[p[c]];
      }
    }
    return sum;
  }

 private:
  const std::uint8_t* row_at(int y) const {
    return rgb_ + static_cast<std::size_t>(std::clamp(y, 0, height_ - 1)) * width_ * 3;
  }

  static std::array<float, 4> cubic_weights(float t) {
    return {0.5f * t * (-1 + t * (2 - t)), 0.5f * (2 + t * t * (3 * t - 5)),
            0.5f * t * (1 + t * (4 - 3 * t)), 0.5f * t * t * (t - 1)};
  }

  const std::uint8_t* rgb_;
  int width_, height_;
};

float curve_at(const float* curve, float v) {
  const float position = std::clamp(v, 0.0f, 1.0f) * (kCurve - 1);
  const int i = std::min(static_cast<int>(position), kCurve - 2);
  const float t = position - static_cast<float>(i);
  return curve[i] * (1 - t) + curve[i + 1] * t;
}

}  // namespace

std::int32_t face_of(std::int32_t owner) { return owner >= 0 ? owner : -2 - owner; }

std::array<double, 3> weights_at(const float* uvs, const std::int32_t* face, double x, double y) {
  const Barycentric map(uvs + 2 * face[0], uvs + 2 * face[1], uvs + 2 * face[2]);
  auto w = map.at(x, y);
  double sum = 0;
  for (double& v : w) v = std::max(v, 0.0), sum += v;
  for (double& v : w) v = sum > 1e-9 ? v / sum : 1.0 / 3;
  return w;
}

void draw_owners(const Charts& charts, const std::uint8_t* border, Sheet sheet, int padding,
                 int threads, std::int32_t* owners) {
  std::fill_n(owners, static_cast<std::size_t>(sheet.width) * sheet.height, -1);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::size_t c = 0; c < charts.count; ++c) {
    draw_chart(charts, border, c, sheet, padding, owners);
  }
}

void paint_charts(const Charts& charts, const std::int64_t* chosen, std::size_t chosen_count,
                  const std::int32_t* owners, const std::int32_t* faces, const float* camera_points,
                  const Pinhole& camera, const std::uint8_t* rgb, int width, int height,
                  const float* curves, const Mixing* mixing, int samples, Sheet sheet, int padding,
                  int threads, std::int16_t* atlas) {
  const Sampler photo(rgb, width, height);
  std::vector<std::uint8_t> mine;  // faces of the chart at hand
  std::int32_t face_count = 0;
  for (std::int64_t i = 0; i < charts.first[charts.count]; ++i) {
    face_count = std::max(face_count, charts.order[i] + 1);
  }
  mine.resize(face_count);
  for (std::size_t n = 0; n < chosen_count; ++n) {
    const auto chart = static_cast<std::size_t>(chosen[n]);
    for (std::int64_t i = charts.first[chart]; i < charts.first[chart + 1]; ++i) {
      mine[charts.order[i]] = 1;
    }
    const Box box = chart_box(charts, chart, padding, sheet);
    // Waking threads for a small chart costs more than painting it.
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads) if (box.area() > kSmall)
    for (int y = box.y0; y < box.y1; ++y) {
      for (int x = box.x0; x < box.x1; ++x) {
        const std::size_t at = static_cast<std::size_t>(y) * sheet.width + x;
        if (owners[at] == -1) continue;
        const std::int32_t f = face_of(owners[at]);
        if (!mine[f]) continue;
        const Share share = mixing ? share_of(*mixing, charts, faces + 3 * f, f, x + 0.5, y + 0.5)
                                   : Share{};
        if (share.weight <= 0) continue;
        const auto pixel = [&](double u, double v) {
          const auto w = weights_at(charts.uvs, charts.uv_faces + 3 * f, u, v);
          double p[3] = {0, 0, 0};
          for (int k = 0; k < 3; ++k) {
            const float* corner = camera_points + 3 * static_cast<std::size_t>(faces[3 * f + k]);
            for (int c = 0; c < 3; ++c) p[c] += w[k] * corner[c];
          }
          return std::array<double, 2>{camera.fx * p[0] / p[2] + camera.cx,
                                       camera.fy * p[1] / p[2] + camera.cy};
        };
        std::array<float, 3> color{};
        if (samples <= 1) {
          const auto p = pixel(x + 0.5, y + 0.5);
          color = photo.cubic(p[0], p[1]);
        } else {
          for (int j = 0; j < samples; ++j) {
            for (int i = 0; i < samples; ++i) {
              const auto p = pixel(x + (i + 0.5) / samples, y + (j + 0.5) / samples);
              const auto part = photo.linear_light(p[0], p[1]);
              for (int c = 0; c < 3; ++c) color[c] += part[c];
            }
          }
          const float part = 1.0f / static_cast<float>(samples * samples);
          for (float& v : color) v = linear_to_srgb(v * part);
        }
        for (int c = 0; c < 3; ++c) {
          const float v = curve_at(curves + kCurve * c, color[c]) + share.offset[c];
          const float before = mixing ? atlas[3 * at + c] / kOne : 0;
          atlas[3 * at + c] = fixed(before + share.weight * v);
        }
      }
    }
    for (std::int64_t i = charts.first[chart]; i < charts.first[chart + 1]; ++i) {
      mine[charts.order[i]] = 0;
    }
  }
}

void add_colors(const float* uvs, const std::int32_t* uv_faces, const std::int32_t* owners,
                const float* colors, Sheet sheet, int threads, std::int16_t* atlas) {
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
  for (int y = 0; y < sheet.height; ++y) {
    for (int x = 0; x < sheet.width; ++x) {
      const std::size_t at = static_cast<std::size_t>(y) * sheet.width + x;
      if (owners[at] == -1) continue;
      const std::int32_t* face = uv_faces + 3 * static_cast<std::size_t>(face_of(owners[at]));
      const auto w = weights_at(uvs, face, x + 0.5, y + 0.5);
      for (int c = 0; c < 3; ++c) {
        double v = atlas[3 * at + c];
        for (int k = 0; k < 3; ++k) v += kOne * w[k] * colors[3 * static_cast<std::size_t>(face[k]) + c];
        atlas[3 * at + c] = static_cast<std::int16_t>(std::lround(std::clamp(v, -32767.0, 32767.0)));
      }
    }
  }
}

void sample_atlas(const std::int16_t* atlas, Sheet sheet, const float* positions,
                  std::size_t count, int threads, float* colors) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::size_t i = 0; i < count; ++i) {
    const float fx = positions[2 * i] - 0.5f, fy = positions[2 * i + 1] - 0.5f;
    const int ix = static_cast<int>(std::floor(fx)), iy = static_cast<int>(std::floor(fy));
    const float tx = fx - static_cast<float>(ix), ty = fy - static_cast<float>(iy);
    float sum[3] = {0, 0, 0};
    for (int n = 0; n < 4; ++n) {
      const int x = std::clamp(ix + (n & 1), 0, sheet.width - 1);
      const int y = std::clamp(iy + (n >> 1), 0, sheet.height - 1);
      const float w = ((n & 1) ? tx : 1 - tx) * ((n >> 1) ? ty : 1 - ty);
      const std::int16_t* p = atlas + 3 * (static_cast<std::size_t>(y) * sheet.width + x);
      for (int c = 0; c < 3; ++c) sum[c] += w * p[c];
    }
    for (int c = 0; c < 3; ++c) colors[3 * i + c] = sum[c] / kOne;
  }
}

void finish_page(const std::int16_t* atlas, const std::int32_t* owners, int size, int threads,
                 std::uint8_t* out) {
  struct Level {
    int size;
    std::vector<std::uint8_t> rgb, known;
  };
  std::vector<Level> levels;
  const std::size_t texels = static_cast<std::size_t>(size) * size;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::size_t i = 0; i < texels; ++i) {
    if (owners[i] == -1) continue;
    for (int c = 0; c < 3; ++c) {
      const float v = 255 * atlas[3 * i + c] / kOne;
      out[3 * i + c] = static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0f, 255.0f)));
    }
  }
  const auto known_below = [&](std::size_t level, std::size_t at) {
    return level == 0 ? owners[at] != -1 : levels[level - 1].known[at] != 0;
  };
  const auto rgb_below = [&](std::size_t level) {
    return level == 0 ? out : levels[level - 1].rgb.data();
  };
  // Pull: each level holds the mean of the known among four texels.
  for (int half = (size + 1) / 2, below = size; below > 1; below = half, half = (half + 1) / 2) {
    const std::size_t depth = levels.size();
    Level level{half, std::vector<std::uint8_t>(static_cast<std::size_t>(half) * half * 3),
                std::vector<std::uint8_t>(static_cast<std::size_t>(half) * half)};
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int y = 0; y < half; ++y) {
      for (int x = 0; x < half; ++x) {
        int sum[3] = {0, 0, 0}, count = 0;
        for (int n = 0; n < 4; ++n) {
          const int bx = 2 * x + (n & 1), by = 2 * y + (n >> 1);
          if (bx >= below || by >= below) continue;
          const std::size_t at = static_cast<std::size_t>(by) * below + bx;
          if (!known_below(depth, at)) continue;
          for (int c = 0; c < 3; ++c) sum[c] += rgb_below(depth)[3 * at + c];
          ++count;
        }
        if (count == 0) continue;
        const std::size_t at = static_cast<std::size_t>(y) * half + x;
        level.known[at] = 1;
        for (int c = 0; c < 3; ++c) {
          level.rgb[3 * at + c] = static_cast<std::uint8_t>((sum[c] + count / 2) / count);
        }
      }
    }
    levels.push_back(std::move(level));
  }
  // Push: unknown texels take the level above, bilinear.
  for (std::size_t depth = levels.size(); depth-- > 0;) {
    const Level& above = levels[depth];
    const int below = depth == 0 ? size : levels[depth - 1].size;
    std::uint8_t* rgb = rgb_below(depth);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int y = 0; y < below; ++y) {
      for (int x = 0; x < below; ++x) {
        const std::size_t at = static_cast<std::size_t>(y) * below + x;
        if (known_below(depth, at)) continue;
        const int qx = std::clamp(x / 2 + ((x & 1) ? 1 : -1), 0, above.size - 1);
        const int qy = std::clamp(y / 2 + ((y & 1) ? 1 : -1), 0, above.size - 1);
        const auto row = [&](int v) { return static_cast<std::size_t>(v) * above.size; };
        const std::uint8_t* p = above.rgb.data();
        for (int c = 0; c < 3; ++c) {
          const int near = 3 * p[3 * (row(y / 2) + x / 2) + c] + p[3 * (row(y / 2) + qx) + c];
          const int far = 3 * p[3 * (row(qy) + x / 2) + c] + p[3 * (row(qy) + qx) + c];
          rgb[3 * at + c] = static_cast<std::uint8_t>((3 * near + far + 8) / 16);
        }
      }
    }
  }
}

}  // namespace gypsum::texture

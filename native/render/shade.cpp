#include "render/shade.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>

namespace gypsum::render {
namespace {

struct Color {
  float r, g, b;
};

// Coordinates beyond the texture repeat it; what is not a number is its corner.
float repeated(float coordinate) {
  if (coordinate >= 0 && coordinate <= 1) return coordinate;
  const float inside = coordinate - std::floor(coordinate);
  return inside >= 0 && inside <= 1 ? inside : 0;
}

Color sample(const Level& level, float u, float v) {
  // Texel centres are at half integers, as pixels are everywhere else.
  const float x = std::clamp(repeated(u) * level.width - 0.5f, 0.0f, level.width - 1.0f);
  const float y = std::clamp((1 - repeated(v)) * level.height - 0.5f, 0.0f, level.height - 1.0f);
  const int left = static_cast<int>(x), top = static_cast<int>(y);
  const int right = std::min(left + 1, level.width - 1);
  const int bottom = std::min(top + 1, level.height - 1);
  const float fx = x - left, fy = y - top;
  const auto texel = [&](int row, int column) {
    return level.texels + 3 * (static_cast<int64_t>(row) * level.width + column);
  };
  const uint8_t *a = texel(top, left), *b = texel(top, right);
  const uint8_t *c = texel(bottom, left), *d = texel(bottom, right);
  const float wa = (1 - fx) * (1 - fy), wb = fx * (1 - fy), wc = (1 - fx) * fy, wd = fx * fy;
  return {wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0],
          wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1],
          wa * a[2] + wb * b[2] + wc * c[2] + wd * d[2]};
}

uint8_t byte(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

// `color` gives the Color of one sample by its index.
template <typename Shader>
void average(const Samples& samples, int threads, uint8_t* out, Shader color) {
  if (threads <= 0) threads = omp_get_num_procs();
  const int factor = samples.factor;
  const int rows = samples.height / factor, columns = samples.width / factor;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
  for (int row = 0; row < rows; ++row) {
    uint8_t* pixel = out + 4 * static_cast<int64_t>(row) * columns;
    for (int column = 0; column < columns; ++column, pixel += 4) {
      Color sum{0, 0, 0};
      int shown = 0;
      for (int y = 0; y < factor; ++y) {
        const int64_t first =
            static_cast<int64_t>(row * factor + y) * samples.width + column * factor;
        for (int64_t at = first; at < first + factor; ++at) {
          if (samples.face[at] < 0) continue;
          const Color one = color(at);
          sum = {sum.r + one.r, sum.g + one.g, sum.b + one.b};
          ++shown;
        }
      }
      const float share = shown == 0 ? 0.0f : 1.0f / shown;
      pixel[0] = byte(sum.r * share);
      pixel[1] = byte(sum.g * share);
      pixel[2] = byte(sum.b * share);
      pixel[3] = byte(255.0f * shown / (factor * factor));
    }
  }
}

}  // namespace

void shade_atlas(const Samples& samples, const float* depth, double focal, const Atlas& atlas,
                 int threads, uint8_t* out) {
  average(samples, threads, out, [&](int64_t at) {
    const int32_t face = samples.face[at];
    const std::vector<Level>& levels = atlas.levels[atlas.material[face]];
    const float side = depth[at] / static_cast<float>(focal);
    const float texels = std::max(atlas.density[face] * side * side, 1.0f);
    const long wanted = std::lround(0.5f * std::log2(std::min(texels, 1e30f)));
    const Level& level = levels[std::min<size_t>(wanted, levels.size() - 1)];
    const int32_t* corner = atlas.uv_faces + 3 * static_cast<int64_t>(face);
    const float *p = atlas.uvs + 2 * static_cast<int64_t>(corner[0]),
                *q = atlas.uvs + 2 * static_cast<int64_t>(corner[1]),
                *r = atlas.uvs + 2 * static_cast<int64_t>(corner[2]);
    const float second = samples.weights[2 * at], third = samples.weights[2 * at + 1];
    const float first = 1 - second - third;
    return sample(level, first * p[0] + second * q[0] + third * r[0],
                  first * p[1] + second * q[1] + third * r[1]);
  });
}

void shade_corners(const Samples& samples, const int32_t* faces, const float* colors, int threads,
                   uint8_t* out) {
  average(samples, threads, out, [&](int64_t at) {
    const int32_t* corner = faces + 3 * static_cast<int64_t>(samples.face[at]);
    const float *p = colors + 3 * static_cast<int64_t>(corner[0]),
                *q = colors + 3 * static_cast<int64_t>(corner[1]),
                *r = colors + 3 * static_cast<int64_t>(corner[2]);
    const float second = samples.weights[2 * at], third = samples.weights[2 * at + 1];
    const float first = 1 - second - third;
    return Color{first * p[0] + second * q[0] + third * r[0],
                 first * p[1] + second * q[1] + third * r[1],
                 first * p[2] + second * q[2] + third * r[2]};
  });
}

}  // namespace gypsum::render

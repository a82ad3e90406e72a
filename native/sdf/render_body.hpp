// Rays through the field: colours, opacities, depths, and the derivative of their errors.
//
// Wang et al., NeuS (NeurIPS 2021): with the logistic function S of the distance, the light that passes between
// two samples is min(1, S(f[i+1]) / S(f[i])).
// Included once for each instruction set, with GYPSUM_VARIANT naming the functions.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "sdf/field.hpp"

namespace gypsum::sdf {
namespace {

constexpr int kMostSamples = 160;
constexpr float kDark = 5e-3f;       // light that is left when a ray ends
constexpr float kFaint = 5e-4f;      // samples with less weight have no colour
constexpr float kReach = 5.0f;       // distances beyond it, by sharpness, let all light pass
constexpr float kLeap = 0.6f;         // of the distance to the surface that a step may pass
constexpr double kGolden = 0.6180339887498949;

// Trilinear: rows of a cell's corners (-1: no block there) and their weights.
struct Cell {
  std::int32_t row[8];
  float weight[8];
  float side[8];      // distance where there is no block
  float slope[3][8];  // derivative of the weights by the position; only filled for normals
};

struct Sample {
  Cell cell;
  float at, distance;
  float color[3];
  float lit;     // S of the distance
  float light;   // that arrives here
  float weight;  // of its colour
};

struct Ray {
  float start[3], along[3];
  float depth;    // along z for a unit of length
  float basis[4]; // of the colour that depends on the direction
};

inline int block_index(const Field& field, int x, int y, int z) {
  return (z * field.blocks[1] + y) * field.blocks[0] + x;
}

// The cell around a position (inside the grid).
inline void find_cell(const Field& field, const float p[3], bool with_slopes, Cell& cell) {
  int low[3];
  float part[3];
  for (int k = 0; k < 3; ++k) {
    low[k] = std::clamp(int(p[k]), 0, field.nodes[k] - 2);
    part[k] = p[k] - float(low[k]);
  }
  const float wx[2] = {1 - part[0], part[0]}, wy[2] = {1 - part[1], part[1]}, wz[2] = {1 - part[2], part[2]};
  const bool one_block = (low[0] & 3) != 3 && (low[1] & 3) != 3 && (low[2] & 3) != 3;
  std::int32_t entry = field.table[block_index(field, low[0] >> 2, low[1] >> 2, low[2] >> 2)];
  for (int c = 0; c < 8; ++c) {
    const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2;
    const int x = low[0] + dx, y = low[1] + dy, z = low[2] + dz;
    if (!one_block) entry = field.table[block_index(field, x >> 2, y >> 2, z >> 2)];
    cell.weight[c] = wx[dx] * wy[dy] * wz[dz];
    if (entry >= 0) {
      cell.row[c] = entry * kNodes + ((z & 3) * kSide + (y & 3)) * kSide + (x & 3);
    } else {
      cell.row[c] = -1;
      cell.side[c] = entry == kInside ? -field.truncation : field.truncation;
    }
    if (with_slopes) {
      cell.slope[0][c] = (dx ? 1.0f : -1.0f) * wy[dy] * wz[dz];
      cell.slope[1][c] = (dy ? 1.0f : -1.0f) * wx[dx] * wz[dz];
      cell.slope[2][c] = (dz ? 1.0f : -1.0f) * wx[dx] * wy[dy];
    }
  }
}

inline float value_of(const Field& field, const Cell& cell, int c) {
  return cell.row[c] >= 0 ? field.distance[cell.row[c]] : cell.side[c];
}

inline float distance_in(const Field& field, const Cell& cell) {
  float sum = 0;
  for (int c = 0; c < 8; ++c) sum += cell.weight[c] * value_of(field, cell, c);
  return sum;
}

// Channels 4 k to 4 k + 3 are colour k: its mean and how it changes with the direction (harmonics of degree 1).
inline void color_in(const Field& field, const Cell& cell, const float basis[4], float rgb[3]) {
  float sum[kChannels] = {};
  for (int c = 0; c < 8; ++c) {
    if (cell.row[c] < 0) continue;
    const float* row = field.color + std::size_t(cell.row[c]) * kChannels;
    for (int n = 0; n < kChannels; ++n) sum[n] += cell.weight[c] * row[n];
  }
  for (int k = 0; k < 3; ++k) {
    rgb[k] = 0;
    for (int j = 0; j < 4; ++j) rgb[k] += sum[4 * k + j] * basis[j];
  }
}

inline Ray make_ray(const Camera& camera, const float pixel[2]) {
  Ray ray;
  const float x = (pixel[0] - camera.cx) / camera.fx, y = (pixel[1] - camera.cy) / camera.fy;
  ray.depth = 1 / std::sqrt(1 + x * x + y * y);
  ray.basis[0] = 1;
  for (int k = 0; k < 3; ++k) {
    ray.start[k] = camera.center[k];
    ray.along[k] = (camera.R[k] * x + camera.R[3 + k] * y + camera.R[6 + k]) * ray.depth;
    ray.basis[1 + k] = ray.along[k];
  }
  return ray;
}

// Where a ray enters and leaves an axis-aligned box.
inline bool clip(const Ray& ray, const float low[3], const float high[3], float& enter, float& leave) {
  for (int k = 0; k < 3; ++k) {
    const float along = std::fabs(ray.along[k]) > 1e-12f ? ray.along[k] : 1e-12f;
    const float a = (low[k] - ray.start[k]) / along, b = (high[k] - ray.start[k]) / along;
    enter = std::max(enter, std::min(a, b));
    leave = std::min(leave, std::max(a, b));
  }
  return enter < leave;
}

// S, never so small that quotients lose their meaning.
inline float logistic(float x) { return 1 / (1 + std::exp(-std::max(x, -60.0f))); }

// The share of light that passes between two samples.
inline float passing(const Sample& first, const Sample& second) { return std::min(1.0f, second.lit / first.lit); }

// Samples along a ray, near to far, until no light is left.
inline int march(const Field& field, const Ray& ray, const Optics& optics, float shift, Sample* samples) {
  const float low[3] = {0, 0, 0};
  const float high[3] = {float(field.nodes[0] - 1) - 1e-3f, float(field.nodes[1] - 1) - 1e-3f,
                         float(field.nodes[2] - 1) - 1e-3f};
  float at = 0, end = 1e30f;
  if (!clip(ray, low, high, at, end)) return 0;
  at += 1e-3f + shift * optics.step;
  int count = 0;
  float light = 1;
  while (at < end && count < kMostSamples) {
    float p[3];
    for (int k = 0; k < 3; ++k) p[k] = std::clamp(ray.start[k] + at * ray.along[k], 0.0f, high[k]);
    const int block[3] = {int(p[0]) >> 2, int(p[1]) >> 2, int(p[2]) >> 2};
    const std::int32_t entry = field.table[block_index(field, block[0], block[1], block[2])];
    if (entry < 0 && entry != kInside) {
      float first[3], last[3], enter = -1e30f, leave = 1e30f;
      const int free = -entry - 1;
      for (int k = 0; k < 3; ++k) {
        first[k] = float(kSide * (block[k] - free));
        last[k] = float(kSide * (block[k] + free + 1));
      }
      clip(ray, first, last, enter, leave);
      at = std::max(at, leave) + (0.01f + shift) * optics.step;
      continue;
    }
    Sample& sample = samples[count];
    find_cell(field, p, false, sample.cell);
    const float f = distance_in(field, sample.cell);
    sample.at = at;
    sample.distance = f;
    sample.lit = logistic(optics.sharpness * f);
    if (count > 0) light *= passing(samples[count - 1], sample);
    sample.light = light;
    ++count;
    if (entry == kInside || light < kDark) break;
    // Further off steps may be longer: the surface is not nearer than its distance.
    at += std::max({optics.step, kLeap * f, f - kReach / optics.sharpness});
  }
  return count;
}

// Weights of the samples' colours; gives the opacity.
inline float weigh(Sample* samples, int count) {
  for (int i = 0; i < count; ++i) samples[i].weight = 0;
  for (int i = 0; i + 1 < count; ++i) {
    const float half = 0.5f * (samples[i].light - samples[i + 1].light);
    samples[i].weight += half;
    samples[i + 1].weight += half;
  }
  return count > 0 ? 1 - samples[count - 1].light : 0.0f;
}

struct Seen {
  float rgb[3], opacity, depth;  // depth: sum of weights times distance along z
};

inline Seen look(const Field& field, const Ray& ray, Sample* samples, int count) {
  Seen seen{{0, 0, 0}, weigh(samples, count), 0};
  for (int i = 0; i < count; ++i) {
    Sample& sample = samples[i];
    seen.depth += sample.weight * sample.at * ray.depth;
    for (float& value : sample.color) value = 0;
    if (sample.weight < kFaint) continue;
    color_in(field, sample.cell, ray.basis, sample.color);
    for (int k = 0; k < 3; ++k) seen.rgb[k] += sample.weight * sample.color[k];
  }
  return seen;
}

// How an error depends on what is seen: by the sums of weight times colour, of weights, and of weight times depth.
struct Pull {
  float rgb[3], opacity, depth;
};

// Derivative by each sample's distance, into `by_distance`.
inline void pull_distances(const Ray& ray, const Optics& optics, const Pull& pull, const Sample* samples, int count,
                           float* by_distance) {
  float worth[kMostSamples];
  for (int i = 0; i < count; ++i) {
    const Sample& s = samples[i];
    worth[i] = pull.opacity + pull.depth * s.at * ray.depth;
    for (int k = 0; k < 3; ++k) worth[i] += pull.rgb[k] * s.color[k];
    by_distance[i] = 0;
  }
  float behind = 0;  // what the intervals further away are worth
  for (int i = count - 2; i >= 0; --i) {
    const float mean = 0.5f * (worth[i] + worth[i + 1]);
    if (samples[i + 1].lit < samples[i].lit) {
      // By the fall of S's logarithm, whose derivative by the distance is sharpness (1 - S).
      const float by_fall = optics.sharpness * (samples[i + 1].light * mean - behind);
      by_distance[i] += by_fall * (1 - samples[i].lit);
      by_distance[i + 1] -= by_fall * (1 - samples[i + 1].lit);
    }
    behind += (samples[i].light - samples[i + 1].light) * mean;
  }
}

inline void mark(const Cell& cell, std::uint8_t* seen) {
  for (int c = 0; c < 8; ++c)
    if (cell.row[c] >= 0) seen[cell.row[c] / kNodes] = 1;
}

inline void scatter_color(const Ray& ray, const float rgb[3], const Sample& sample, float* gradient) {
  float row[kChannels] = {};
  for (int k = 0; k < 3; ++k)
    for (int j = 0; j < 4; ++j) row[4 * k + j] = sample.weight * rgb[k] * ray.basis[j];
  for (int c = 0; c < 8; ++c) {
    if (sample.cell.row[c] < 0) continue;
    float* to = gradient + std::size_t(sample.cell.row[c]) * kChannels;
    for (int n = 0; n < kChannels; ++n) to[n] += sample.cell.weight[c] * row[n];
  }
}

// A gradient of one pixel's errors: colour against the photo's, opacity against the mask, depth against evidence.
inline Pull judge(const Seen& seen, const float target[4], float trust, const float* depth, const Optics& optics,
                  Losses& losses) {
  Pull pull{};
  float error[3], size = optics.noise * optics.noise;
  for (int k = 0; k < 3; ++k) {
    error[k] = seen.rgb[k] - seen.opacity * target[k];
    size += error[k] * error[k];
  }
  size = std::sqrt(size);
  // tail log(1 + size / tail): as large as the error, then hardly growing.
  const float weight = optics.color * trust * target[3];
  losses.color += weight * optics.tail * std::log1p((size - optics.noise) / optics.tail);
  const float by_size = weight / (1 + (size - optics.noise) / optics.tail);
  for (int k = 0; k < 3; ++k) {
    pull.rgb[k] = by_size * error[k] / size;
    pull.opacity -= pull.rgb[k] * target[k];
  }
  constexpr float kSoft = 0.05f;
  const float missing = seen.opacity - target[3];
  const float root = std::sqrt(missing * missing + kSoft * kSoft);
  losses.mask += optics.mask * (root - kSoft);
  pull.opacity += optics.mask * missing / root;
  if (depth && depth[1] > 0) {
    // In voxels, by the opacity; far off it says nothing.
    constexpr float kNear = 3.0f;
    const float off = seen.depth - seen.opacity * depth[0];
    const float whole = std::sqrt(off * off + 1);
    const float scale = optics.depth * depth[1];
    losses.depth += scale * kNear * std::log1p((whole - 1) / kNear);
    pull.depth = scale * off / whole / (1 + (whole - 1) / kNear);
    pull.opacity -= pull.depth * depth[0];
  }
  return pull;
}

inline float shift_of(std::int64_t number, double phase) {
  const double x = double(number) * kGolden + phase;
  return float(x - std::floor(x));
}

}  // namespace

Losses GYPSUM_VARIANT(descend)(const Field& field, const Camera* cameras, const Rays& rays, const Optics& optics,
                               int threads, Gradient gradient) {
  const std::size_t rows = std::size_t(field.count) * kNodes;
  double color = 0, mask = 0, depth = 0;
  std::int64_t taken = 0;
  // A fixed share for each thread, so that sums do not depend on chance.
  std::vector<Losses> parts(threads);
#pragma omp parallel num_threads(threads)
  {
    const int self = omp_get_thread_num();
    float* by_row = gradient.distance + self * rows;
    float* by_color = gradient.color + self * rows * kChannels;
    std::uint8_t* seen_blocks = gradient.seen + self * std::size_t(field.count);
    Sample samples[kMostSamples];
    float by_distance[kMostSamples];
    Losses losses;
#pragma omp for schedule(static, 256)
    for (std::int64_t n = 0; n < rays.count; ++n) {
      const std::int32_t i = rays.chosen[n];
      const Ray ray = make_ray(cameras[rays.camera[i]], rays.pixel + 2 * std::size_t(i));
      const int count = march(field, ray, optics, shift_of(i, optics.phase), samples);
      const Seen seen = look(field, ray, samples, count);
      const Pull pull = judge(seen, rays.target + 4 * std::size_t(i), rays.trust[i],
                              rays.depth ? rays.depth + 2 * std::size_t(i) : nullptr, optics, losses);
      losses.samples += count;
      if (seen.opacity < 1e-6f) continue;
      pull_distances(ray, optics, pull, samples, count, by_distance);
      for (int k = 0; k < count; ++k) {
        const Sample& sample = samples[k];
        const bool colored = sample.weight >= kFaint;
        if (by_distance[k] == 0 && !colored) continue;
        mark(sample.cell, seen_blocks);
        for (int c = 0; c < 8; ++c)
          if (sample.cell.row[c] >= 0) by_row[sample.cell.row[c]] += sample.cell.weight[c] * by_distance[k];
        if (colored) scatter_color(ray, pull.rgb, sample, by_color);
      }
    }
    parts[self] = losses;
  }
  for (const Losses& part : parts) {
    color += part.color;
    mask += part.mask;
    depth += part.depth;
    taken += part.samples;
  }
  return {color, mask, depth, taken};
}

// Adds the squared derivatives of what pixels show (three colours and opacity) by the distances: how much the
// photos would change if a node's did. Colours that are wrong anyway tell little. `squares`: (threads, rows).
void GYPSUM_VARIANT(inform)(const Field& field, const Camera* cameras, const Rays& rays, const Optics& optics,
                            int threads, float* squares) {
  const std::size_t rows = std::size_t(field.count) * kNodes;
#pragma omp parallel num_threads(threads)
  {
    float* by_row = squares + omp_get_thread_num() * rows;
    Sample samples[kMostSamples];
    float by_distance[kMostSamples];
#pragma omp for schedule(static, 256)
    for (std::int64_t n = 0; n < rays.count; ++n) {
      const std::int32_t i = rays.chosen[n];
      const float* target = rays.target + 4 * std::size_t(i);
      const Ray ray = make_ray(cameras[rays.camera[i]], rays.pixel + 2 * std::size_t(i));
      const int count = march(field, ray, optics, shift_of(i, optics.phase), samples);
      const Seen seen = look(field, ray, samples, count);
      if (seen.opacity < 1e-6f) continue;
      float wrong = 0;
      for (int k = 0; k < 3; ++k) {
        const float error = (seen.rgb[k] - seen.opacity * target[k]) / optics.tail;
        wrong += error * error;
      }
      for (int part = 0; part < 4; ++part) {
        Pull pull{};
        if (part < 3) {
          pull.rgb[part] = optics.color * rays.trust[i] * target[3] / (1 + wrong);
          pull.opacity = -pull.rgb[part] * seen.rgb[part] / seen.opacity;
        } else {
          pull.opacity = optics.mask;
        }
        pull_distances(ray, optics, pull, samples, count, by_distance);
        for (int k = 0; k < count; ++k)
          for (int c = 0; c < 8; ++c)
            if (samples[k].cell.row[c] >= 0) {
              const float d = samples[k].cell.weight[c] * by_distance[k];
              by_row[samples[k].cell.row[c]] += d * d;
            }
      }
    }
  }
}

void GYPSUM_VARIANT(draw)(const Field& field, const Camera* cameras, const Rays& rays, const Optics& optics, int threads,
                          float* drawn) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1024)
  for (std::int64_t n = 0; n < rays.count; ++n) {
    Sample samples[kMostSamples];
    const std::int32_t i = rays.chosen[n];
    const Ray ray = make_ray(cameras[rays.camera[i]], rays.pixel + 2 * std::size_t(i));
    const int count = march(field, ray, optics, shift_of(i, optics.phase), samples);
    const Seen seen = look(field, ray, samples, count);
    float normal[3] = {};
    for (int k = 0; k < count; ++k) {
      if (samples[k].weight < kFaint) continue;
      float p[3];
      for (int a = 0; a < 3; ++a)
        p[a] = std::clamp(ray.start[a] + samples[k].at * ray.along[a], 0.0f, float(field.nodes[a] - 1));
      find_cell(field, p, true, samples[k].cell);
      for (int a = 0; a < 3; ++a)
        for (int c = 0; c < 8; ++c)
          normal[a] += samples[k].weight * samples[k].cell.slope[a][c] * value_of(field, samples[k].cell, c);
    }
    const float length = std::sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
    float* to = drawn + kDrawn * n;
    for (int k = 0; k < 3; ++k) to[k] = seen.rgb[k];
    to[3] = seen.opacity;
    to[4] = seen.opacity > 0 ? seen.depth / seen.opacity : 0.0f;
    for (int a = 0; a < 3; ++a) to[5 + a] = length > 0 ? normal[a] / length : 0.0f;
  }
}

// Distances and colours (none where `color` is null) at index coordinates.
void GYPSUM_VARIANT(sample)(const Field& field, const float* points, std::int64_t count, int threads, float* distance,
                            float* color) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t n = 0; n < count; ++n) {
    float p[3];
    for (int k = 0; k < 3; ++k) p[k] = std::clamp(points[3 * n + k], 0.0f, float(field.nodes[k] - 1));
    Cell cell;
    find_cell(field, p, false, cell);
    distance[n] = distance_in(field, cell);
    if (!color) continue;
    // Corners without a block have no colour to give.
    float weight = 1e-9f, sum[kChannels] = {};
    for (int c = 0; c < 8; ++c) {
      if (cell.row[c] < 0) continue;
      weight += cell.weight[c];
      const float* row = field.color + std::size_t(cell.row[c]) * kChannels;
      for (int k = 0; k < kChannels; ++k) sum[k] += cell.weight[c] * row[k];
    }
    for (int k = 0; k < kChannels; ++k) color[n * kChannels + k] = sum[k] / weight;
  }
}

}  // namespace gypsum::sdf

// Hashes and gradient noise (Perlin 2002) with band limiting, the source of every texture.
#pragma once

#include <cstdint>

#include "sample/vec.hpp"

namespace gypsum::sample {

// A 32-bit finaliser with good avalanche ("lowbias32", Wellons).
inline uint32_t hash(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}
inline uint32_t hash(int x, int y, uint32_t salt) {
  return hash(static_cast<uint32_t>(x) + hash(static_cast<uint32_t>(y) + hash(salt)));
}
inline uint32_t lattice(int x, int y, int z) {
  return hash(static_cast<uint32_t>(x) * 0x8da6b343u + static_cast<uint32_t>(y) * 0xd8163841u +
              static_cast<uint32_t>(z) * 0xcb1ab31fu);
}
// In [0, 1); `k` picks one of several independent values.
inline float uniform(uint32_t h, uint32_t k = 0) {
  return static_cast<float>((k ? hash(h + k * 0x9e3779b9u) : h) >> 8) * (1.0f / 16777216.0f);
}

inline float fade(float s) { return s * s * s * (s * (s * 6 - 15) + 10); }

// Dot product of (x, y, z) with one of twelve edge directions.
inline float gradient(uint32_t h, float x, float y, float z) {
  const uint32_t k = h >> 28;
  const float u = k < 8 ? x : y;
  const float v = k < 4 ? y : (k == 12 || k == 14 ? x : z);
  return ((k & 1) ? -u : u) + ((k & 2) ? -v : v);
}

// Gradient noise, about [-1, 1], period none within 2^31, features of size one.
inline float noise(Vec3 p) {
  const int x = floor_int(p.x), y = floor_int(p.y), z = floor_int(p.z);
  const float fx = p.x - x, fy = p.y - y, fz = p.z - z;
  const float u = fade(fx), v = fade(fy), w = fade(fz);
  float corner[8];
  for (int i = 0; i < 8; ++i) {
    const int a = i & 1, b = i >> 1 & 1, c = i >> 2;
    corner[i] = gradient(lattice(x + a, y + b, z + c), fx - a, fy - b, fz - c);
  }
  return mix(mix(mix(corner[0], corner[1], u), mix(corner[2], corner[3], u), v),
             mix(mix(corner[4], corner[5], u), mix(corner[6], corner[7], u), v), w);
}

// What is left of a wave of `frequency` (1/m) seen by pixels of `footprint` metres: all of it down
// to about four pixels per wave, nothing below two, where it could only alias.
inline float band_limit(float frequency, float footprint) {
  return 1 - smoothstep(0.3f, 0.7f, frequency * footprint);
}

// Sum of octaves from `frequency` (1/m) upwards, each `gain` times the one before; about [-1, 1].
inline float fractal(Vec3 p, float frequency, int octaves, float gain, float footprint) {
  float sum = 0, amplitude = 1, total = 0;
  for (int i = 0; i < octaves; ++i) {
    total += amplitude;
    const float seen = band_limit(frequency, footprint);
    if (seen > 0) sum += amplitude * seen * noise(p * frequency);
    // Turn the lattice so that octaves don't line up.
    p = {0.8f * p.x - 0.6f * p.y + 0.371f, 0.48f * p.x + 0.64f * p.y - 0.6f * p.z + 0.113f,
         0.36f * p.x + 0.48f * p.y + 0.8f * p.z + 0.577f};
    frequency *= 2.03f;
    amplitude *= gain;
  }
  return sum / (0.6f * total);
}

// Nearest point of a jittered grid with cells of size one (Worley 1996), in the plane.
struct Cell {
  uint32_t id;   // of the nearest site
  float edge;    // distance to the border with the next cell, in cells
  float dx, dy;  // from the site
};

inline Cell cells(float x, float y, uint32_t salt, float jitter = 0.8f) {
  const int column = floor_int(x), row = floor_int(y);
  Cell best{0, 0, 0, 0};
  float nearest = 1e9f;
  float sx[9], sy[9];
  int chosen = 0;
  for (int k = 0; k < 9; ++k) {
    const int i = column + k % 3 - 1, j = row + k / 3 - 1;
    const uint32_t h = hash(i, j, salt);
    sx[k] = i + 0.5f + jitter * (uniform(h, 1) - 0.5f) - x;
    sy[k] = j + 0.5f + jitter * (uniform(h, 2) - 0.5f) - y;
    const float distance = sx[k] * sx[k] + sy[k] * sy[k];
    if (distance < nearest) {
      nearest = distance;
      chosen = k;
      best = {h, 0, -sx[k], -sy[k]};
    }
  }
  best.edge = 1e9f;
  for (int k = 0; k < 9; ++k) {
    if (k == chosen) continue;
    const float ax = sx[k] - sx[chosen], ay = sy[k] - sy[chosen];
    const float mx = 0.5f * (sx[k] + sx[chosen]), my = 0.5f * (sy[k] + sy[chosen]);
    best.edge = std::min(best.edge, (mx * ax + my * ay) / std::max(length(ax, ay), 1e-6f));
  }
  return best;
}

}  // namespace gypsum::sample

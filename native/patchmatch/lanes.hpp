// Eight floats side by side: AVX2 where the translation unit may use it, plain arrays elsewhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gypsum::patchmatch {
namespace {

#if defined(__AVX2__)

struct Lanes {
  __m256 v;
  static Lanes load(const float* p) { return {_mm256_load_ps(p)}; }
  static Lanes all(float x) { return {_mm256_set1_ps(x)}; }
  float sum() const {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_shuffle_ps(s, s, 1));
    return _mm_cvtss_f32(s);
  }
};
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.v, b.v)}; }

// Bilinear samples at (x, y), given in index coordinates. Only what is `clamped` may lie outside the
// picture. The index is exact in single precision because pictures have fewer than 2^24 pixels.
template <bool clamped>
inline Lanes sample(const std::uint32_t* quads, int width, int height, Lanes x, Lanes y) {
  __m256 px = x.v, py = y.v;
  if constexpr (clamped) {
    const __m256 zero = _mm256_setzero_ps();
    px = _mm256_min_ps(_mm256_max_ps(px, zero), _mm256_set1_ps(float(width - 1)));
    py = _mm256_min_ps(_mm256_max_ps(py, zero), _mm256_set1_ps(float(height - 1)));
  }
  const __m256 ix = _mm256_floor_ps(px), iy = _mm256_floor_ps(py);
  const __m256 fx = _mm256_sub_ps(px, ix), fy = _mm256_sub_ps(py, iy);
  const __m256i index = _mm256_cvttps_epi32(_mm256_fmadd_ps(iy, _mm256_set1_ps(float(width)), ix));
  const __m256i quad = _mm256_i32gather_epi32(reinterpret_cast<const int*>(quads), index, 4);
  const __m256i byte = _mm256_set1_epi32(255);
  const __m256 p00 = _mm256_cvtepi32_ps(_mm256_and_si256(quad, byte));
  const __m256 p10 = _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(quad, 8), byte));
  const __m256 p01 = _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(quad, 16), byte));
  const __m256 p11 = _mm256_cvtepi32_ps(_mm256_srli_epi32(quad, 24));
  const __m256 top = _mm256_fmadd_ps(fx, _mm256_sub_ps(p10, p00), p00);
  const __m256 bottom = _mm256_fmadd_ps(fx, _mm256_sub_ps(p11, p01), p01);
  return {_mm256_fmadd_ps(fy, _mm256_sub_ps(bottom, top), top)};
}

#else

struct Lanes {
  float v[8];
  static Lanes load(const float* p) {
    Lanes r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static Lanes all(float x) { return {{x, x, x, x, x, x, x, x}}; }
  float sum() const {
    const float s0 = v[0] + v[4], s1 = v[1] + v[5], s2 = v[2] + v[6], s3 = v[3] + v[7];
    return (s0 + s2) + (s1 + s3);
  }
};
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  for (int i = 0; i < 8; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
inline Lanes operator*(Lanes a, Lanes b) {
  for (int i = 0; i < 8; ++i) a.v[i] *= b.v[i];
  return a;
}
inline Lanes operator+(Lanes a, Lanes b) {
  for (int i = 0; i < 8; ++i) a.v[i] += b.v[i];
  return a;
}
template <bool clamped>
inline Lanes sample(const std::uint32_t* quads, int width, int height, Lanes x, Lanes y) {
  Lanes r;
  for (int i = 0; i < 8; ++i) {
    const float px = clamped ? std::min(std::max(x.v[i], 0.0f), float(width - 1)) : x.v[i];
    const float py = clamped ? std::min(std::max(y.v[i], 0.0f), float(height - 1)) : y.v[i];
    const int ix = int(px), iy = int(py);
    const float fx = px - float(ix), fy = py - float(iy);
    const std::uint32_t quad = quads[iy * width + ix];
    const float p00 = float(quad & 255), p10 = float((quad >> 8) & 255);
    const float p01 = float((quad >> 16) & 255), p11 = float(quad >> 24);
    const float top = p00 + fx * (p10 - p00), bottom = p01 + fx * (p11 - p01);
    r.v[i] = top + fy * (bottom - top);
  }
  return r;
}

#endif

}  // namespace
}  // namespace gypsum::patchmatch

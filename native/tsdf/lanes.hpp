// Eight values side by side: AVX2 where the translation unit may use it, plain arrays elsewhere. No
// operation rounds differently in the two.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gypsum::tsdf {
namespace {

#if defined(__AVX2__)

struct Floats {
  __m256 v;
  static Floats all(float x) { return {_mm256_set1_ps(x)}; }
  static Floats counting() { return {_mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7)}; }
  static Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
};
struct Ints {
  __m256i v;
  static Ints all(int x) { return {_mm256_set1_epi32(x)}; }
  void store(std::int32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
};
struct Mask {
  __m256 v;
  bool any() const { return _mm256_movemask_ps(v) != 0; }
};

inline Floats operator+(Floats a, Floats b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Floats least(Floats a, Floats b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Floats most(Floats a, Floats b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Ints operator+(Ints a, Ints b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Ints operator*(Ints a, Ints b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
inline Ints whole(Floats a) { return {_mm256_cvttps_epi32(a.v)}; }
inline Floats floats(Ints a) { return {_mm256_cvtepi32_ps(a.v)}; }
inline Mask operator<(Floats a, Floats b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator<=(Floats a, Floats b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
inline Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
inline Floats choose(Mask m, Floats a, Floats b) { return {_mm256_blendv_ps(b.v, a.v, m.v)}; }
// The number where the mask holds, 0 elsewhere.
inline Ints where(Mask m, Ints a) { return {_mm256_and_si256(_mm256_castps_si256(m.v), a.v)}; }
inline Floats gather(const float* from, Ints at) { return {_mm256_i32gather_ps(from, at.v, 4)}; }

#else

struct Floats {
  float v[8];
  static Floats all(float x) { return {{x, x, x, x, x, x, x, x}}; }
  static Floats counting() { return {{0, 1, 2, 3, 4, 5, 6, 7}}; }
  static Floats load(const float* p) {
    Floats r;
    std::copy_n(p, 8, r.v);
    return r;
  }
  void store(float* p) const { std::copy_n(v, 8, p); }
};
struct Ints {
  std::int32_t v[8];
  static Ints all(int x) { return {{x, x, x, x, x, x, x, x}}; }
  void store(std::int32_t* p) const { std::copy_n(v, 8, p); }
};
struct Mask {
  bool v[8];
  bool any() const { return std::any_of(v, v + 8, [](bool m) { return m; }); }
};

template <class R, class A, class F>
inline R each(A a, A b, F f) {
  R r;
  for (int i = 0; i < 8; ++i) r.v[i] = f(a.v[i], b.v[i]);
  return r;
}
inline Floats operator+(Floats a, Floats b) { return each<Floats>(a, b, [](float x, float y) { return x + y; }); }
inline Floats operator-(Floats a, Floats b) { return each<Floats>(a, b, [](float x, float y) { return x - y; }); }
inline Floats operator*(Floats a, Floats b) { return each<Floats>(a, b, [](float x, float y) { return x * y; }); }
inline Floats operator/(Floats a, Floats b) { return each<Floats>(a, b, [](float x, float y) { return x / y; }); }
inline Floats least(Floats a, Floats b) { return each<Floats>(a, b, [](float x, float y) { return x < y ? x : y; }); }
inline Floats most(Floats a, Floats b) { return each<Floats>(a, b, [](float x, float y) { return x > y ? x : y; }); }
inline Ints operator+(Ints a, Ints b) { return each<Ints>(a, b, [](int x, int y) { return x + y; }); }
inline Ints operator*(Ints a, Ints b) { return each<Ints>(a, b, [](int x, int y) { return x * y; }); }
inline Ints whole(Floats a) {
  Ints r;
  for (int i = 0; i < 8; ++i) r.v[i] = std::int32_t(a.v[i]);
  return r;
}
inline Floats floats(Ints a) {
  Floats r;
  for (int i = 0; i < 8; ++i) r.v[i] = float(a.v[i]);
  return r;
}
inline Mask operator<(Floats a, Floats b) { return each<Mask>(a, b, [](float x, float y) { return x < y; }); }
inline Mask operator<=(Floats a, Floats b) { return each<Mask>(a, b, [](float x, float y) { return x <= y; }); }
inline Mask operator&(Mask a, Mask b) { return each<Mask>(a, b, [](bool x, bool y) { return x && y; }); }
inline Floats choose(Mask m, Floats a, Floats b) {
  for (int i = 0; i < 8; ++i) a.v[i] = m.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline Ints where(Mask m, Ints a) {
  for (int i = 0; i < 8; ++i) a.v[i] = m.v[i] ? a.v[i] : 0;
  return a;
}
inline Floats gather(const float* from, Ints at) {
  Floats r;
  for (int i = 0; i < 8; ++i) r.v[i] = from[at.v[i]];
  return r;
}

#endif

}  // namespace
}  // namespace gypsum::tsdf

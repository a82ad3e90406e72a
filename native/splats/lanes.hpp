// Eight floats side by side, by the vector extension of GCC and Clang; AVX2 where the unit may use it.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gypsum::splats {
namespace {

using Floats = float __attribute__((vector_size(32)));
using Ints = std::int32_t __attribute__((vector_size(32)));

inline Floats load(const float* p) {
  Floats v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Floats v) { std::memcpy(p, &v, sizeof v); }
inline Floats all(float x) { return Floats{x, x, x, x, x, x, x, x}; }
inline Ints least(Ints a, Ints b) { return a < b ? a : b; }
inline Ints most(Ints a, Ints b) { return a > b ? a : b; }

#if defined(__AVX2__)
inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats least(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats most(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats root(Floats a) { return _mm256_sqrt_ps(a); }
inline Ints whole(Floats a) { return (Ints)_mm256_cvtps_epi32(a); }
inline Floats keep(Floats a, Ints mask) { return _mm256_and_ps(a, (__m256)mask); }
inline bool any(Ints mask) { return _mm256_movemask_ps((__m256)mask) != 0; }
#else
inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
inline Floats least(Floats a, Floats b) { return a < b ? a : b; }
inline Floats most(Floats a, Floats b) { return a > b ? a : b; }
inline Floats root(Floats a) {
  for (int i = 0; i < 8; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
// To the nearest integer, as the processor rounds.
inline Ints whole(Floats a) {
  const Floats shift = all(12582912.0f);
  const Floats shifted = a + shift;
  Ints bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4b400000;
}
inline Floats keep(Floats a, Ints mask) {
  Ints bits;
  std::memcpy(&bits, &a, sizeof bits);
  bits &= mask;
  std::memcpy(&a, &bits, sizeof a);
  return a;
}
inline bool any(Ints mask) {
  std::int32_t found = 0;
  for (int i = 0; i < 8; ++i) found |= mask[i];
  return found != 0;
}
#endif

inline float sum(Floats v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// 2^x for -100 < x < 100 with a relative error below 3e-6: the integer part goes into the exponent,
// 2^f by a polynomial fitted to |f| <= 1/2.
inline Floats exp2(Floats x) {
  const Floats shift = all(12582912.0f);  // 1.5 * 2^23: adding it leaves the integer in the low bits
  const Floats shifted = x + shift;
  const Floats f = x - (shifted - shift);
  Floats p = all(0.00958285f);
  p = fma(p, f, all(0.05590643f));
  p = fma(p, f, all(0.24024099f));
  p = fma(p, f, all(0.69312419f));
  p = fma(p, f, all(1.0f));
  Ints bits, exponent;
  std::memcpy(&bits, &p, sizeof bits);
  std::memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;
  std::memcpy(&p, &bits, sizeof p);
  return p;
}

}  // namespace
}  // namespace gypsum::splats

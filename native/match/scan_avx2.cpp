#include "match/scan.hpp"

#if defined(__AVX2__)

#include <immintrin.h>

#include "match/lanes.hpp"

namespace gypsum::match {
namespace {

// Components are widened to 16 bits: products of unsigned bytes overflow the 8-bit instruction.
struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kStep = 2;
  using Packed = int16_t;
  using Vector = __m256i;

  static Packed pack_query(uint8_t value) { return value; }
  static int32_t bias(int32_t) { return 0; }
  static Vector load(const void* from) { return _mm256_load_si256(static_cast<const Vector*>(from)); }
  static void store(void* to, Vector v) { _mm256_store_si256(static_cast<Vector*>(to), v); }
  static Vector set(int32_t value) { return _mm256_set1_epi32(value); }
  static Vector broadcast(const Packed* from) {
    int32_t both;
    __builtin_memcpy(&both, from, sizeof both);
    return _mm256_set1_epi32(both);
  }
  static Vector multiply_add(Vector sum, Vector b, Vector a) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(b, a));
  }
  static Vector add(Vector a, Vector b) { return _mm256_add_epi32(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_epi32(a, b); }
  static void insert(Vector score, Vector number, Vector& best, Vector& second, Vector& index) {
    const Vector better = _mm256_cmpgt_epi32(score, best);
    second = _mm256_max_epi32(second, _mm256_min_epi32(score, best));
    best = _mm256_max_epi32(score, best);
    index = _mm256_blendv_epi8(index, number, better);
  }
};

}  // namespace

void scan_avx2(const Side& a, const Side& b, Nearest rows, Nearest columns) {
  scan_lanes<Avx2>(a, b, rows, columns);
}

}  // namespace gypsum::match

#else

namespace gypsum::match {
void scan_avx2(const Side& a, const Side& b, Nearest rows, Nearest columns) {
  scan_portable(a, b, rows, columns);
}
}  // namespace gypsum::match

#endif

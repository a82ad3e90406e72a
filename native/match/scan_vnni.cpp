#include "match/scan.hpp"

#if defined(__AVX512VNNI__)

#include <immintrin.h>

#include "match/lanes.hpp"

namespace gypsum::match {
namespace {

// The 8-bit instruction multiplies unsigned by signed: queries are shifted by -128, and what that
// takes from the inner product, 128 times the sum of the candidate, is where the sum starts.
struct Vnni {
  static constexpr int kLanes = 16;
  static constexpr int kStep = 4;
  using Packed = uint8_t;
  using Vector = __m512i;

  static Packed pack_query(uint8_t value) { return value ^ 0x80; }
  static int32_t bias(int32_t sum) { return 128 * sum; }
  static Vector load(const void* from) { return _mm512_load_si512(from); }
  static void store(void* to, Vector v) { _mm512_store_si512(to, v); }
  static Vector set(int32_t value) { return _mm512_set1_epi32(value); }
  static Vector broadcast(const Packed* from) {
    int32_t four;
    __builtin_memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Vector multiply_add(Vector sum, Vector b, Vector a) {
    return _mm512_dpbusd_epi32(sum, b, a);
  }
  static Vector add(Vector a, Vector b) { return _mm512_add_epi32(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm512_sub_epi32(a, b); }
  static void insert(Vector score, Vector number, Vector& best, Vector& second, Vector& index) {
    const __mmask16 better = _mm512_cmpgt_epi32_mask(score, best);
    second = _mm512_max_epi32(second, _mm512_min_epi32(score, best));
    best = _mm512_max_epi32(score, best);
    index = _mm512_mask_mov_epi32(index, better, number);
  }
};

}  // namespace

void scan_vnni(const Side& a, const Side& b, Nearest rows, Nearest columns) {
  scan_lanes<Vnni>(a, b, rows, columns);
}

}  // namespace gypsum::match

#else

namespace gypsum::match {
void scan_vnni(const Side& a, const Side& b, Nearest rows, Nearest columns) {
  scan_portable(a, b, rows, columns);
}
}  // namespace gypsum::match

#endif

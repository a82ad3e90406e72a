// The inner product of every descriptor of one photo with every descriptor of another, reduced on
// the fly to the two nearest neighbours in both directions. Nothing of size N x M is ever stored.
#pragma once

#include <cstdint>

namespace gypsum::match {

constexpr int kDimensions = 128;
// Lower than any score; its double still fits an int32.
constexpr int32_t kNone = -(1 << 29);

// Descriptors and the sums that turn inner products into distances.
struct Side {
  const uint8_t* descriptors;  // (count, 128)
  const int32_t* norms;        // (count,) squared length
  int count;
};

// The nearest and second nearest neighbour of each query, as scores: score = 2 a.b - |b|^2, so the
// squared distance is |a|^2 - score. Equal scores go to the lower index.
struct Nearest {
  int32_t* best;
  int32_t* second;
  int32_t* index;
};

// Fills `rows` for each descriptor of a and `columns` for each of b. All paths give equal integers.
void scan_portable(const Side& a, const Side& b, Nearest rows, Nearest columns);
void scan_avx2(const Side& a, const Side& b, Nearest rows, Nearest columns);
void scan_vnni(const Side& a, const Side& b, Nearest rows, Nearest columns);

// Whether the processor and the build have the 8-bit multiply-accumulate that scan_vnni needs.
bool has_vnni();

}  // namespace gypsum::match

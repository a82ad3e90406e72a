#include "match/scan.hpp"

namespace gypsum::match {
namespace {

void insert(int32_t score, int32_t candidate, Nearest& nearest, int query) {
  if (score > nearest.best[query]) {
    nearest.second[query] = nearest.best[query];
    nearest.best[query] = score;
    nearest.index[query] = candidate;
  } else if (score > nearest.second[query]) {
    nearest.second[query] = score;
  }
}

void clear(Nearest& nearest, int count) {
  for (int i = 0; i < count; ++i) {
    nearest.best[i] = nearest.second[i] = kNone;
    nearest.index[i] = 0;
  }
}

}  // namespace

void scan_portable(const Side& a, const Side& b, Nearest rows, Nearest columns) {
  clear(rows, a.count);
  clear(columns, b.count);
  for (int i = 0; i < a.count; ++i) {
    const uint8_t* x = a.descriptors + static_cast<long>(i) * kDimensions;
    for (int j = 0; j < b.count; ++j) {
      const uint8_t* y = b.descriptors + static_cast<long>(j) * kDimensions;
      int32_t dot = 0;
      for (int d = 0; d < kDimensions; ++d) dot += static_cast<int32_t>(x[d]) * y[d];
      insert(2 * dot - b.norms[j], j, rows, i);
      insert(2 * dot - a.norms[i], i, columns, j);
    }
  }
}

}  // namespace gypsum::match

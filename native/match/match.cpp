#include "match/match.hpp"

#include "common/cpu.hpp"
#include "match/scan.hpp"

namespace gypsum::match {

bool has_vnni() {
#if defined(__x86_64__)
  static const bool found =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return found;
#else
  return false;
#endif
}

namespace {

std::vector<int32_t> squared_lengths(const uint8_t* descriptors, int count) {
  std::vector<int32_t> norms(count);
  for (int i = 0; i < count; ++i) {
    const uint8_t* x = descriptors + static_cast<long>(i) * kDimensions;
    int32_t sum = 0;
    for (int d = 0; d < kDimensions; ++d) sum += static_cast<int32_t>(x[d]) * x[d];
    norms[i] = sum;
  }
  return norms;
}

// The storage behind a `Nearest`.
struct Neighbours {
  explicit Neighbours(int count) : best(count), second(count), index(count) {}
  Nearest view() { return {best.data(), second.data(), index.data()}; }
  bool distinct(int i, int32_t norm, double squared_ratio) const {
    const double nearest = static_cast<double>(norm) - best[i];
    const double next = static_cast<double>(norm) - second[i];
    return nearest < squared_ratio * next;
  }
  std::vector<int32_t> best, second, index;
};

void scan(const Side& a, const Side& b, Nearest rows, Nearest columns, Path path) {
  const bool vnni = has_vnni(), avx2 = has_avx2();
  if (vnni && (path == Path::automatic || path == Path::vnni)) {
    scan_vnni(a, b, rows, columns);
  } else if (avx2 && (path == Path::automatic || path == Path::avx2)) {
    scan_avx2(a, b, rows, columns);
  } else {
    scan_portable(a, b, rows, columns);
  }
}

}  // namespace

std::vector<uint32_t> match(const uint8_t* a, int a_count, const uint8_t* b, int b_count,
                            double ratio, Path path) {
  std::vector<uint32_t> pairs;
  if (a_count == 0 || b_count == 0) return pairs;
  const std::vector<int32_t> a_norms = squared_lengths(a, a_count);
  const std::vector<int32_t> b_norms = squared_lengths(b, b_count);
  Neighbours rows(a_count), columns(b_count);
  scan({a, a_norms.data(), a_count}, {b, b_norms.data(), b_count}, rows.view(), columns.view(), path);
  const double squared_ratio = ratio * ratio;
  for (int i = 0; i < a_count; ++i) {
    const int j = rows.index[i];
    if (columns.index[j] == i && rows.distinct(i, a_norms[i], squared_ratio) &&
        columns.distinct(j, b_norms[j], squared_ratio)) {
      pairs.push_back(static_cast<uint32_t>(i));
      pairs.push_back(static_cast<uint32_t>(j));
    }
  }
  return pairs;
}

}  // namespace gypsum::match

// A step of Adam (Kingma and Ba 2015) on what a photo showed; the rest does not move.
#include <omp.h>

#include <cmath>

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

void adam(const AdamStep& step, const float* derivatives, const std::uint8_t* seen,
          std::size_t count, int threads, float* rows, float* first, float* second) {
  const float correction1 = 1.0f - std::pow(step.beta1, float(step.step));
  const float correction2 = std::sqrt(1.0f - std::pow(step.beta2, float(step.step)));
  float rates[kRow];
  for (int c = 0; c < kRow; ++c) rates[c] = step.rates[c] / correction1;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < std::int64_t(count); ++i) {
    if (!seen[i]) continue;
    const float* g = derivatives + i * kRow;
    float *row = rows + i * kRow, *m = first + i * kRow, *v = second + i * kRow;
#pragma omp simd
    for (int c = 0; c < step.columns; ++c) {
      m[c] = step.beta1 * m[c] + (1.0f - step.beta1) * g[c];
      v[c] = step.beta2 * v[c] + (1.0f - step.beta2) * g[c] * g[c];
      row[c] -= rates[c] * m[c] / (std::sqrt(v[c]) / correction2 + step.epsilon);
    }
  }
}

}  // namespace
}  // namespace gypsum::splats::GYPSUM_VARIANT

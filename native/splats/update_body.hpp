// Steps of the optimiser: Adam on what a photo showed, and random steps of the nearly transparent.
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

// A well mixed number from a counter (splitmix64, Steele et al. 2014).
inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Two independent normal numbers (Box and Muller 1958).
inline void normals(std::uint64_t bits, float* out) {
  const float u = (float(bits >> 40) + 1.0f) * (1.0f / 16777217.0f);
  const float angle = float((bits >> 16) & 0xffffff) * (6.2831853f / 16777216.0f);
  const float radius = std::sqrt(-2.0f * std::log(u));
  out[0] = radius * std::cos(angle);
  out[1] = radius * std::sin(angle);
}

void jitter(float* rows, std::size_t count, float strength, std::uint64_t seed, int threads) {
  constexpr float kSteepness = 100.0f, kHalf = 0.005f;  // of Kheradmand et al.'s switch by opacity
  constexpr float kVisible = 0.1f;                      // above it the switch is below 1e-4
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < std::int64_t(count); ++i) {
    float* row = rows + i * kRow;
    const float opacity = 1.0f / (1.0f + std::exp(-row[kOpacity]));
    if (opacity > kVisible) continue;
    const float gate = strength / (1.0f + std::exp(kSteepness * (opacity - kHalf)));
    float n[4];
    const std::uint64_t key = mixed(seed) + 2 * std::uint64_t(i);
    normals(mixed(key), n);
    normals(mixed(key + 1), n + 2);
    const float* q = row + kTurn;
    const float norm2 = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
    if (!(norm2 > 0)) continue;
    const float s = 2.0f / norm2, w = q[0], x = q[1], y = q[2], z = q[3];
    const float axes[9] = {1 - s * (y * y + z * z), s * (x * y - w * z),     s * (x * z + w * y),
                           s * (x * y + w * z),     1 - s * (x * x + z * z), s * (y * z - w * x),
                           s * (x * z - w * y),     s * (y * z + w * x),     1 - s * (x * x + y * y)};
    // Covariance times noise: along each axis the variance times the noise's part.
    for (int j = 0; j < 3; ++j) {
      const float part = axes[j] * n[0] + axes[3 + j] * n[1] + axes[6 + j] * n[2];
      const float step = gate * std::exp(2.0f * row[kScale + j]) * part;
      for (int k = 0; k < 3; ++k) row[kMean + k] += axes[3 * k + j] * step;
    }
  }
}

}  // namespace
}  // namespace gypsum::splats::GYPSUM_VARIANT

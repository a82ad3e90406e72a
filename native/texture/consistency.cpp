#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

constexpr int kEnough = 4;          // fewer photos can't outvote each other
constexpr float kLeastSpread = 0.02f;  // of the colour range: noise and small misalignment
constexpr float kMostSpread = 0.06f;   // ghosts must not widen their own tolerance beyond this
constexpr float kTolerance = 4;     // in robust standard deviations
constexpr float kRejected = 1e-6f;  // scale of a rejected score: below every weak candidate

float median(std::vector<float>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Distance of each candidate's colour from the face's typical one, in robust deviations.
void deviations(const float* colors, std::size_t count, std::vector<float>& buffer, float* out) {
  std::array<float, 3> center{};
  for (int c = 0; c < 3; ++c) {
    buffer.clear();
    for (std::size_t i = 0; i < count; ++i) buffer.push_back(colors[3 * i + c]);
    center[c] = median(buffer);
  }
  for (std::size_t i = 0; i < count; ++i) {
    float sum = 0;
    for (int c = 0; c < 3; ++c) {
      const float d = colors[3 * i + c] - center[c];
      sum += d * d;
    }
    out[i] = std::sqrt(sum);
  }
  buffer.assign(out, out + count);
  const float spread = std::clamp(1.48f * median(buffer), kLeastSpread, kMostSpread);
  for (std::size_t i = 0; i < count; ++i) out[i] /= spread;
}

std::int64_t candidate(const std::int64_t* first, const std::int32_t* views, std::int32_t face,
                       std::int32_t view) {
  const auto* begin = views + first[face];
  const auto* end = views + first[face + 1];
  const auto* found = std::lower_bound(begin, end, view);
  return found != end && *found == view ? found - views : -1;
}

// A candidate whose neighbours in the same photo were mostly rejected shows the same intruder.
void close_gaps(const std::int64_t* first, const std::int32_t* views, std::size_t face_count,
                const std::int32_t* edges, std::size_t edge_count, std::vector<std::uint8_t>& bad) {
  std::vector<std::uint8_t> known(static_cast<std::size_t>(first[face_count])), rejected(known);
  for (std::size_t e = 0; e < edge_count; ++e) {
    const std::int32_t a = edges[2 * e], b = edges[2 * e + 1];
    for (std::int64_t i = first[a]; i < first[a + 1]; ++i) {
      const std::int64_t j = candidate(first, views, b, views[i]);
      if (j < 0) continue;
      ++known[i], ++known[j];
      rejected[i] += bad[j];
      rejected[j] += bad[i];
    }
  }
  for (std::size_t i = 0; i < bad.size(); ++i) {
    if (known[i] >= 2 && 2 * rejected[i] > known[i]) bad[i] = 1;
  }
}

}  // namespace

std::size_t reject_outliers(const std::int64_t* first, const std::int32_t* views,
                            const float* colors, std::size_t face_count, const std::int32_t* edges,
                            std::size_t edge_count, int threads, float* score) {
  const std::size_t total = static_cast<std::size_t>(first[face_count]);
  std::vector<std::uint8_t> bad(total);
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> buffer, distance;
#pragma omp for schedule(static)
    for (std::size_t f = 0; f < face_count; ++f) {
      const std::size_t count = static_cast<std::size_t>(first[f + 1] - first[f]);
      if (count < kEnough) continue;
      distance.resize(count);
      deviations(colors + 3 * first[f], count, buffer, distance.data());
      for (std::size_t i = 0; i < count; ++i) {
        const float d = distance[i];
        bad[first[f] + i] = d > kTolerance;
        score[first[f] + i] /= 1 + 0.1f * d * d;  // prefer typical looks among the accepted
      }
    }
  }
  for (int pass = 0; pass < 2; ++pass) {
    close_gaps(first, views, face_count, edges, edge_count, bad);
  }
  std::size_t rejected = 0;
  for (std::size_t i = 0; i < total; ++i) {
    if (!bad[i]) continue;
    ++rejected;
    score[i] *= kRejected;
  }
  return rejected;
}

}  // namespace gypsum::texture

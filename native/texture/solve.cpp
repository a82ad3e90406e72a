#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

using Triple = std::array<double, 3>;

constexpr std::size_t kSmall = 200000;  // unknowns that one thread solves as fast: few steps wait
constexpr std::size_t kBlock = 4096;  // sums run over fixed blocks: equal for any thread count

// Sum of f(i) over i < count, in a fixed order.
template <class F>
Triple blocked_sum(std::size_t count, int threads, F&& f) {
  const std::size_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<Triple> parts(blocks, Triple{});
#pragma omp parallel for schedule(static) num_threads(threads) if (count > kSmall)
  for (std::size_t b = 0; b < blocks; ++b) {
    Triple sum{};
    for (std::size_t i = b * kBlock; i < std::min(count, (b + 1) * kBlock); ++i) {
      for (int c = 0; c < 3; ++c) sum[c] += f(i, c);
    }
    parts[b] = sum;
  }
  Triple total{};
  for (const Triple& part : parts) {
    for (int c = 0; c < 3; ++c) total[c] += part[c];
  }
  return total;
}

}  // namespace

double solve_spd(const std::int64_t* first, const std::int32_t* columns, const double* values,
                 std::size_t count, const double* rhs, int iterations, double tolerance,
                 int threads, double* x) {
  std::vector<double> inverse(count), r(3 * count), p(3 * count), q(3 * count);
  const auto multiply = [&](const double* in, double* out) {
#pragma omp parallel for schedule(static) num_threads(threads) if (count > kSmall)
    for (std::size_t i = 0; i < count; ++i) {
      double sum[3] = {0, 0, 0};
      for (std::int64_t k = first[i]; k < first[i + 1]; ++k) {
        const double* v = in + 3 * static_cast<std::size_t>(columns[k]);
        for (int c = 0; c < 3; ++c) sum[c] += values[k] * v[c];
      }
      for (int c = 0; c < 3; ++c) out[3 * i + c] = sum[c];
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    double diagonal = 0;
    for (std::int64_t k = first[i]; k < first[i + 1]; ++k) {
      if (columns[k] == static_cast<std::int32_t>(i)) diagonal += values[k];
    }
    inverse[i] = diagonal > 0 ? 1 / diagonal : 1;
  }
  multiply(x, q.data());
  for (std::size_t i = 0; i < 3 * count; ++i) {
    r[i] = rhs[i] - q[i];
    p[i] = r[i] * inverse[i / 3];
  }
  const auto dot = [&](const std::vector<double>& a, const std::vector<double>& b) {
    return blocked_sum(count, threads,
                       [&](std::size_t i, int c) { return a[3 * i + c] * b[3 * i + c]; });
  };
  const Triple scale = blocked_sum(
      count, threads, [&](std::size_t i, int c) { return rhs[3 * i + c] * rhs[3 * i + c]; });
  const auto residual = [&] {
    const Triple now = dot(r, r);
    double worst = 0;
    for (int c = 0; c < 3; ++c) {
      if (scale[c] > 0) worst = std::max(worst, std::sqrt(now[c] / scale[c]));
    }
    return worst;
  };
  const auto preconditioned = [&] {
    return blocked_sum(count, threads, [&](std::size_t i, int c) {
      return r[3 * i + c] * r[3 * i + c] * inverse[i];
    });
  };
  Triple rz = preconditioned();
  double worst = residual();
  for (int step = 0; step < iterations && worst > tolerance; ++step) {
    multiply(p.data(), q.data());
    const Triple pq = dot(p, q);
    Triple alpha{};
    for (int c = 0; c < 3; ++c) alpha[c] = pq[c] > 0 ? rz[c] / pq[c] : 0;
#pragma omp parallel for schedule(static) num_threads(threads) if (count > kSmall)
    for (std::size_t i = 0; i < count; ++i) {
      for (int c = 0; c < 3; ++c) {
        x[3 * i + c] += alpha[c] * p[3 * i + c];
        r[3 * i + c] -= alpha[c] * q[3 * i + c];
      }
    }
    const Triple next = preconditioned();
    Triple beta{};
    for (int c = 0; c < 3; ++c) beta[c] = rz[c] > 0 ? next[c] / rz[c] : 0;
    rz = next;
#pragma omp parallel for schedule(static) num_threads(threads) if (count > kSmall)
    for (std::size_t i = 0; i < count; ++i) {
      for (int c = 0; c < 3; ++c) {
        p[3 * i + c] = r[3 * i + c] * inverse[i] + beta[c] * p[3 * i + c];
      }
    }
    worst = residual();
  }
  return worst;
}

}  // namespace gypsum::texture

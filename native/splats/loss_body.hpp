// How a rendered picture differs from a photo: (1 - w) L1 + w (1 - SSIM), with its derivative.
//
// SSIM (Wang et al. 2004) with a Gaussian window of 11 pixels; beyond the border there is nothing,
// so the window is its own transpose and the derivative is three more convolutions.
#include <omp.h>

#include <cmath>
#include <cstring>

namespace gypsum::splats::GYPSUM_VARIANT {
namespace {

constexpr int kRadius = 5;
constexpr int kWidest = 16384;  // of a picture, pixels
constexpr float kC1 = 0.01f * 0.01f, kC2 = 0.03f * 0.03f;

struct Window {
  float weights[2 * kRadius + 1];
  Window() {
    float total = 0;
    for (int i = -kRadius; i <= kRadius; ++i)
      total += weights[i + kRadius] = std::exp(-float(i * i) / (2 * 1.5f * 1.5f));
    for (float& weight : weights) weight /= total;
  }
};

// out[x] = sum of window(i) row[x + i]; `row` has kRadius zeros on either side.
inline void blur_row(const Window& window, const float* row, int width, float* out) {
  for (int x = 0; x < width; ++x) {
    float value = 0;
    for (int i = 0; i <= 2 * kRadius; ++i) value += window.weights[i] * row[x + i - kRadius];
    out[x] = value;
  }
}

// Rows of the thread's own, with room for the window beside them.
struct Rows {
  explicit Rows(int width) : stride(width + 2 * kRadius), data(new float[16 * stride]()) {}
  ~Rows() { delete[] data; }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  float* operator[](int row) const { return data + row * stride + kRadius; }
  std::size_t stride;
  float* data;
};

// The photo and the rendered picture as they are compared, planes of (3, height, width).
void prepare(const Target& target, const float* drawn, int threads, float* photo, float* shown) {
  const std::size_t plane = std::size_t(target.width) * target.height;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int y = 0; y < target.height; ++y) {
    const std::size_t row = std::size_t(y) * target.width;
    for (int k = 0; k < 3; ++k) {
      const float* e = target.exposure + 4 * k;
      const float* c = drawn + row;
      float* to = shown + k * plane + row;
      for (int x = 0; x < target.width; ++x)
        to[x] = e[0] * c[x] + e[1] * c[plane + x] + e[2] * c[2 * plane + x] + e[3];
      const std::uint8_t* pixels = target.photo + 3 * row + k;
      float* seen = photo + k * plane + row;
      for (int x = 0; x < target.width; ++x) seen[x] = float(pixels[3 * x]) * (1.0f / 255.0f);
      if (!target.mask) continue;
      for (int x = 0; x < target.width; ++x) {
        const float inside = float(target.mask[row + x]) * (1.0f / 255.0f);
        seen[x] = inside * seen[x] + (1.0f - inside) * target.background[k];
      }
    }
  }
}

// SSIM of one row of one colour, and its derivative by the three means that depend on `shown`.
double structure_row(const Window& window, const float* photo, const float* shown, int width,
                     int height, int y, const Rows& rows, float* by_mean, float* by_square,
                     float* by_product, float* ssim) {
  for (int m = 0; m < 5; ++m) std::memset(rows[m], 0, sizeof(float) * width);
  for (int i = -kRadius; i <= kRadius; ++i) {
    if (y + i < 0 || y + i >= height) continue;
    const float weight = window.weights[i + kRadius];
    const float* p = photo + std::int64_t(i) * width;
    const float* s = shown + std::int64_t(i) * width;
    float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3], *r4 = rows[4];
#pragma omp simd
    for (int x = 0; x < width; ++x) {
      const float ws = weight * s[x], wp = weight * p[x];
      r0[x] += ws;
      r1[x] += wp;
      r2[x] += ws * s[x];
      r3[x] += wp * p[x];
      r4[x] += ws * p[x];
    }
  }
  for (int m = 0; m < 5; ++m) blur_row(window, rows[m], width, rows[5 + m]);
  const float *ms = rows[5], *mp = rows[6], *ss = rows[7], *pp = rows[8], *sp = rows[9];
#pragma omp simd
  for (int x = 0; x < width; ++x) {
    const float a1 = 2 * ms[x] * mp[x] + kC1, a2 = 2 * (sp[x] - ms[x] * mp[x]) + kC2;
    const float b1 = ms[x] * ms[x] + mp[x] * mp[x] + kC1;
    const float b2 = ss[x] - ms[x] * ms[x] + pp[x] - mp[x] * mp[x] + kC2;
    const float scale = 1.0f / (b1 * b2), value = a1 * a2 * scale;
    by_product[x] = 2 * a1 * scale;
    by_square[x] = -value / b2;
    by_mean[x] = 2 * (mp[x] * (a2 - a1) * scale - ms[x] * value * (1.0f / b1 - 1.0f / b2));
    ssim[x] = value;
  }
  double total = 0;
  for (int x = 0; x < width; ++x) total += ssim[x];
  return total;
}

Loss compare(const Target& target, const float* drawn, int threads, float* scratch,
             float* derivative, float* error) {
  static const Window window;
  const int width = target.width, height = target.height;
  const std::size_t plane = std::size_t(width) * height;
  float *photo = scratch, *shown = scratch + 3 * plane, *maps = scratch + 6 * plane;
  prepare(target, drawn, threads, photo, shown);
  const float share = 1.0f / float(3 * plane);
  std::vector<double> sums(std::size_t(height) * 14, 0.0);  // of each row: L1, SSIM, exposure
#pragma omp parallel num_threads(threads)
  {
    const Rows rows(width);
#pragma omp for schedule(static)
    for (int y = 0; y < height; ++y) {
      const std::size_t row = std::size_t(y) * width;
      for (int k = 0; k < 3; ++k) {
        float* map = maps + 3 * k * plane + row;
        float* ssim = rows[10];
        sums[std::size_t(y) * 14 + 1] +=
            structure_row(window, photo + k * plane + row, shown + k * plane + row, width, height,
                          y, rows, map, map + plane, map + 2 * plane, ssim);
        const float *p = photo + k * plane + row, *s = shown + k * plane + row;
        double l1 = 0;
        for (int x = 0; x < width; ++x) {
          const float off = std::fabs(s[x] - p[x]);
          l1 += off;
          const float wrong =
              ((1 - target.ssim_weight) * off + target.ssim_weight * (1 - ssim[x])) * (1.0f / 3);
          error[row + x] = k ? error[row + x] + wrong : wrong;
        }
        sums[std::size_t(y) * 14] += l1;
      }
    }
#pragma omp for schedule(static)
    for (int y = 0; y < height; ++y) {
      const std::size_t row = std::size_t(y) * width;
      for (int k = 0; k < 3; ++k) {
        for (int m = 0; m < 3; ++m) {
          float* column = rows[m];
          std::memset(column, 0, sizeof(float) * width);
          for (int i = -kRadius; i <= kRadius; ++i) {
            if (y + i < 0 || y + i >= height) continue;
            const float weight = window.weights[i + kRadius];
            const float* map = maps + (3 * k + m) * plane + row + std::int64_t(i) * width;
            for (int x = 0; x < width; ++x) column[x] += weight * map[x];
          }
          blur_row(window, column, width, rows[5 + m]);
        }
        const float *by_mean = rows[5], *by_square = rows[6], *by_product = rows[7];
        const float *p = photo + k * plane + row, *s = shown + k * plane + row;
        float* out = rows[10 + k];
        const float structure = -target.ssim_weight * share;
        const float step = (1 - target.ssim_weight) * share;
        for (int x = 0; x < width; ++x) {
          const float off = s[x] - p[x];
          out[x] = structure * (by_mean[x] + 2 * s[x] * by_square[x] + p[x] * by_product[x]) +
                   (off > 0 ? step : (off < 0 ? -step : 0.0f));
        }
      }
      // Back through the exposure.
      const float *g0 = rows[10], *g1 = rows[11], *g2 = rows[12], *e = target.exposure;
      double* by_exposure = sums.data() + std::size_t(y) * 14 + 2;
      for (int k = 0; k < 3; ++k) {
        float* to = derivative + k * plane + row;
        for (int x = 0; x < width; ++x)
          to[x] = e[k] * g0[x] + e[4 + k] * g1[x] + e[8 + k] * g2[x];
        const float* g = rows[10 + k];
        for (int j = 0; j < 4; ++j) {
          const float* c = drawn + (j < 3 ? j : 0) * plane + row;
          double total = 0;
          if (j < 3)
            for (int x = 0; x < width; ++x) total += double(g[x] * c[x]);
          else
            for (int x = 0; x < width; ++x) total += double(g[x]);
          by_exposure[4 * k + j] = total;
        }
      }
    }
  }
  Loss loss;
  for (int y = 0; y < height; ++y) {
    const double* row = sums.data() + std::size_t(y) * 14;
    loss.l1 += row[0] * share;
    loss.ssim += row[1] * share;
    for (int i = 0; i < 12; ++i) loss.exposure[i] += row[2 + i];
  }
  return loss;
}

}  // namespace
}  // namespace gypsum::splats::GYPSUM_VARIANT

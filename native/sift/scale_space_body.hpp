// The kernel's body, compiled once for each instruction set. Loops over rows are written so that the
// compiler turns them into vectors.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "sift/scale_space.hpp"

namespace gypsum::sift {
namespace {

constexpr float kPi = 3.14159265358979f;
// A photo has been blurred by its lens and sensor; twice as much at twice its size.
constexpr float kCameraBlur = 0.5f;
// Gaussians are cut where this many standard deviations are reached.
constexpr float kReach = 4.0f;
constexpr int kMostTaps = 32;
// Octaves are halved until their shorter side would be less than this.
constexpr int kSmallest = 16;
// Points nearer to the rim of a level are left out.
constexpr int kRim = 5;
constexpr int kRefinements = 5;
// Directions: bins of the histogram, its window in units of the scale, and the share of the highest
// peak from which on another one counts too.
constexpr int kDirections = 36;
constexpr float kDirectionWindow = 1.5f;
constexpr float kPeak = 0.8f;
// Descriptors: cells along a side, their size in units of the scale, and bins of each.
constexpr int kCells = 4;
constexpr float kCellSize = 3.0f;
constexpr int kBins = 8;
// No component counts for more than this share of the whole, so that one bright edge is not all.
constexpr float kClip = 0.2f;
constexpr float kLength = 512.0f;

// Half of a Gaussian: the middle first; the whole sums to one.
struct Kernel {
  int radius;
  float taps[kMostTaps];

  explicit Kernel(float sigma) : radius(std::min(int(std::ceil(kReach * sigma)), kMostTaps - 1)) {
    double sum = 0, values[kMostTaps];
    for (int i = 0; i <= radius; ++i) {
      values[i] = std::exp(-0.5 * i * i / (double(sigma) * sigma));
      sum += i == 0 ? values[i] : 2 * values[i];
    }
    for (int i = 0; i <= radius; ++i) taps[i] = float(values[i] / sum);
  }
};

int mirrored(int i, int n) {
  while (i < 0 || i >= n) i = i < 0 ? -1 - i : 2 * n - 1 - i;
  return i;
}

// Rows are blurred along the columns into a row that stays in the cache, then along themselves.
void blur(const float* from, float* to, int width, int height, const Kernel& kernel) {
  const int r = kernel.radius;
  std::vector<float> padded(std::size_t(width) + 2 * r);
  float* const middle = padded.data() + r;
  for (int y = 0; y < height; ++y) {
    const float* const center = from + std::size_t(y) * width;
    const float first = kernel.taps[0];
    for (int x = 0; x < width; ++x) middle[x] = first * center[x];
    int k = 1;
    for (; k + 1 <= r; k += 2) {  // two rings at a time: half the passes over the row
      const float* const a = from + std::size_t(mirrored(y - k, height)) * width;
      const float* const b = from + std::size_t(mirrored(y + k, height)) * width;
      const float* const c = from + std::size_t(mirrored(y - k - 1, height)) * width;
      const float* const d = from + std::size_t(mirrored(y + k + 1, height)) * width;
      const float near = kernel.taps[k], far = kernel.taps[k + 1];
      for (int x = 0; x < width; ++x) middle[x] += near * (a[x] + b[x]) + far * (c[x] + d[x]);
    }
    for (; k <= r; ++k) {
      const float* const a = from + std::size_t(mirrored(y - k, height)) * width;
      const float* const b = from + std::size_t(mirrored(y + k, height)) * width;
      const float tap = kernel.taps[k];
      for (int x = 0; x < width; ++x) middle[x] += tap * (a[x] + b[x]);
    }
    for (int x = 1; x <= r; ++x) {
      middle[-x] = middle[mirrored(-x, width)];
      middle[width - 1 + x] = middle[mirrored(width - 1 + x, width)];
    }
    float* const out = to + std::size_t(y) * width;
    for (int x = 0; x < width; ++x) out[x] = first * middle[x];
    for (k = 1; k + 1 <= r; k += 2) {
      const float near = kernel.taps[k], far = kernel.taps[k + 1];
      for (int x = 0; x < width; ++x) {
        out[x] += near * (middle[x - k] + middle[x + k]) + far * (middle[x - k - 1] + middle[x + k + 1]);
      }
    }
    for (; k <= r; ++k) {
      const float tap = kernel.taps[k];
      for (int x = 0; x < width; ++x) out[x] += tap * (middle[x - k] + middle[x + k]);
    }
  }
}

// Twice the size, by bilinear interpolation about the same middle.
void enlarge(const std::uint8_t* gray, int width, int height, float* to) {
  std::vector<float> row(width);
  for (int y = 0; y < 2 * height; ++y) {
    const int near = y / 2, far = std::clamp(near + (y % 2 ? 1 : -1), 0, height - 1);
    const std::uint8_t* const a = gray + std::size_t(near) * width;
    const std::uint8_t* const b = gray + std::size_t(far) * width;
    for (int x = 0; x < width; ++x) row[x] = (0.75f * a[x] + 0.25f * b[x]) / 255.0f;
    float* const out = to + std::size_t(y) * 2 * width;
    out[0] = row[0];
    out[2 * width - 1] = row[width - 1];
    for (int x = 0; x + 1 < width; ++x) {
      out[2 * x + 1] = 0.75f * row[x] + 0.25f * row[x + 1];
      out[2 * x + 2] = 0.25f * row[x] + 0.75f * row[x + 1];
    }
  }
}

float blur_of(float level) { return kSigma * std::exp2(level / kIntervals); }

// ---- Extrema ------------------------------------------------------------------------------------

// Three rows of the differences of neighbouring levels, and what is largest and smallest of each
// column of them.
struct Differences {
  static constexpr int kCount = kLevels - 1;
  const Octave& octave;
  int width;
  std::vector<float> rows[kCount];      // three rows, in turns
  std::vector<float> most[kCount], least[kCount];  // of 3 x 3 pixels

  explicit Differences(const Octave& o) : octave(o), width(o.width) {
    for (int l = 0; l < kCount; ++l) {
      rows[l].resize(3 * std::size_t(width));
      most[l].resize(width);
      least[l].resize(width);
    }
    high.resize(width);
    low.resize(width);
  }
  float* row(int l, int y) { return rows[l].data() + std::size_t(y % 3) * width; }
  void load(int y) {
    for (int l = 0; l < kCount; ++l) {
      const float* const a = octave.level(l) + std::size_t(y) * width;
      const float* const b = octave.level(l + 1) + std::size_t(y) * width;
      float* const out = row(l, y);
      for (int x = 0; x < width; ++x) out[x] = b[x] - a[x];
    }
  }
  void summarise() {
    for (int l = 0; l < kCount; ++l) {
      const float* const a = rows[l].data();
      const float* const b = a + width;
      const float* const c = b + width;
      float* const up = high.data();
      float* const down = low.data();
      for (int x = 0; x < width; ++x) {
        const float m = a[x] > b[x] ? a[x] : b[x];
        const float n = a[x] < b[x] ? a[x] : b[x];
        up[x] = m > c[x] ? m : c[x];
        down[x] = n < c[x] ? n : c[x];
      }
      float* const m = most[l].data();
      float* const n = least[l].data();
      for (int x = 1; x < width - 1; ++x) {
        const float left = up[x - 1] > up[x] ? up[x - 1] : up[x];
        const float below = down[x - 1] < down[x] ? down[x - 1] : down[x];
        m[x] = left > up[x + 1] ? left : up[x + 1];
        n[x] = below < down[x + 1] ? below : down[x + 1];
      }
    }
  }

 private:
  std::vector<float> high, low;
};

// The difference of Gaussians around one place.
struct Neighbourhood {
  const Octave& octave;
  float at(int l, int y, int x) const {
    const std::size_t i = std::size_t(y) * octave.width + x;
    return octave.level(l + 1)[i] - octave.level(l)[i];
  }
};

// Moves a point to the extremum of a quadratic fit; false where there is none worth having.
bool refine(const Octave& octave, int o, int l, int y, int x, float contrast, float edge, Point& point) {
  const Neighbourhood d{octave};
  float offset[3] = {}, gradient[3] = {};
  float xx = 0, yy = 0, xy = 0;
  int turn = 0;
  for (; turn < kRefinements; ++turn) {
    const float center = 2 * d.at(l, y, x);
    gradient[0] = (d.at(l, y, x + 1) - d.at(l, y, x - 1)) / 2;
    gradient[1] = (d.at(l, y + 1, x) - d.at(l, y - 1, x)) / 2;
    gradient[2] = (d.at(l + 1, y, x) - d.at(l - 1, y, x)) / 2;
    xx = d.at(l, y, x + 1) + d.at(l, y, x - 1) - center;
    yy = d.at(l, y + 1, x) + d.at(l, y - 1, x) - center;
    const float ss = d.at(l + 1, y, x) + d.at(l - 1, y, x) - center;
    xy = (d.at(l, y + 1, x + 1) - d.at(l, y + 1, x - 1) - d.at(l, y - 1, x + 1) + d.at(l, y - 1, x - 1)) / 4;
    const float xs = (d.at(l + 1, y, x + 1) - d.at(l + 1, y, x - 1) - d.at(l - 1, y, x + 1) + d.at(l - 1, y, x - 1)) / 4;
    const float ys = (d.at(l + 1, y + 1, x) - d.at(l + 1, y - 1, x) - d.at(l - 1, y + 1, x) + d.at(l - 1, y - 1, x)) / 4;
    // Cramer's rule for H offset = -gradient.
    const float a = yy * ss - ys * ys, b = ys * xs - xy * ss, c = xy * ys - yy * xs;
    const float determinant = xx * a + xy * b + xs * c;
    if (std::abs(determinant) < 1e-20f) return false;
    const float e = xx * ss - xs * xs, f = xy * xs - xx * ys, g = xx * yy - xy * xy;
    offset[0] = -(a * gradient[0] + b * gradient[1] + c * gradient[2]) / determinant;
    offset[1] = -(b * gradient[0] + e * gradient[1] + f * gradient[2]) / determinant;
    offset[2] = -(c * gradient[0] + f * gradient[1] + g * gradient[2]) / determinant;
    const float largest = std::max({std::abs(offset[0]), std::abs(offset[1]), std::abs(offset[2])});
    if (largest < 0.5f) break;
    if (!(largest < 1e6f)) return false;
    x += int(std::lround(offset[0]));
    y += int(std::lround(offset[1]));
    l += int(std::lround(offset[2]));
    if (l < 1 || l > kIntervals || x < kRim || y < kRim || x >= octave.width - kRim ||
        y >= octave.height - kRim) {
      return false;
    }
  }
  if (turn == kRefinements) return false;
  const float response = std::abs(d.at(l, y, x) + (gradient[0] * offset[0] + gradient[1] * offset[1] + gradient[2] * offset[2]) / 2);
  if (response * kIntervals < contrast) return false;
  const float trace = xx + yy, determinant = xx * yy - xy * xy;
  if (determinant <= 0 || trace * trace * edge >= (edge + 1) * (edge + 1) * determinant) return false;
  const float pixel = std::exp2(float(o)) / 2;  // of the octave, in pixels of the picture
  point.x = (x + offset[0]) * pixel + 0.25f;
  point.y = (y + offset[1]) * pixel + 0.25f;
  point.scale = blur_of(l + offset[2]) * pixel;
  point.response = response;
  point.octave = float(o);
  point.level = l + offset[2];
  return true;
}

void detect_in(const Octave& octave, int o, float contrast, float edge, std::vector<Point>& found) {
  if (octave.width <= 2 * kRim || octave.height <= 2 * kRim) return;
  Differences d(octave);
  const float least = 0.5f * contrast / kIntervals;
  std::vector<std::uint8_t> hit(octave.width);
  d.load(kRim - 1);
  d.load(kRim);
  for (int y = kRim; y < octave.height - kRim; ++y) {
    d.load(y + 1);
    d.summarise();
    for (int l = 1; l <= kIntervals; ++l) {
      const float* const here = d.row(l, y);
      const float *m0 = d.most[l - 1].data(), *m1 = d.most[l].data(), *m2 = d.most[l + 1].data();
      const float *n0 = d.least[l - 1].data(), *n1 = d.least[l].data(), *n2 = d.least[l + 1].data();
      std::uint8_t* const h = hit.data();
      int any = 0;
      for (int x = kRim; x < octave.width - kRim; ++x) {
        const float v = here[x];
        const int peak = (v > least) & (v >= m0[x]) & (v >= m1[x]) & (v >= m2[x]);
        const int pit = (v < -least) & (v <= n0[x]) & (v <= n1[x]) & (v <= n2[x]);
        h[x] = std::uint8_t(peak | pit);
        any |= peak | pit;
      }
      if (!any) continue;
      for (int x = kRim; x < octave.width - kRim; ++x) {
        Point point;
        if (h[x] && refine(octave, o, l, y, x, contrast, edge, point)) found.push_back(point);
      }
    }
  }
}

// ---- Directions and descriptors -----------------------------------------------------------------

// The angle of (x, y) in [0, 2 pi), to 1e-4: a polynomial (Abramowitz and Stegun 4.4.49) that
// the compiler can turn into vectors.
inline float angle_of(float y, float x) {
  const float ax = std::abs(x), ay = std::abs(y);
  const float large = ax > ay ? ax : ay, small = ax > ay ? ay : ax;
  const float t = small / (large + 1e-20f), s = t * t;
  float a = ((((0.0208351f * s - 0.0851330f) * s + 0.1801410f) * s - 0.3302995f) * s + 0.9998660f) * t;
  a = ay > ax ? kPi / 2 - a : a;
  a = x < 0 ? kPi - a : a;
  return y < 0 ? 2 * kPi - a : a;
}

// Scratch for the pixels of one row of a window.
struct Row {
  std::vector<float> size, angle, across, along, weight;
  std::vector<float> bell;  // a Gaussian of the distance along one axis

  void resize(int n) {
    for (auto* one : {&size, &angle, &across, &along, &weight, &bell}) {
      if (int(one->size()) < n) one->resize(n);
    }
  }
};

struct Spot {
  const float* level;
  int width, height;
  float x, y, scale;  // pixels of the octave
};

Spot spot_of(const std::vector<Octave>& octaves, const Point& point) {
  const Octave& octave = octaves[std::size_t(point.octave)];
  const float pixel = std::exp2(point.octave) / 2;
  const int level = std::clamp(int(std::lround(point.level)), 1, kIntervals);
  return {octave.level(level), octave.width, octave.height, (point.x - 0.25f) / pixel,
          (point.y - 0.25f) / pixel, blur_of(point.level)};
}

// Size and angle of the gradient at (x0 + i, y).
void gradients(const Spot& s, int x0, int y, int n, float* size, float* angle) {
  const float* const row = s.level + std::size_t(y) * s.width + x0;
  const float *const above = row - s.width, *const below = row + s.width;
  for (int i = 0; i < n; ++i) {
    const float dx = row[i + 1] - row[i - 1], dy = below[i] - above[i];
    size[i] = std::sqrt(dx * dx + dy * dy);
    angle[i] = angle_of(dy, dx);
  }
}

// exp(-(i - middle)^2 / (2 sigma^2)) for i = first ... first + n - 1.
void bell(float middle, float sigma, int first, int n, float* out) {
  for (int i = 0; i < n; ++i) {
    const float d = (first + i - middle) / sigma;
    out[i] = std::exp(-0.5f * d * d);
  }
}

int directions(const Spot& s, Row& row, float* found) {
  const float sigma = kDirectionWindow * s.scale;
  const int reach = int(std::lround(3 * sigma));
  const int cx = int(std::lround(s.x)), cy = int(std::lround(s.y));
  const int x0 = std::max(cx - reach, 1), x1 = std::min(cx + reach, s.width - 2);
  const int y0 = std::max(cy - reach, 1), y1 = std::min(cy + reach, s.height - 2);
  const int n = x1 - x0 + 1;
  float histogram[kDirections] = {};
  if (n <= 0) return 0;
  row.resize(std::max(n, y1 - y0 + 1));
  bell(s.x, sigma, x0, n, row.bell.data());
  for (int y = y0; y <= y1; ++y) {
    gradients(s, x0, y, n, row.size.data(), row.angle.data());
    const float d = (y - s.y) / sigma, down = std::exp(-0.5f * d * d);
    for (int i = 0; i < n; ++i) {
      row.weight[i] = row.size[i] * row.bell[i] * down;
      row.along[i] = row.angle[i] * (kDirections / (2 * kPi));
    }
    for (int i = 0; i < n; ++i) {
      int bin = int(row.along[i] + 0.5f);
      if (bin >= kDirections) bin -= kDirections;
      histogram[bin] += row.weight[i];
    }
  }
  float smooth[kDirections], most = 0;
  for (int i = 0; i < kDirections; ++i) {
    const auto at = [&](int k) { return histogram[(i + k + kDirections) % kDirections]; };
    smooth[i] = (at(-2) + at(2)) / 16 + (at(-1) + at(1)) / 4 + at(0) * 6 / 16;
    most = std::max(most, smooth[i]);
  }
  int count = 0;
  for (int i = 0; i < kDirections; ++i) {
    const float left = smooth[(i + kDirections - 1) % kDirections], here = smooth[i];
    const float right = smooth[(i + 1) % kDirections];
    if (here <= left || here <= right || here < kPeak * most) continue;
    const float shift = 0.5f * (left - right) / (left - 2 * here + right);
    float angle = (i + shift) * (2 * kPi / kDirections);
    if (angle < 0) angle += 2 * kPi;
    if (angle >= 2 * kPi) angle -= 2 * kPi;
    found[count++] = angle;
  }
  return count;
}

void descriptor(const Spot& s, float angle, Row& row, std::uint8_t* out) {
  // One cell and one bin more on each side: what falls outside is left there.
  constexpr int kSide = kCells + 2, kDepth = kBins + 2;
  float histogram[kSide * kSide * kDepth] = {};
  const float cell = kCellSize * s.scale;
  const float co = std::cos(angle) / cell, si = std::sin(angle) / cell;
  const float half = cell * (kCells + 1) / 2;  // of the window's side
  const float reach = half * (std::abs(std::cos(angle)) + std::abs(std::sin(angle)));
  const int y0 = std::max(int(std::ceil(s.y - reach)), 1);
  const int y1 = std::min(int(std::floor(s.y + reach)), s.height - 2);
  const int left = std::max(int(std::ceil(s.x - reach)), 1);
  const int right = std::min(int(std::floor(s.x + reach)), s.width - 2);
  if (left > right) {
    std::memset(out, 0, kDescriptor);
    return;
  }
  const float sigma = cell * kCells / 2;
  row.resize(right - left + 1);
  bell(s.x, sigma, left, right - left + 1, row.bell.data());
  constexpr float kMiddle = kCells / 2 - 0.5f;
  for (int y = y0; y <= y1; ++y) {
    const float dy = y - s.y;
    // Where the row enters and leaves the turned square: |dx co + dy si| and |dy co - dx si| stay
    // below half its side, in cells.
    float from = float(left) - s.x, to = float(right) - s.x;
    constexpr float kBound = (kCells + 1) / 2.0f;
    const auto limit = [&](float slope, float rest) {
      if (std::abs(slope) < 1e-9f) return;
      const float a = (-kBound - rest) / slope, b = (kBound - rest) / slope;
      from = std::max(from, std::min(a, b));
      to = std::min(to, std::max(a, b));
    };
    limit(co, dy * si);
    limit(-si, dy * co);
    const int x0 = std::max(int(std::ceil(from + s.x)), left);
    const int x1 = std::min(int(std::floor(to + s.x)), right);
    const int n = x1 - x0 + 1;
    if (n <= 0) continue;
    gradients(s, x0, y, n, row.size.data(), row.angle.data());
    const float d = dy / sigma, down = std::exp(-0.5f * d * d);
    const float* const side = row.bell.data() + (x0 - left);
    const float across0 = (x0 - s.x) * co + dy * si + kMiddle + 1;
    const float along0 = dy * co - (x0 - s.x) * si + kMiddle + 1;
    float *const across = row.across.data(), *const along = row.along.data();
    float *const weight = row.weight.data(), *const turn = row.angle.data();
    for (int i = 0; i < n; ++i) {
      across[i] = across0 + i * co;
      along[i] = along0 - i * si;
      weight[i] = row.size[i] * side[i] * down;
      const float a = turn[i] - angle;
      turn[i] = (a < 0 ? a + 2 * kPi : a) * (kBins / (2 * kPi));
    }
    for (int i = 0; i < n; ++i) {
      const int c = int(across[i]), r = int(along[i]), b = int(turn[i]);
      // Rounding may leave the square by a hair.
      if (across[i] < 0 || along[i] < 0 || c > kCells || r > kCells || b > kBins) continue;
      const float fc = across[i] - c, fr = along[i] - r, fb = turn[i] - b;
      const float w1 = weight[i] * fr, w0 = weight[i] - w1;
      const float w01 = w0 * fc, w00 = w0 - w01, w11 = w1 * fc, w10 = w1 - w11;
      float* const h = histogram + (r * kSide + c) * kDepth + b;
      h[0] += w00 - w00 * fb;
      h[1] += w00 * fb;
      h[kDepth] += w01 - w01 * fb;
      h[kDepth + 1] += w01 * fb;
      float* const g = h + kSide * kDepth;
      g[0] += w10 - w10 * fb;
      g[1] += w10 * fb;
      g[kDepth] += w11 - w11 * fb;
      g[kDepth + 1] += w11 * fb;
    }
  }
  float values[kDescriptor], squares = 0;
  for (int r = 0; r < kCells; ++r) {
    for (int c = 0; c < kCells; ++c) {
      float* const h = histogram + ((r + 1) * kSide + c + 1) * kDepth;
      h[0] += h[kBins];
      h[1] += h[kBins + 1];
      for (int b = 0; b < kBins; ++b) values[(r * kCells + c) * kBins + b] = h[b];
    }
  }
  for (const float v : values) squares += v * v;
  const float most = kClip * std::sqrt(squares);
  float sum = 0;
  for (float& v : values) {
    v = std::min(v, most);
    sum += v;
  }
  for (int i = 0; i < kDescriptor; ++i) {
    const float root = sum > 0 ? kLength * std::sqrt(values[i] / sum) : 0.0f;
    out[i] = std::uint8_t(std::min(root + 0.5f, 255.0f));
  }
}

}  // namespace

std::vector<Octave> GYPSUM_VARIANT(build)(const std::uint8_t* gray, int width, int height) {
  std::vector<Octave> octaves;
  octaves.emplace_back(2 * width, 2 * height);
  {
    Octave& first = octaves.front();
    // The picture at twice its size waits where the second level will be.
    enlarge(gray, width, height, first.level(1));
    const float blurred = 2 * kCameraBlur;
    const Kernel rest(std::sqrt(kSigma * kSigma - blurred * blurred));
    blur(first.level(1), first.level(0), first.width, first.height, rest);
  }
  for (;;) {
    const Octave& last = octaves.back();
    for (int l = 1; l < kLevels; ++l) {
      const float before = blur_of(l - 1.0f), after = blur_of(float(l));
      const Kernel step(std::sqrt(after * after - before * before));
      blur(last.level(l - 1), last.level(l), last.width, last.height, step);
    }
    const int w = last.width / 2, h = last.height / 2, wide = last.width;
    if (std::min(w, h) < kSmallest) break;
    const float* const from = last.level(kIntervals);
    Octave next(w, h);
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) next.level(0)[std::size_t(y) * w + x] = from[2 * (std::size_t(y) * wide + x)];
    }
    octaves.push_back(std::move(next));
  }
  return octaves;
}

std::vector<Point> GYPSUM_VARIANT(detect)(const std::vector<Octave>& octaves, float contrast, float edge) {
  std::vector<Point> found;
  for (std::size_t o = 0; o < octaves.size(); ++o) detect_in(octaves[o], int(o), contrast, edge, found);
  return found;
}

Described GYPSUM_VARIANT(describe)(const std::vector<Octave>& octaves, const Point* points, int count) {
  Described result;
  Row row;
  float angles[kDirections];
  for (int i = 0; i < count; ++i) {
    const Spot spot = spot_of(octaves, points[i]);
    const int found = directions(spot, row, angles);
    for (int k = 0; k < found; ++k) {
      result.places.insert(result.places.end(), {points[i].x, points[i].y, points[i].scale, angles[k]});
      result.descriptors.resize(result.descriptors.size() + kDescriptor);
      descriptor(spot, angles[k], row, result.descriptors.data() + result.descriptors.size() - kDescriptor);
    }
  }
  return result;
}

}  // namespace gypsum::sift

// The kernel's body, compiled once for each instruction set. Loops over rows are written so that the
// compiler turns them into vectors; the order of every sum is the same in all variants.
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "refine/compare.hpp"

namespace gypsum::refine {
namespace {

constexpr int kTile = 64;            // pixels of a tile's side, without its rim
constexpr float kFewest = 0.6f;      // share of a window's pixels that must be comparable
constexpr int kRim = 2;              // pixels around an outline that are left out
constexpr float kGrey = 127.5f;      // taken off grey levels: variances lose fewer digits

// A grid of floats around a tile.
struct Grid {
  int width, height;
  std::vector<float> v;

  Grid(int w, int h) : width(w), height(h), v(static_cast<std::size_t>(w) * h) {}
  float* row(int y) { return v.data() + static_cast<std::size_t>(y) * width; }
  const float* row(int y) const { return v.data() + static_cast<std::size_t>(y) * width; }
};

// Sums over squares of 2 r + 1 pixels; `out` is smaller than `in` by r on each side.
void box(const Grid& in, int r, Grid& rows, Grid& out) {
  for (int y = 0; y < in.height; ++y) {
    const float* from = in.row(y);
    float* to = rows.row(y);
    std::fill(to, to + out.width, 0.0f);
    for (int k = 0; k <= 2 * r; ++k) {
      for (int x = 0; x < out.width; ++x) to[x] += from[x + k];
    }
  }
  for (int y = 0; y < out.height; ++y) {
    float* to = out.row(y);
    std::fill(to, to + out.width, 0.0f);
    for (int k = 0; k <= 2 * r; ++k) {
      const float* from = rows.row(y + k);
      for (int x = 0; x < out.width; ++x) to[x] += from[x];
    }
  }
}

// From the reference camera's frame to another's.
struct Motion {
  float R[9], t[3];
};

Motion motion(const Camera& from, const Camera& to) {
  Motion m;
  for (int i = 0; i < 3; ++i) {
    double shift = to.t[i];
    for (int j = 0; j < 3; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += static_cast<double>(to.R[3 * i + k]) * from.R[3 * j + k];
      m.R[3 * i + j] = static_cast<float>(sum);
      shift -= sum * from.t[j];
    }
    m.t[i] = static_cast<float>(shift);
  }
  return m;
}

// How much deeper a neighbour `pixels` away may lie on the same surface: the surface's own slope at
// this cosine, and one pixel for its relief.
float allowed_jump(float depth, float focal, float cosine, float pixels) {
  const float slope = std::sqrt(std::max(0.0f, 1 - cosine * cosine)) / cosine;
  return depth / focal * (pixels * (slope + 1) + 2);
}

// Whether what a photo shows around a pixel is one surface at about this depth.
bool unbroken(const Photo& photo, int x, int y, float depth, float jump) {
  if (x < kRim || y < kRim || x + kRim >= photo.width || y + kRim >= photo.height) return false;
  for (int dy = -kRim; dy <= kRim; dy += kRim) {
    const float* row = photo.depth + static_cast<std::size_t>(y + dy) * photo.width + x;
    for (int dx = -kRim; dx <= kRim; dx += kRim) {
      if (!(std::abs(row[dx] - depth) <= jump)) return false;
    }
  }
  return true;
}

// The buffers of one tile; each thread has its own.
class Tile {
 public:
  Tile(const Surface& surface, const Photo& photo, const Fragments& fragments,
       const Options& options)
      : surface_(surface), photo_(photo), fragments_(fragments), options_(options),
        r_(options.radius), wide_(kTile + 4 * r_), middle_(kTile + 2 * r_) {}

  // Compares the tile whose first pixel is (x0, y0); adds to the pictures `pull` and `stiffness`.
  Sum run(int x0, int y0, const std::vector<Photo>& others, const std::vector<Motion>& motions,
          float* pull, float* stiffness) {
    x0_ = x0;
    y0_ = y0;
    Sum sum;
    if (!load()) return sum;
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (!warp(others[i], motions[i])) continue;
      correlate(sum);
      apply(pull, stiffness);
    }
    return sum;
  }

 private:
  // What does not depend on the other photo. False when the tile shows nothing.
  bool load() {
    bool any = false;
    const Camera& c = photo_.camera;
    for (int y = 0; y < wide_; ++y) {
      const int py = y0_ + y - 2 * r_;
      for (int x = 0; x < wide_; ++x) {
        const int px = x0_ + x - 2 * r_;
        float* along = along_.row(y) + x;
        *along = 0;
        mine_.row(y)[x] = 0;
        if (px < 0 || py < 0 || px >= photo_.width || py >= photo_.height) continue;
        const std::size_t at = static_cast<std::size_t>(py) * photo_.width + px;
        const std::int32_t face = fragments_.face[at];
        if (face < 0) continue;
        const float z = photo_.depth[at];
        const float X[3] = {(px + 0.5f - c.cx) / c.fx * z, (py + 0.5f - c.cy) / c.fy * z, z};
        const float* n = surface_.face_normals + 3 * static_cast<std::size_t>(face);
        float N[3];
        for (int i = 0; i < 3; ++i) {
          N[i] = c.R[3 * i] * n[0] + c.R[3 * i + 1] * n[1] + c.R[3 * i + 2] * n[2];
        }
        const float toward = N[0] * X[0] + N[1] * X[1] + N[2] * X[2];
        const float length = std::sqrt(X[0] * X[0] + X[1] * X[1] + X[2] * X[2]);
        const float cosine = -toward / length;
        if (!(cosine >= options_.min_cosine)) continue;
        if (!unbroken(photo_, px, py, z, allowed_jump(z, c.fx, cosine, kRim))) continue;
        *along = toward;
        depth_.row(y)[x] = z;
        for (int i = 0; i < 3; ++i) normal_[i].row(y)[x] = N[i];
        mine_.row(y)[x] = photo_.luma[at] - kGrey;
        any = true;
      }
    }
    return any;
  }

  // The other photo carried into this one. `shift_` is the change of its grey level when the surface
  // moves by one along its normal.
  bool warp(const Photo& other, const Motion& m) {
    bool any = false;
    const Camera& c = photo_.camera;
    const Camera& o = other.camera;
    for (int y = 0; y < wide_; ++y) {
      const float v = (y0_ + y - 2 * r_ + 0.5f - c.cy) / c.fy;
      for (int x = 0; x < wide_; ++x) {
        mask_.row(y)[x] = theirs_.row(y)[x] = shift_.row(y)[x] = 0;
        const float along = along_.row(y)[x];
        if (along == 0) continue;
        const float u = (x0_ + x - 2 * r_ + 0.5f - c.cx) / c.fx;
        const float z = depth_.row(y)[x];
        // q is the turned ray to the point, so Y = q + t is the point in the other camera's frame,
        // and q is also the direction in which it moves along the ray.
        float q[3], Y[3], back = 0, length = 0;
        for (int i = 0; i < 3; ++i) {
          q[i] = (m.R[3 * i] * u + m.R[3 * i + 1] * v + m.R[3 * i + 2]) * z;
          Y[i] = q[i] + m.t[i];
          const float n = m.R[3 * i] * normal_[0].row(y)[x] + m.R[3 * i + 1] * normal_[1].row(y)[x] +
                          m.R[3 * i + 2] * normal_[2].row(y)[x];
          back -= n * Y[i];
          length += Y[i] * Y[i];
        }
        if (!(Y[2] > 0)) continue;
        const float cosine = back / std::sqrt(length);
        if (!(cosine >= options_.min_cosine)) continue;
        const float w = 1 / Y[2];
        const float px = o.fx * Y[0] * w + o.cx - 0.5f, py = o.fy * Y[1] * w + o.cy - 0.5f;
        if (!(px >= 0 && py >= 0 && px < other.width - 1 && py < other.height - 1)) continue;
        const int ix = static_cast<int>(px), iy = static_cast<int>(py);
        const float fx = px - ix, fy = py - iy;
        const int nx = ix + (fx >= 0.5f), ny = iy + (fy >= 0.5f);
        if (!unbroken(other, nx, ny, Y[2], allowed_jump(Y[2], o.fx, cosine, kRim + 1))) continue;
        const std::uint8_t* p = other.luma + static_cast<std::size_t>(iy) * other.width + ix;
        const float a = p[0], b = p[1], d = p[other.width], e = p[other.width + 1];
        const float top = a + fx * (b - a), bottom = d + fx * (e - d);
        const float gx = (b - a) + fy * ((e - d) - (b - a)), gy = bottom - top;
        mask_.row(y)[x] = 1;
        theirs_.row(y)[x] = top + fy * (bottom - top) - kGrey;
        shift_.row(y)[x] = (gx * o.fx * (q[0] - Y[0] * w * q[2]) +
                            gy * o.fy * (q[1] - Y[1] * w * q[2])) * w / along;
        any = true;
      }
    }
    return any;
  }

  // Normalised cross-correlation of all windows, and the coefficients of its derivative:
  //   d energy / d theirs(p) = sum over windows of  A mine(p) + B theirs(p) + C,
  // and D for the Gauss-Newton approximation of the second derivative.
  void correlate(Sum& sum) {
    const int r = r_;
    for (int k = 0; k < 6; ++k) {
      for (int y = 0; y < wide_; ++y) {
        const float *m = mask_.row(y), *a = mine_.row(y), *b = theirs_.row(y);
        float* to = product_.row(y);
        switch (k) {
          case 0: std::copy(m, m + wide_, to); break;
          case 1: for (int x = 0; x < wide_; ++x) to[x] = m[x] * a[x]; break;
          case 2: for (int x = 0; x < wide_; ++x) to[x] = m[x] * b[x]; break;
          case 3: for (int x = 0; x < wide_; ++x) to[x] = m[x] * a[x] * a[x]; break;
          case 4: for (int x = 0; x < wide_; ++x) to[x] = m[x] * b[x] * b[x]; break;
          case 5: for (int x = 0; x < wide_; ++x) to[x] = m[x] * a[x] * b[x]; break;
        }
      }
      box(product_, r, rows_, moment_[k]);
    }
    const float fewest = kFewest * (2 * r + 1) * (2 * r + 1);
    const float floor = options_.noise * options_.noise, tau = options_.tolerance;
    for (int y = 0; y < middle_; ++y) {
      const float* center = mask_.row(y + r) + r;
      const float *count = moment_[0].row(y), *s1 = moment_[1].row(y), *s2 = moment_[2].row(y);
      const float *s11 = moment_[3].row(y), *s22 = moment_[4].row(y), *s12 = moment_[5].row(y);
      float *A = factor_[0].row(y), *B = factor_[1].row(y), *C = factor_[2].row(y);
      float *D = factor_[3].row(y), *energy = energy_.row(y);
      for (int x = 0; x < middle_; ++x) {
        const bool valid = center[x] > 0 && count[x] >= fewest;
        const float w = 1 / std::max(count[x], 1.0f);
        const float m1 = s1[x] * w, m2 = s2[x] * w;
        const float v1 = std::max(s11[x] * w - m1 * m1, 0.0f) + floor;
        const float v2 = std::max(s22[x] * w - m2 * m2, 0.0f) + floor;
        const float inverse = 1 / std::sqrt(v1 * v2);
        const float ncc = (s12[x] * w - m1 * m2) * inverse;
        const float error = std::max(1 - ncc, 0.0f);
        const float slope = tau / (tau + error);
        const float weight = valid ? slope * slope * w : 0.0f;
        A[x] = -weight * inverse;
        B[x] = weight * ncc / v2;
        C[x] = -(A[x] * m1 + B[x] * m2);
        D[x] = weight / v2;
        energy[x] = valid ? error * slope : -1.0f;
      }
    }
    for (int y = 0; y < kTile; ++y) {
      const float* energy = energy_.row(y + r) + r;
      for (int x = 0; x < kTile; ++x) {
        if (energy[x] < 0) continue;
        sum.energy += energy[x];
        ++sum.windows;
      }
    }
  }

  void apply(float* pull, float* stiffness) {
    const int r = r_;
    for (int k = 0; k < 4; ++k) box(factor_[k], r, rows_, total_[k]);
    const int height = std::min(kTile, photo_.height - y0_);
    const int width = std::min(kTile, photo_.width - x0_);
    for (int y = 0; y < height; ++y) {
      const float *A = total_[0].row(y), *B = total_[1].row(y), *C = total_[2].row(y);
      const float* D = total_[3].row(y);
      const float *a = mine_.row(y + 2 * r) + 2 * r, *b = theirs_.row(y + 2 * r) + 2 * r;
      const float* s = shift_.row(y + 2 * r) + 2 * r;
      const std::size_t at = static_cast<std::size_t>(y0_ + y) * photo_.width + x0_;
      for (int x = 0; x < width; ++x) {
        pull[at + x] += (A[x] * a[x] + B[x] * b[x] + C[x]) * s[x];
        stiffness[at + x] += D[x] * s[x] * s[x];
      }
    }
  }

  const Surface& surface_;
  const Photo& photo_;
  const Fragments& fragments_;
  const Options& options_;
  const int r_, wide_, middle_;
  int x0_ = 0, y0_ = 0;
  // Over the tile with a rim of two windows: what either photo shows.
  Grid along_{wide_, wide_}, depth_{wide_, wide_}, mine_{wide_, wide_}, theirs_{wide_, wide_};
  Grid mask_{wide_, wide_}, shift_{wide_, wide_}, product_{wide_, wide_}, rows_{wide_, wide_};
  Grid normal_[3] = {{wide_, wide_}, {wide_, wide_}, {wide_, wide_}};
  // With a rim of one window: the windows around its pixels.
  Grid moment_[6] = {{middle_, middle_}, {middle_, middle_}, {middle_, middle_},
                     {middle_, middle_}, {middle_, middle_}, {middle_, middle_}};
  Grid factor_[4] = {{middle_, middle_}, {middle_, middle_}, {middle_, middle_},
                     {middle_, middle_}};
  Grid energy_{middle_, middle_};
  // The tile itself: sums over the windows that hold each pixel.
  Grid total_[4] = {{kTile, kTile}, {kTile, kTile}, {kTile, kTile}, {kTile, kTile}};
};

// From pixels to vertices, in the pixels' order. A vertex that moves by one along its own normal
// moves its face's plane at a pixel by the pixel's weight times the cosine between both normals.
void gather(const Surface& surface, const Photo& photo, const Fragments& fragments,
            const std::vector<float>& pull, const std::vector<float>& stiffness,
            double* vertex_pull, double* vertex_stiffness) {
  const std::size_t pixels = static_cast<std::size_t>(photo.width) * photo.height;
  for (std::size_t p = 0; p < pixels; ++p) {
    if (stiffness[p] == 0 && pull[p] == 0) continue;
    const std::size_t face = static_cast<std::size_t>(fragments.face[p]);
    const float second = fragments.weights[2 * p], third = fragments.weights[2 * p + 1];
    const float weights[3] = {1 - second - third, second, third};
    const float* n = surface.face_normals + 3 * face;
    for (int k = 0; k < 3; ++k) {
      const std::size_t vertex = static_cast<std::size_t>(surface.faces[3 * face + k]);
      const float* N = surface.vertex_normals + 3 * vertex;
      const float cosine = n[0] * N[0] + n[1] * N[1] + n[2] * N[2];
      vertex_pull[vertex] += static_cast<double>(weights[k] * cosine * pull[p]);
      vertex_stiffness[vertex] += static_cast<double>(weights[k] * cosine * cosine * stiffness[p]);
    }
  }
}

}  // namespace

Sum GYPSUM_VARIANT(compare)(const Surface& surface, const Photo& photo, const Fragments& fragments,
                            const std::vector<Photo>& others, const Options& options, int threads,
                            double* vertex_pull, double* vertex_stiffness) {
  std::vector<Motion> motions;
  for (const Photo& other : others) motions.push_back(motion(photo.camera, other.camera));
  const std::size_t pixels = static_cast<std::size_t>(photo.width) * photo.height;
  std::vector<float> pull(pixels), stiffness(pixels);
  const int columns = (photo.width + kTile - 1) / kTile, rows = (photo.height + kTile - 1) / kTile;
  std::vector<Sum> sums(static_cast<std::size_t>(columns) * rows);
#pragma omp parallel num_threads(threads)
  {
    Tile tile(surface, photo, fragments, options);
#pragma omp for schedule(dynamic, 1)
    for (int i = 0; i < columns * rows; ++i) {
      sums[i] = tile.run(i % columns * kTile, i / columns * kTile, others, motions, pull.data(),
                         stiffness.data());
    }
  }
  gather(surface, photo, fragments, pull, stiffness, vertex_pull, vertex_stiffness);
  Sum total;
  for (const Sum& sum : sums) {
    total.energy += sum.energy;
    total.windows += sum.windows;
  }
  return total;
}

}  // namespace gypsum::refine

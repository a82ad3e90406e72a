// 3D Gaussian splatting (Kerbl et al. 2023) on a CPU: what the kernels share. Plain pointers, no Python.
//
// A picture is made in four steps: project every Gaussian to an ellipse, sort by depth, list the
// ellipses of each tile, blend front to back in the tiles. The gradient goes the same way back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::splats {

// A Gaussian is a row of numbers, so that one may be moved, split or dropped as a whole.
constexpr int kMean = 0;     // 3, world
constexpr int kScale = 3;    // 3, logarithm of the standard deviations along its axes
constexpr int kTurn = 6;     // 4, quaternion (w, x, y, z), of any length
constexpr int kOpacity = 10; // 1, logit
constexpr int kColor = 11;   // 16 x 3 coefficients of spherical harmonics, colours side by side
constexpr int kRow = 59;

constexpr int kTile = 32;    // side of a tile, pixels
constexpr int kLanes = 8;    // pixels of a block, which are blended at once

// x_cam = R X + t; the top-left pixel's centre is (0.5, 0.5).
struct Camera {
  float fx, fy, cx, cy;
  float R[9], t[3];
  int width, height;
};

struct Limits {
  float alpha_min;          // a Gaussian ends where it would cover less than this
  float transmittance_min;  // pixels of which less shows through are finished
  float near;               // Gaussians nearer than this are left out
  float blur;               // variance of a pixel's own filter, pixels^2 (Mip-Splatting, Yu et al. 2024)
};

// A Gaussian in the picture: alpha(dx, dy) = 2^(log_opacity + a dx^2 + 2 b dx dy + c dy^2), down to
// alpha_min. In a row of pixels at dy it reaches from lean dy - h to lean dy + h with
// h^2 = width2 - narrowing dy^2.
struct alignas(64) Splat {
  float u, v;
  float a, b, c;
  float log_opacity;
  float color[3];
  float lean, narrowing, width2;
  float reach_x, reach_y;  // half the bounding box of the ellipse
  float tip;               // dy at which it reaches furthest to the right
  std::int32_t gaussian;   // its row; -1 when it is not seen
};
static_assert(sizeof(Splat) == 64);

// Derivatives of the loss by what a Gaussian is in the picture, of the part within one tile.
struct Pull {
  float color[3];
  float moments[6];  // sums over pixels of d, d dx, d dy, d dx^2, d dx dy, d dy^2; d = dL/d ln(alpha)
  float error;       // sum of the pixels' errors, by how much of them is this Gaussian's
};
constexpr int kPull = sizeof(Pull) / sizeof(float);

// The splats of a picture in the order of their depth, and which of them each tile shows.
struct Bins {
  int columns = 0, rows = 0;
  std::vector<Splat> splats;           // those that are seen, nearest first
  std::vector<std::uint32_t> starts;   // (tiles + 1) into `list`
  std::vector<std::uint32_t> list;     // places in `splats`
  std::vector<std::uint32_t> firsts;   // (splats + 1) into `slots`
  std::vector<std::uint32_t> slots;    // places in `list` of each splat
};

// Sorts what is seen by depth (stable) and fills the tiles; equal for every number of threads.
void fill_bins(const Splat* projected, const float* depths, std::size_t count, int width, int height,
               int threads, Bins& bins);

struct Picture {
  int width, height;
  float* color;          // (3, height, width)
  float* transmittance;  // (height, width), how much of the background shows
};

struct Loss {
  double l1 = 0, ssim = 0;  // means over pixels and colours
  double exposure[12] = {}; // derivative by the exposure
};

// What a rendered picture is compared with.
struct Target {
  int width, height;
  const std::uint8_t* photo;  // (height, width, 3) sRGB
  const std::uint8_t* mask;   // (height, width), 255 on the object; null: everything counts
  const float* background;    // 3, in place of the photo where the mask is 0
  const float* exposure;      // (3, 4): the photo's colours = exposure (rendered, 1)
  float ssim_weight;
};

struct AdamStep {
  float beta1, beta2, epsilon;
  int step;         // from 1
  int columns;      // of each row that are updated
  const float* rates;  // (kRow)
};

struct Kernels {
  // Every Gaussian as a splat, at its row's place, and its depth.
  void (*project)(const float* rows, std::size_t count, int degree, const Camera&, const Limits&,
                  int threads, Splat* splats, float* depths);
  // Derivatives (count, kRow) by the Gaussians' numbers from those by the splats; rows that are not
  // seen get zeros. `seen` is 1 where a row has a derivative.
  void (*project_backward)(const float* rows, std::size_t count, int degree, const Camera&,
                           const Limits&, const Bins&, const Pull* pulls, int threads,
                           float* derivatives, float* errors, std::uint8_t* seen);
  void (*rasterize)(const Bins&, const float* background, const Limits&, int threads, Picture);
  // `derivative` (3, h, w) by the picture's colours, `error` (h, w); `pulls` one for each of list.
  void (*rasterize_backward)(const Bins&, const Limits&, int threads, Picture drawn,
                             const float* derivative, const float* error, Pull* pulls);
  // (1 - w) L1 + w (1 - SSIM) with its derivative by `drawn`; `scratch` has 15 h w floats.
  Loss (*compare)(const Target&, const float* drawn, int threads, float* scratch,
                  float* derivative, float* error);
  void (*adam)(const AdamStep&, const float* derivatives, const std::uint8_t* seen,
               std::size_t count, int threads, float* rows, float* first, float* second);
  // Splats whose colours are the planes that the Gaussians lie in; the way back; how well the
  // planes in a picture agree with their depths (plane_body.hpp).
  void (*planes)(const float* rows, const Camera&, const Limits&, int threads, Bins&);
  void (*planes_backward)(const float* rows, const Camera&, const Limits&, const Bins&,
                          const Pull* pulls, int threads, float* derivatives);
  double (*agree)(const Camera&, const float* drawn, const float* transmittance, float weight,
                  int threads, float* scratch, float* derivative);
};

namespace portable {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}

}  // namespace gypsum::splats

// Depths of 3D Gaussians: what the module and the kernels of both instruction sets share.
#pragma once

#include "splats/splats.hpp"

namespace gypsum::splats {

// Where a ray meets a Gaussian (RaDe-GS, Zhang et al. 2024): at the point of the ray where its
// density is largest. With A the inverse covariance times the smallest variance, in the camera's
// frame, p the centre and r = p / z + (dx / fx, dy / fy, 0) the ray, that depth is
//   z r0.A.r / r.A.r = z (1 + b.d) / (1 + 2 b.d + d.C.d),   all divided by r0.A.r0.
// A flat Gaussian is its plane, which the ray meets there exactly; a round one is a shell.
struct Facet {
  float z;
  float bx, by;            // pixels^-1
  float cxx, cxy, cyy;     // pixels^-2
  float nearest, furthest; // depths within which it lies
  float thickness;         // standard deviation along the ray through its centre
  float normal[3];         // unit, camera frame, the thinnest axis, towards the camera
};

// (height, width) each; `normal` (3, height, width).
struct DepthPicture {
  int width, height;
  float* surface;        // depth where the transmittance falls to `surface`; 0 where it does not
  float* expected;       // mean of the depths, by what each Gaussian adds; 0 where nothing is
  float* normal;         // mean of the normals, unit; zero where nothing is
  float* transmittance;
};

struct DepthKernel {
  // `front`: the surface is so many standard deviations before where rays meet the Gaussians.
  void (*draw)(const float* rows, const Camera&, const Limits&, const Bins&, float surface,
               float front, int threads, DepthPicture);
};

namespace portable {
extern const DepthKernel depth_kernel;
}
namespace avx2 {
extern const DepthKernel depth_kernel;
}

}  // namespace gypsum::splats

// How well a photo agrees with others that are carried into it over the surface, and which way each
// spot of the surface has to move for them to agree better. Plain pointers, no Python.
//
// Multi-view gradient flow (Pons, Keriven and Faugeras 2007; Vu, Labatut, Pons and Keriven 2012): the
// energy is the sum over the pixels of a photo of rho(1 - NCC) between a window of the photo and the
// same window of another photo, warped through the surface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::refine {

// x_cam = R X + t; the top-left pixel's centre is (0.5, 0.5).
struct Camera {
  float fx, fy, cx, cy;
  float R[9], t[3];
};

struct Photo {
  Camera camera;
  int width, height;
  const std::uint8_t* luma;  // (height, width)
  const float* depth;        // (height, width) of the surface at the pixels' centres, 0 for none
};

struct Surface {
  const std::int32_t* faces;   // (F, 3)
  const float* face_normals;   // (F, 3) unit, outward
  const float* vertex_normals; // (V, 3) unit: the direction in which a vertex moves
};

// What each pixel of the reference photo shows, as rasterised.
struct Fragments {
  const std::int32_t* face;  // (height, width), -1 for none
  const float* weights;      // (height, width, 2) barycentric, of the second and the third corner
};

struct Options {
  int radius;       // windows are 2 radius + 1 pixels wide
  float noise;      // standard deviation of the photos' noise, grey levels
  float tolerance;  // rho(e) = e tolerance / (e + tolerance): above it a window counts for little
  float min_cosine; // surfaces seen at a flatter angle are left out
};

struct Sum {
  double energy = 0;       // sum of rho(1 - NCC)
  std::int64_t windows = 0;  // terms of that sum
};

// Adds to `pull` (V) the derivative of the energy by each vertex's shift along its normal, and to
// `stiffness` (V) the lumped diagonal of its Gauss-Newton approximation. Independent of `threads`.
Sum compare_portable(const Surface& surface, const Photo& photo, const Fragments& fragments,
                     const std::vector<Photo>& others, const Options& options, int threads,
                     double* pull, double* stiffness);
Sum compare_avx2(const Surface& surface, const Photo& photo, const Fragments& fragments,
                 const std::vector<Photo>& others, const Options& options, int threads,
                 double* pull, double* stiffness);

}  // namespace gypsum::refine

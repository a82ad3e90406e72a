// What one PatchMatch sweep works on. See docs/dense.md for the method and the arithmetic.
#pragma once

#include <cstdint>
#include <vector>

namespace gypsum::patchmatch {

// The matching window: 6 x 6 samples two pixels apart (11 x 11 pixels) without its four corners.
inline constexpr int kSamples = 32;
inline constexpr int kRadius = 5;
inline constexpr int kMaxSources = 16;
// Costs are 1 - NCC in [0, 2]; 2 also says "not visible in this photo".
inline constexpr float kWorstCost = 2.0f;

// A slanted plane at a pixel: inverse depth there and its change per pixel to the right and down.
// Inverse depth is linear in the pixel for every plane, so a plane moves to a neighbour by two
// multiplications, and its homography to another photo is M + v (a, b, c)^T.
struct Plane {
  float w, a, b;
};

struct Source {
  int width = 0, height = 0;
  // Each entry packs the four pixels (x, y), (x+1, y), (x, y+1), (x+1, y+1): one gather is one
  // bilinear sample.
  std::vector<std::uint32_t> quads;
  float M[9];  // K_source R K_reference^-1
  float v[3];  // K_source t
  // Geometric consistency: inverse depths already known for this photo (0: unknown) and the way back.
  const float* inverse_depth = nullptr;
  int depth_width = 0, depth_height = 0;
  float M_back[9];
  float v_back[3];
};

struct Problem {
  int width, height;
  const std::uint8_t* gray;        // (height, width)
  const std::uint8_t* mask;        // (height, width) or null: 0 is left out
  float fx, fy, cx, cy;
  std::vector<Source> sources;
  float w_min, w_max;              // inverse depth range
  float w_pixel;                   // inverse depth step that moves a match by one pixel
  Plane* planes;                   // (height, width)
  float* cost;                     // (height, width)
  std::uint16_t* chosen;           // (height, width) bit set of the sources that carry the pixel
  std::uint32_t seed;
  float geometric_weight;          // cost per pixel of forward-backward error, 0: off
  int threads;
};

struct Sweep {
  int iteration;
  int reach;                       // how far along the axes hypotheses are fetched, pixels
  float depth_range;               // refinement of depth, pixels of match displacement
  float angle_range;               // refinement of the normal, radians
  bool random_hypothesis;          // also try a plane drawn from the whole range
};

// Draws every pixel's plane from the whole range, then scores it.
void initialise_portable(const Problem& problem);
void initialise_avx2(const Problem& problem);
// One red and one black half-sweep: propagation, view selection, refinement.
void sweep_portable(const Problem& problem, const Sweep& sweep);
void sweep_avx2(const Problem& problem, const Sweep& sweep);
// The cost of one plane at one pixel in one source: for tests against the NumPy twin.
float cost_portable(const Problem& problem, int x, int y, Plane plane, int source);
float cost_avx2(const Problem& problem, int x, int y, Plane plane, int source);

}  // namespace gypsum::patchmatch

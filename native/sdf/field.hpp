// Signed distances and colours on sparse blocks of nodes, and what rays through them need.
//
// All lengths are counted in voxels: node (x, y, z) lies at these index coordinates. Blocks of 4 x 4 x 4 nodes
// are listed in a table; each has 64 rows, x fastest. Where there is no block the table tells which side it is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gypsum::sdf {

constexpr int kSide = 4;                          // nodes along a block's side
constexpr int kNodes = kSide * kSide * kSide;
constexpr int kChannels = 16;                     // of colour: see color_in; the last four only round up
constexpr std::int32_t kInside = INT32_MIN;       // in the table: no block, and within the object
// Other negative entries: no block, outside, and the nearest block is that many blocks away (Chebyshev).

struct Field {
  int nodes[3];                // along x, y, z
  int blocks[3];
  const std::int32_t* table;   // (z, y, x) of blocks: a block's number, or as above
  std::int64_t count;          // blocks that there are
  const float* distance;       // (count * 64), positive outside
  const float* color;          // (count * 64, kChannels)
  float truncation;            // the largest distance
};

// x_cam = R x + t in index coordinates; pixel centres of the top-left pixel at (0.5, 0.5).
struct Camera {
  float fx, fy, cx, cy;
  float R[9];
  float center[3];
};

// What rays there are, and what the photos say of them.
struct Rays {
  std::int64_t count;
  const std::int32_t* chosen;   // (count) which of the following
  const std::int16_t* camera;
  const float* pixel;           // (., 2)
  const float* target;          // (., 4) red, green, blue, and how much it is object, 0 to 1
  const float* trust;           // (.) weight of the colour
  const float* depth;           // (., 2) along z, voxels, with its weight; or none
};

struct Optics {
  float sharpness;    // of the logistic density, per voxel
  float step;         // between samples near the surface, voxels
  float noise;        // of colours: errors below it count by their square
  float tail;         // errors above it hardly count more
  float color, mask, depth;  // weights
  double phase;       // shifts where along the rays samples lie
};

// Derivatives by the rows; one buffer for each thread, one after the other.
struct Gradient {
  float* distance;      // (threads, rows)
  float* color;         // (threads, rows, kChannels)
  std::uint8_t* seen;   // (threads, blocks)
};

struct Losses {
  double color = 0, mask = 0, depth = 0;
  std::int64_t samples = 0;
};

constexpr int kDrawn = 8;  // floats of a drawn ray: red, green, blue, opacity, depth along z, normal

Losses descend_portable(const Field&, const Camera*, const Rays&, const Optics&, int threads, Gradient);
Losses descend_avx2(const Field&, const Camera*, const Rays&, const Optics&, int threads, Gradient);
void inform_portable(const Field&, const Camera*, const Rays&, const Optics&, int threads, float* squares);
void inform_avx2(const Field&, const Camera*, const Rays&, const Optics&, int threads, float* squares);
void draw_portable(const Field&, const Camera*, const Rays&, const Optics&, int threads, float* drawn);
void draw_avx2(const Field&, const Camera*, const Rays&, const Optics&, int threads, float* drawn);
void sample_portable(const Field&, const float* points, std::int64_t count, int threads, float* distance, float* color);
void sample_avx2(const Field&, const float* points, std::int64_t count, int threads, float* distance, float* color);

// level_set.cpp: what keeps distances distances. Arrays of rows, of so many blocks; `around` (blocks, 6): the blocks
// before and after each along x, y, z, negative: none.
struct Blocks {
  std::int64_t count;
  const std::int32_t* around;
};
struct Smoothness {
  float eikonal, curvature;  // weights
  float edge;                // curvature above which more hardly counts, per voxel
  float width;               // nodes within this distance count
};
void regularize(const Blocks&, const float* distance, const Smoothness&, int threads, float* gradient);
void diffuse(const Blocks&, int rounds, int threads, float* values);
void redistance(const Blocks&, const float* distance, float truncation, int rounds, int threads, float* to);

}  // namespace gypsum::sdf

#pragma once

#include <cstdint>
#include <vector>

#include "render/rasterize.hpp"

namespace gypsum::render {

// Fragments of a picture with `factor` times as many samples along each side as it has pixels.
struct Samples {
  const int32_t* face;
  const float* weights;
  int height, width;  // of the samples, multiples of `factor`
  int factor;
};

// One size of a texture, RGB.
struct Level {
  const uint8_t* texels;
  int width, height;
};

struct Atlas {
  const float* uvs;         // x 2, v up
  const int32_t* uv_faces;  // F x 3
  const int32_t* material;  // F
  const float* density;     // F: texels of the largest level for a unit of the face's area
  std::vector<std::vector<Level>> levels;  // of each material, each half as large as the one before
};

// Straight RGBA of each pixel: the mean colour of the samples that show something, and their share.
// Each sample takes the level that has about one texel for it, by its depth (z) and the focal length
// in samples, bilinearly.
void shade_atlas(const Samples& samples, const float* depth, double focal, const Atlas& atlas,
                 int threads, uint8_t* out);

// The same of colours (V x 3, 0 to 255) at the corners of `faces` (F x 3).
void shade_corners(const Samples& samples, const int32_t* faces, const float* colors, int threads,
                   uint8_t* out);

}  // namespace gypsum::render

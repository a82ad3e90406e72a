// What the surfaces are made of: colour and gloss at a place, band-limited to the pixel's footprint.
#pragma once

#include "sample/vec.hpp"

namespace gypsum::sample {

struct Material {
  Vec3 albedo;           // linear sRGB primaries
  float gloss = 0.3f;    // strength of the mirror-like part, 0 to 1
  float exponent = 40;   // Blinn-Phong; larger is sharper
};

// `footprint`: width of a pixel at the surface, metres.
Material owl_material(Vec3 p, float footprint);
Material table_material(float x, float y, float footprint);

}  // namespace gypsum::sample

// The sculpture: a stoneware owl on a round mosaic plinth, as a distance field in metres.
//
// Z up, the table's top is z = 0, the owl looks roughly along -y. The field is negative inside. It is
// a good estimate of the distance near the surface (its slope stays between about 0.5 and 1.5), not
// exact: meshing and light only need its zero and its scale.
#pragma once

#include <cstdint>

#include "sample/noise.hpp"
#include "sample/vec.hpp"

namespace gypsum::sample {

enum class Part : uint8_t { plinth, body, head, wing, tail, toe, claw, beak, eye };

// One feather of a shingled layer, and where in it a point lies.
struct Feather {
  uint32_t id = 0;
  float height = 0;  // 0 at the base to about 1 at the raised tip
  float across = 0;  // -1 to 1 between its sides
  float along = 0;   // 0 at its base, 1 at its tip
  float edge = 1;    // distance to its outline, in feather widths
};

// A point described by the parts of the sculpture.
struct Place {
  float distance = 0;  // to the smooth form, metres
  Part part = Part::plinth;
  Vec3 local;          // head: head frame; wing: wing frame; others: world
  float side = 1;      // -1 left, 1 right (of the eyes and wings)
  float disc = 1;      // radius in the facial disc, 1 at its rim; more than 1 outside
  float angle = 0;     // around the eye or the plinth, radians
  float joint = 1;     // 0 where head and body meet, 1 well away from there
};

Place place(Vec3 p);
Feather feather_at(const Place& at, Vec3 p);
// Height of the carved relief over the smooth form, metres.
float relief(const Place& at, Vec3 p);

// The sculpture's distance field.
float owl(Vec3 p);
// The same without the fine relief, for light.
float owl_form(Vec3 p);
Vec3 owl_normal(Vec3 p);

// Tesserae of the plinth's band: cells of the unrolled band, about 8 mm.
Cell tessera(const Place& at, Vec3 p);

constexpr float kPlinthBandLow = 0.0128f, kPlinthBandHigh = 0.0375f;
constexpr float kOwlLow[3] = {-0.096f, -0.096f, -0.0055f};
constexpr float kOwlHigh[3] = {0.096f, 0.108f, 0.302f};

}  // namespace gypsum::sample

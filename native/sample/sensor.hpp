// From radiance to the numbers of a photo: exposure, vignetting, noise, tone curve.
#pragma once

#include <cstdint>

namespace gypsum::sample {

struct Sensor {
  float exposure;      // gain; radiance 1 times gain 1 is just below white
  float vignetting;    // light lost in the corners, 0 to 1
  float full_well;     // electrons at white; 0: no noise
  float read_noise;    // electrons
  uint32_t seed;
};

// radiance (H, W, 3) linear -> photo (H, W, 3) sRGB, 8 bits.
void expose(const float* radiance, uint8_t* photo, int width, int height, const Sensor& sensor, int threads);

}  // namespace gypsum::sample

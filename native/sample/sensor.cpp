#include "sample/sensor.hpp"

#include "sample/noise.hpp"
#include "sample/threads.hpp"

namespace gypsum::sample {
namespace {

// Linear up to 0.7, then a shoulder that reaches 1 only in the limit: highlights keep their colour.
float shoulder(float x) {
  constexpr float knee = 0.7f;
  return x < knee ? x : knee + (1 - knee) * (1 - std::exp(-(x - knee) / (1 - knee)));
}

float encode_srgb(float x) { return x <= 0.0031308f ? 12.92f * x : 1.055f * std::pow(x, 1 / 2.4f) - 0.055f; }

// Two independent standard normal numbers (Box & Muller 1958).
void normal_pair(uint32_t key, float& a, float& b) {
  const float radius = std::sqrt(-2 * std::log(std::max(uniform(key, 1), 1e-7f)));
  const float turn = 6.2831853f * uniform(key, 2);
  a = radius * std::cos(turn);
  b = radius * std::sin(turn);
}

}  // namespace

void expose(const float* radiance, uint8_t* photo, int width, int height, const Sensor& sensor, int threads) {
  const float corner = 0.25f * (static_cast<float>(width) * width + static_cast<float>(height) * height);
  const uint32_t seed = hash(sensor.seed);
#pragma omp parallel for num_threads(team(threads)) schedule(static)
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const float dx = x + 0.5f - 0.5f * width, dy = y + 0.5f - 0.5f * height;
      const float r2 = (dx * dx + dy * dy) / corner;
      const float gain = sensor.exposure * (1 - sensor.vignetting * r2);
      const size_t pixel = static_cast<size_t>(y) * width + x;
      float random[4] = {0, 0, 0, 0};
      if (sensor.full_well > 0) {
        const uint32_t key = hash(static_cast<uint32_t>(pixel) + seed);
        normal_pair(key, random[0], random[1]);
        normal_pair(hash(key + 1), random[2], random[3]);
      }
      for (int c = 0; c < 3; ++c) {
        float value = radiance[3 * pixel + c] * gain;
        if (sensor.full_well > 0) {
          const float electrons = std::max(value, 0.0f) * sensor.full_well;
          value += random[c] * std::sqrt(electrons + sensor.read_noise * sensor.read_noise) / sensor.full_well;
        }
        const float encoded = encode_srgb(shoulder(std::max(value, 0.0f)));
        photo[3 * pixel + c] = static_cast<uint8_t>(std::min(255.0f * encoded + 0.5f, 255.0f));
      }
    }
}

}  // namespace gypsum::sample

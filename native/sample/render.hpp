// Pictures of the sculpture on its table, with exact depth.
#pragma once

#include <cstdint>
#include <vector>

#include "sample/card.hpp"
#include "sample/light.hpp"
#include "sample/materials.hpp"
#include "sample/mesh.hpp"

namespace gypsum::sample {

// OpenCV's camera: x_cam = R x + t; x_d = x_u (1 + k1 r_u^2); pixel = f x_d + c. The centre of the
// top-left pixel is (0.5, 0.5).
struct Camera {
  int width, height;
  double fx, fy, cx, cy, k1;
  double R[9];
  double t[3];
  double turn[9];  // from the sculpture to the room, for `posed`
};

enum Label : uint8_t { background = 0, object = 1, table = 2 };

// What the sculpture is made of: its paint, bare plaster, or chrome; `hidden` leaves the table alone.
// `posed` leaves the painted sculpture alone, turned in a room whose soft light stays.
enum class Finish : uint8_t { painted = 0, plain = 1, mirror = 2, hidden = 3, posed = 4 };

struct Picture {
  float* radiance;   // (H, W, 3) linear sRGB primaries; null where not wanted
  float* depth;      // (H, W) along the optical axis at the pixel's centre, metres; 0: background
  float* normal;     // (H, W, 3) world, of the distance field; 0: background
  uint8_t* label;    // (H, W)
};

class Scene {
 public:
  Scene(float cell, int threads);
  const Triangles& mesh() const { return mesh_; }
  // `cards` lie on the table.
  void render(const Camera& camera, const std::vector<Card>& cards, Finish finish, const Picture& picture,
              int threads) const;

 private:
  struct Hit;
  class View;
  Light table_light(float x, float y) const;
  Material table_at(const View& view, Vec3 p, float footprint, double x, double y, double side) const;
  Vec3 reflected(Vec3 p, Vec3 direction, float footprint) const;
  Vec3 shade(const View& view, const Hit& hit, double x, double y, double side) const;

  Triangles mesh_;
  std::vector<Light> light_;        // at the vertices
  std::vector<Light> table_light_;  // on a square grid
};

}  // namespace gypsum::sample

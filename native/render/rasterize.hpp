#pragma once

#include <cstdint>

namespace gypsum::render {

// A triangle mesh in the camera frame (x right, y down, z forward).
struct Triangles {
  const float* vertices;  // V x 3
  const int32_t* faces;   // F x 3
  int64_t vertex_count;
  int64_t face_count;
};

struct Pinhole {
  double fx, fy, cx, cy;  // pixels; the top-left pixel's centre is (0.5, 0.5)
  int width, height;
};

// Only what lies inside is drawn.
struct Ball {
  double center[3];  // camera frame
  double radius;     // may be infinite
};

// What each pixel's centre shows; all height x width, row by row.
struct Fragments {
  int32_t* face;   // -1: nothing
  float* weights;  // x 2: barycentric weights of the face's second and third corner
  float* depth;    // z; 0: nothing
};

// Draws both sides of every triangle; of equally near ones the first. The result does not depend on
// the number of threads.
void rasterize(const Triangles& mesh, const Pinhole& camera, const Ball& ball, int threads,
               Fragments out);

}  // namespace gypsum::render

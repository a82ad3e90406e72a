// Maps of the material: normals of a finer mesh, ambient occlusion, light taken out of colours.
#include <omp.h>

#include <algorithm>
#include <numbers>

#include "texture/bvh.hpp"
#include "texture/raster.hpp"
#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

std::uint8_t encoded_direction(float v) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(127.5f + 127.5f * v, 0.0f, 255.0f)));
}

// Point i of count of a low-discrepancy set over the unit square (Hammersley), shifted.
std::array<float, 2> hammersley(std::uint32_t i, std::uint32_t count, std::uint32_t seed) {
  std::uint32_t bits = i;
  bits = (bits << 16) | (bits >> 16);
  bits = ((bits & 0x55555555u) << 1) | ((bits & 0xAAAAAAAAu) >> 1);
  bits = ((bits & 0x33333333u) << 2) | ((bits & 0xCCCCCCCCu) >> 2);
  bits = ((bits & 0x0F0F0F0Fu) << 4) | ((bits & 0xF0F0F0F0u) >> 4);
  bits = ((bits & 0x00FF00FFu) << 8) | ((bits & 0xFF00FF00u) >> 8);
  seed = seed * 747796405u + 2891336453u;  // a hash, so that neighbours don't share their error
  seed = ((seed >> ((seed >> 28) + 4)) ^ seed) * 277803737u;
  constexpr float kUnit = 1.0f / 65536;
  const float x = (static_cast<float>(i) + 0.5f) / static_cast<float>(count) + (seed & 0xffff) * kUnit;
  const float y = static_cast<float>(bits >> 8) / 16777216.0f + (seed >> 16) * kUnit;
  return {x - std::floor(x), y - std::floor(y)};
}

}  // namespace

void bake_normals(const Charts& charts, const std::int32_t* owners, Sheet sheet, const Frames& frames,
                  const std::int32_t* faces, const float* vertices, const FineMesh& fine,
                  float reach, int threads, std::uint8_t* out) {
  const Bvh bvh(fine.vertices, fine.faces, fine.face_count);
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
  for (int y = 0; y < sheet.height; ++y) {
    for (int x = 0; x < sheet.width; ++x) {
      const std::size_t at = static_cast<std::size_t>(y) * sheet.width + x;
      std::uint8_t* texel = out + 3 * at;
      texel[0] = texel[1] = 128, texel[2] = 255;
      if (owners[at] == -1) continue;
      const auto f = static_cast<std::size_t>(face_of(owners[at]));
      const std::int32_t* corner = charts.uv_faces + 3 * f;
      const auto w = weights_at(charts.uvs, corner, x + 0.5, y + 0.5);
      Vec point{}, normal{}, tangent{};
      for (int k = 0; k < 3; ++k) {
        const auto weight = static_cast<float>(w[k]);
        point = point + row(vertices, faces[3 * f + k]) * weight;
        normal = normal + row(frames.normals, faces[3 * f + k]) * weight;
        tangent = tangent + row(frames.tangents, corner[k]) * weight;
      }
      const Hit hit = bvh.nearest_on_line(point, normalized(normal), reach);
      if (hit.face < 0) continue;
      const std::int32_t* found = fine.faces + 3 * static_cast<std::size_t>(hit.face);
      const Vec seen = normalized(row(fine.normals, found[0]) * (1 - hit.u - hit.v) +
                                  row(fine.normals, found[1]) * hit.u +
                                  row(fine.normals, found[2]) * hit.v);
      // Not orthogonal in general: what the viewer puts together is taken apart.
      const Vec bitangent = cross(normal, tangent) * frames.signs[corner[0]];
      const float det = dot(tangent, cross(bitangent, normal));
      if (std::abs(det) < 1e-12f) continue;
      Vec local = Vec{dot(seen, cross(bitangent, normal)), dot(seen, cross(normal, tangent)),
                      dot(seen, cross(tangent, bitangent))} * (1 / det);
      local[2] = std::max(local[2], 1e-3f);
      local = normalized(local);
      for (int c = 0; c < 3; ++c) texel[c] = encoded_direction(local[c]);
    }
  }
}

void ambient_occlusion(const float* vertices, std::size_t vertex_count, const std::int32_t* faces,
                       std::size_t face_count, const float* normals, int rays, float lift,
                       int threads, float* out) {
  const Bvh bvh(vertices, faces, face_count);
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
  for (std::size_t i = 0; i < vertex_count; ++i) {
    const Vec n = row(normals, i);
    const Vec side = normalized(cross(std::abs(n[0]) < 0.9f ? Vec{1, 0, 0} : Vec{0, 1, 0}, n));
    const Vec up = cross(n, side);
    const Vec origin = row(vertices, i) + n * lift;
    int open = 0;
    for (int ray = 0; ray < rays; ++ray) {
      const auto p = hammersley(static_cast<std::uint32_t>(ray), static_cast<std::uint32_t>(rays),
                                static_cast<std::uint32_t>(i));
      // Malley's method: a disc's points lifted onto the hemisphere are cosine-weighted.
      const float radius = std::sqrt(p[0]), turn = 2 * std::numbers::pi_v<float> * p[1];
      const Vec direction = side * (radius * std::cos(turn)) + up * (radius * std::sin(turn)) +
                            n * std::sqrt(std::max(0.0f, 1 - p[0]));
      open += !bvh.occluded(origin, direction, 0);
    }
    out[i] = static_cast<float>(open) / static_cast<float>(rays);
  }
}

void scale_light(const Charts& charts, const std::int32_t* owners, const float* factors, Sheet sheet,
                 int threads, std::int16_t* atlas) {
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
  for (int y = 0; y < sheet.height; ++y) {
    for (int x = 0; x < sheet.width; ++x) {
      const std::size_t at = static_cast<std::size_t>(y) * sheet.width + x;
      if (owners[at] == -1) continue;
      const std::int32_t* corner = charts.uv_faces + 3 * static_cast<std::size_t>(face_of(owners[at]));
      const auto w = weights_at(charts.uvs, corner, x + 0.5, y + 0.5);
      for (int c = 0; c < 3; ++c) {
        float factor = 0;
        for (int k = 0; k < 3; ++k) {
          factor += static_cast<float>(w[k]) * factors[3 * static_cast<std::size_t>(corner[k]) + c];
        }
        const float light = srgb_to_linear(std::clamp(atlas[3 * at + c] / kOne, 0.0f, 1.0f)) * factor;
        const float v = linear_to_srgb(std::min(light, 1.0f));
        atlas[3 * at + c] = static_cast<std::int16_t>(std::lround(v * kOne));
      }
    }
  }
}

}  // namespace gypsum::texture

// Kernels of the texture stage. Plain pointers, no Python.
//
// Pictures are row-major with the centre of the top-left pixel at (0.5, 0.5). A triangle mesh is
// `faces` (F, 3) over per-vertex arrays. The candidates of a face are a slice of flat arrays:
// those of face f are first[f] .. first[f + 1], ordered by view.
//
// All results are independent of the number of threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::texture {

// The atlas under work holds sRGB-encoded colour in fixed point, with room below 0 and above 1 for
// what the seam corrections do before the final rounding.
inline constexpr float kOne = 8192.0f;

// --- visibility.cpp ---------------------------------------------------------------------------

// Depth of the nearest surface at each pixel centre, infinity where there is none.
// A face with a vertex at or behind the camera is not drawn.
void draw_depth(const float* pixels, const float* depth, const std::int32_t* faces,
                std::size_t face_count, int width, int height, int threads, float* out);

struct Photo {
  const std::uint8_t* rgb;  // (height, width, 3) sRGB
  const float* surface;     // (height, width) what draw_depth gave
  const std::uint8_t* usable;  // (height, width) 2 on the object, 1 at its rim, 0 elsewhere, or null
  int width, height;
};

struct ScoreOptions {
  float slack;  // how far behind the drawn surface a point still counts as on it, world units
  int rim;      // a face nearer than this to an outline, pixels, is a weak candidate
};

// How well one photo shows each face: 0 not at all, else the gradient magnitude summed over the
// face's pixels, weighted by the angle. Weak candidates (grazing, close to an edge, half hidden) are
// scaled down by kWeak, and their gradients don't count: those may be the edge's own. A face that
// reaches over a pixel beside the object is not shown. `color` is the mean linear colour;
// `beside` is 1 where an edge is close or the face half hidden.
inline constexpr float kWeak = 1e-4f;
void score_faces(const Photo& photo, const float* pixels, const float* depth,
                 const std::int32_t* faces, const float* cosines, std::size_t face_count,
                 const ScoreOptions& options, int threads, float* score, float* color,
                 std::uint8_t* beside);

// --- consistency.cpp --------------------------------------------------------------------------

// Finds photos that show another colour than most: people, occluders, highlights. Judged twice:
// face by face, and after averaging over neighbouring faces of the same photo, where the bounds
// can be tighter. colors (N, 3) are perceptual (sRGB-encoded, exposure removed). `rejected` (N) is
// 0 or 1, `doubt` (N) the distance from the typical colour in robust standard deviations.
void find_outliers(const std::int64_t* first, const std::int32_t* views, const float* colors,
                   std::size_t face_count, const std::int32_t* edges, std::size_t edge_count,
                   int threads, std::uint8_t* rejected, float* doubt);

// --- labelling.cpp ----------------------------------------------------------------------------

struct Potts {
  const std::int64_t* first;   // (F + 1)
  const std::int32_t* labels;  // (N) ascending within a face
  const float* costs;          // (N)
  const std::int32_t* edges;   // (E, 2) neighbouring faces
  const float* weights;        // (E) cost of different labels
  std::size_t faces, edge_count;
};

struct Energy {
  double found, bound;
};

// Sequential tree-reweighted message passing (Kolmogorov 2006) over candidate lists; `out` (F) gets
// labels, -1 for faces without candidates. `order` (F) is the sweep's order.
Energy label_faces(const Potts& problem, const std::int32_t* order, int iterations,
                   std::int32_t* out);

// Moves whole connected patches to a neighbour's label wherever that lowers the energy, with
// `patch_cost` charged for each patch. Returns the number of moves.
std::size_t merge_patches(const Potts& problem, double patch_cost, std::int32_t* labels);

// --- packing.cpp ------------------------------------------------------------------------------

struct Placement {
  std::int32_t x, y;   // texels that the chart's own origin moves to
  std::int32_t turns;  // quarter turns about its origin before that, each (x, y) -> (-y, x)
};

// Bottom-left packing of irregular charts on a grid of `cell` texels. corners (F, 3, 2) are each
// chart's own texel coordinates, from (0, 0); faces of chart c are first[c] .. first[c + 1].
// Charts keep 2 * padding texels between them. The sheet has `pages` squares of `size` texels one
// below the other, and no chart crosses from one to the next. False when they don't fit.
bool pack_charts(const float* corners, const std::int64_t* first, std::size_t chart_count,
                 int size, int pages, int cell, int padding, Placement* out);

// --- atlas.cpp --------------------------------------------------------------------------------

// The picture under work: all pages of the texture, one below the other.
struct Sheet {
  int width, height;
};

struct Charts {
  const float* uvs;              // (T, 2) texels, x right, y down
  const std::int32_t* uv_faces;  // (F, 3)
  const std::int32_t* order;     // faces sorted by chart
  const std::int64_t* first;     // (C + 1) into order
  std::size_t count;
};

// Which face paints each texel: face when inside, -2 - face in the padding, -1 elsewhere.
void draw_owners(const Charts& charts, const std::uint8_t* border, Sheet sheet, int padding,
                 int threads, std::int32_t* owners);

// The face of an owner that is not -1.
std::int32_t face_of(std::int32_t owner);

// Weights of a face's corners at a texel; in the padding, those of the rim nearby: beyond the rim
// a photo may show something else.
std::array<double, 3> weights_at(const float* uvs, const std::int32_t* face, double x, double y);

struct Pinhole {
  float fx, fy, cx, cy;
};

// How a photo is mixed into the texture, at every vertex of the mesh.
struct Mixing {
  const float* weights;  // (V)
  const float* offsets;  // (V, 3) added to its colours, sRGB-encoded
};

// Paints the chosen charts from one photo: texel -> point on the face -> pixel (perspective-correct).
// curves (3, 4096) map sRGB-encoded colour to itself with the photo's gain; `samples` squared
// sub-samples per texel are averaged in linear light when the photo is finer than the atlas.
// With `mixing`, colours are added with the photo's weight; without, they replace what was there.
void paint_charts(const Charts& charts, const std::int64_t* chosen, std::size_t chosen_count,
                  const std::int32_t* owners, const std::int32_t* faces, const float* camera_points,
                  const Pinhole& camera, const std::uint8_t* rgb, int width, int height,
                  const float* curves, const Mixing* mixing, int samples, Sheet sheet, int padding,
                  int threads, std::int16_t* atlas);

// Adds to every painted texel the colour interpolated between its face's corners; colors (T, 3).
void add_colors(const float* uvs, const std::int32_t* uv_faces, const std::int32_t* owners,
                const float* colors, Sheet sheet, int threads, std::int16_t* atlas);

// Colours (N, 3) at positions (N, 2) in texels, bilinear.
void sample_atlas(const std::int16_t* atlas, Sheet sheet, const float* positions,
                  std::size_t count, int threads, float* colors);

// One finished page: rounded to 8 bits, and everything no chart paints filled from around it by
// push and pull, so that mip-maps see no foreign colour.
void finish_page(const std::int16_t* atlas, const std::int32_t* owners, int size, int threads,
                 std::uint8_t* out);

// --- seams.cpp --------------------------------------------------------------------------------

// Colour steps along seams (E, 2 sides, 2 ends, 2): mean of side 1 minus side 0 weighted towards
// each end, as steps (E, 2, 3).
void measure_seams(const std::int16_t* atlas, Sheet sheet, const float* seams,
                   std::size_t seam_count, int threads, float* steps);

// Mean absolute difference between both sides of each seam, as (E,).
void seam_contrasts(const std::int16_t* atlas, Sheet sheet, const float* seams,
                    std::size_t seam_count, int threads, float* contrasts);

// Poisson levelling: the texels at a seam meet half way, and the change fades harmonically over
// `reach` texels into the chart while the picture's own gradients are kept.
void level_seams(const float* seams, std::size_t seam_count, const std::int32_t* owners,
                 const std::int32_t* chart_of_face, Sheet sheet, int reach, int iterations,
                 int threads, std::int16_t* atlas);

// --- material.cpp -----------------------------------------------------------------------------

// What a viewer puts the normals of a map together from.
struct Frames {
  const float* normals;   // (V, 3) of the mesh's vertices
  const float* tangents;  // (T, 3) of the charts' corners
  const float* signs;     // (T,) 1, or -1 where the chart is mirrored
};

struct FineMesh {
  const float* vertices;  // (W, 3)
  const std::int32_t* faces;
  const float* normals;  // (W, 3)
  std::size_t face_count;
};

// The normals of a finer mesh in the tangent space of this one, as colours (H, W, 3), green up:
// from each texel's point the finer surface is sought along the normal, both ways, up to `reach`.
void bake_normals(const Charts& charts, const std::int32_t* owners, Sheet sheet, const Frames& frames,
                  const std::int32_t* faces, const float* vertices, const FineMesh& fine,
                  float reach, int threads, std::uint8_t* out);

// Share of the cosine-weighted hemisphere over each vertex from which nothing keeps the light.
void ambient_occlusion(const float* vertices, std::size_t vertex_count, const std::int32_t* faces,
                       std::size_t face_count, const float* normals, int rays, float lift,
                       int threads, float* out);

// Multiplies every texel, in linear light, with the factor between its face's corners; factors
// (T, 3).
void scale_light(const Charts& charts, const std::int32_t* owners, const float* factors, Sheet sheet,
                 int threads, std::int16_t* atlas);

// --- solve.cpp --------------------------------------------------------------------------------

// Conjugate gradients with Jacobi preconditioning for a symmetric positive definite matrix in CSR
// form and three right-hand sides (N, 3). Returns the largest relative residual.
double solve_spd(const std::int64_t* first, const std::int32_t* columns, const double* values,
                 std::size_t count, const double* rhs, int iterations, double tolerance,
                 int threads, double* x);

}  // namespace gypsum::texture

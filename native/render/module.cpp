#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "render/rasterize.hpp"
#include "render/shade.hpp"

namespace nb = nanobind;
using namespace gypsum::render;

namespace {

using Vertices = nb::ndarray<const float, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Faces = nb::ndarray<const int32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::shape<3>, nb::c_contig, nb::device::cpu>;
using FaceMap = nb::ndarray<const int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using WeightMap = nb::ndarray<const float, nb::shape<-1, -1, 2>, nb::c_contig, nb::device::cpu>;
using DepthMap = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Coordinates = nb::ndarray<const float, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Densities = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Texels = nb::ndarray<const uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

template <typename T>
struct Picture {
  explicit Picture(size_t count) : data(new T[count]) {}
  template <typename... Sides>
  nb::object give(Sides... sides) {
    T* values = data.release();
    nb::capsule owner(values, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(values, {static_cast<size_t>(sides)...}, owner));
  }
  std::unique_ptr<T[]> data;
};

// Throws unless all `count` numbers are at least `low` and below `high`.
void check(const int32_t* numbers, int64_t count, int64_t low, int64_t high, const char* otherwise) {
  for (int64_t i = 0; i < count; ++i) {
    if (numbers[i] < low || numbers[i] >= high) throw std::invalid_argument(otherwise);
  }
}

constexpr const char* kPastVertices = "a face points past the vertices";

constexpr const char* kSizesDiffer = "the fragments differ in size";

Samples samples_of(const FaceMap& face, const WeightMap& weights, int factor) {
  const size_t height = face.shape(0), width = face.shape(1);
  if (weights.shape(0) != height || weights.shape(1) != width) {
    throw std::invalid_argument(kSizesDiffer);
  }
  if (factor < 1 || height % factor != 0 || width % factor != 0) {
    throw std::invalid_argument("the samples are not a multiple of the pixels");
  }
  return {face.data(), weights.data(), static_cast<int>(height), static_cast<int>(width), factor};
}

// A picture of the pixels of `samples`, which `shade` fills.
template <typename Shade>
nb::object shaded(const Samples& samples, int64_t faces, Shade shade) {
  const size_t height = samples.height / samples.factor, width = samples.width / samples.factor;
  Picture<uint8_t> picture(4 * height * width);
  {
    nb::gil_scoped_release release;
    check(samples.face, static_cast<int64_t>(samples.height) * samples.width, -1, faces,
          "a sample points past the faces");
    shade(picture.data.get());
  }
  return picture.give(height, width, 4);
}

nb::object shade_with_atlas(const FaceMap& face, const WeightMap& weights, const DepthMap& depth,
                            double focal, int factor, const Coordinates& uvs, const Faces& uv_faces,
                            const Numbers& material, const Densities& density,
                            const std::vector<std::vector<Texels>>& levels, int threads) {
  const Samples samples = samples_of(face, weights, factor);
  if (depth.shape(0) != face.shape(0) || depth.shape(1) != face.shape(1)) {
    throw std::invalid_argument(kSizesDiffer);
  }
  const int64_t faces = static_cast<int64_t>(uv_faces.shape(0));
  if (material.shape(0) != uv_faces.shape(0) || density.shape(0) != uv_faces.shape(0)) {
    throw std::invalid_argument("the faces differ in number");
  }
  Atlas atlas{uvs.data(), uv_faces.data(), material.data(), density.data(), {}};
  for (const std::vector<Texels>& sizes : levels) {
    atlas.levels.emplace_back();
    for (const Texels& texels : sizes) {
      if (texels.size() == 0) throw std::invalid_argument("a texture is empty");
      atlas.levels.back().push_back({texels.data(), static_cast<int>(texels.shape(1)),
                                     static_cast<int>(texels.shape(0))});
    }
    if (sizes.empty()) throw std::invalid_argument("a material has no texture");
  }
  return shaded(samples, faces, [&](uint8_t* out) {
    check(uv_faces.data(), 3 * faces, 0, static_cast<int64_t>(uvs.shape(0)),
          "a face points past the texture coordinates");
    check(material.data(), faces, 0, static_cast<int64_t>(atlas.levels.size()),
          "a face has a material that is not there");
    shade_atlas(samples, depth.data(), focal, atlas, threads, out);
  });
}

nb::object shade_with_corners(const FaceMap& face, const WeightMap& weights, int factor,
                              const Faces& mesh, const Vertices& colors, int threads) {
  const Samples samples = samples_of(face, weights, factor);
  const int64_t faces = static_cast<int64_t>(mesh.shape(0));
  return shaded(samples, faces, [&](uint8_t* out) {
    check(mesh.data(), 3 * faces, 0, static_cast<int64_t>(colors.shape(0)), kPastVertices);
    shade_corners(samples, mesh.data(), colors.data(), threads, out);
  });
}

nb::tuple rasterize_mesh(const Vertices& vertices, const Faces& faces, const Matrix& K, int width,
                         int height, const Vector& center, double radius, int threads) {
  const Triangles mesh{vertices.data(), faces.data(), static_cast<int64_t>(vertices.shape(0)),
                       static_cast<int64_t>(faces.shape(0))};
  const Pinhole camera{K(0, 0), K(1, 1), K(0, 2), K(1, 2), width, height};
  const Ball ball{{center(0), center(1), center(2)}, radius};
  if (width < 1 || height < 1) throw std::invalid_argument("the picture is empty");
  const size_t pixels = static_cast<size_t>(width) * height;
  Picture<int32_t> face(pixels);
  Picture<float> weights(2 * pixels), depth(pixels);
  {
    nb::gil_scoped_release release;
    check(mesh.faces, 3 * mesh.face_count, 0, mesh.vertex_count, kPastVertices);
    rasterize(mesh, camera, ball, threads,
              {face.data.get(), weights.data.get(), depth.data.get()});
  }
  return nb::make_tuple(face.give(height, width), weights.give(height, width, 2),
                        depth.give(height, width));
}

}  // namespace

NB_MODULE(_render, module) {
  module.doc() = "Drawing triangle meshes.";
  module.def("rasterize", &rasterize_mesh, nb::arg("vertices"), nb::arg("faces"), nb::arg("K"),
             nb::arg("width"), nb::arg("height"), nb::arg("center"), nb::arg("radius"),
             nb::arg("threads") = 0,
             "What each pixel of a pinhole picture shows of a mesh in the camera frame: face (H, W),\n"
             "-1 for none; weights (H, W, 2) of its second and third corner; depth (H, W), 0 for\n"
             "none. Only what lies in the ball around `center` is drawn; `radius` may be infinite.");
  module.def("shade_atlas", &shade_with_atlas, nb::arg("face"), nb::arg("weights"),
             nb::arg("depth"), nb::arg("focal"), nb::arg("factor"), nb::arg("uvs"),
             nb::arg("uv_faces"), nb::arg("material"), nb::arg("density"), nb::arg("levels"),
             nb::arg("threads") = 0,
             "RGBA (H / factor, W / factor, 4), sRGB and straight alpha, of what `rasterize` found,\n"
             "coloured by textures: texture coordinates (T, 2) and their faces (F, 3), materials and\n"
             "texels for a unit of area (F,), and each material's texture at full, half, ... size.\n"
             "`focal` length in samples.");
  module.def("shade_corners", &shade_with_corners, nb::arg("face"), nb::arg("weights"),
             nb::arg("factor"), nb::arg("faces"), nb::arg("colors"), nb::arg("threads") = 0,
             "The same of colours (V, 3), 0 to 255, at the corners of faces (F, 3).");
}

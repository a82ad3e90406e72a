#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <stdexcept>

#include "render/rasterize.hpp"

namespace nb = nanobind;
using namespace gypsum::render;

namespace {

using Vertices = nb::ndarray<const float, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Faces = nb::ndarray<const int32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::shape<3>, nb::c_contig, nb::device::cpu>;

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

void check(const Triangles& mesh) {
  for (int64_t i = 0; i < 3 * mesh.face_count; ++i) {
    if (mesh.faces[i] < 0 || mesh.faces[i] >= mesh.vertex_count) {
      throw std::invalid_argument("a face points past the vertices");
    }
  }
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
    check(mesh);
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
}

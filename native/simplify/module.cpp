// gypsum.native._simplify: meshes with fewer triangles.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "simplify/collapse.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using gypsum::simplify::Mesh;

namespace {

template <class T>
using Rows = nb::ndarray<const T, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

// A new (N, 3) array that Python owns.
template <class T, class Row>
nb::ndarray<nb::numpy, T> give(const std::vector<Row>& rows) {
  T* data = new T[3 * rows.size()];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (int k = 0; k < 3; ++k) data[3 * i + k] = static_cast<T>(rows[i][k]);
  }
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<nb::numpy, T>(data, {rows.size(), 3}, owner);
}

nb::tuple collapse(const Rows<double>& vertices, const Rows<std::int32_t>& faces,
                   std::size_t wanted) {
  Mesh mesh;
  {
    nb::gil_scoped_release release;
    mesh.vertices.resize(vertices.shape(0));
    for (std::size_t i = 0; i < mesh.vertices.size(); ++i) {
      std::copy_n(vertices.data() + 3 * i, 3, mesh.vertices[i].begin());
    }
    mesh.faces.resize(faces.shape(0));
    for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
      std::copy_n(faces.data() + 3 * i, 3, mesh.faces[i].begin());
      for (const std::int32_t v : mesh.faces[i]) {
        if (v < 0 || std::size_t(v) >= mesh.vertices.size()) {
          throw std::invalid_argument("a face points past the vertices");
        }
      }
    }
    gypsum::simplify::collapse(mesh, wanted);
  }
  return nb::make_tuple(give<double>(mesh.vertices), give<std::int32_t>(mesh.faces));
}

}  // namespace

NB_MODULE(_simplify, m) {
  m.doc() = "Meshes with fewer triangles.";
  m.def("collapse", &collapse, "vertices"_a, "faces"_a, "wanted"_a,
        "Collapse edges of a manifold mesh, about as large as one and centred, by least quadric\n"
        "error until no more than `wanted` faces are left; topology and borders stay. Gives\n"
        "vertices (V, 3) and faces (F, 3).");
}

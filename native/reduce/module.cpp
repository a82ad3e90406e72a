// gypsum.native._reduce: textured meshes with fewer triangles, and textures brought onto others.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <stdexcept>

#include "reduce/collapse.hpp"
#include "texture/bvh.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using gypsum::reduce::Mesh;
using gypsum::reduce::Result;
using gypsum::reduce::Triple;

namespace {

using Points = nb::ndarray<const double, nb::shape<-1, 5>, nb::c_contig, nb::device::cpu>;
using Faces = nb::ndarray<const std::int32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

std::vector<Triple> copied(const Faces& faces, std::size_t below) {
  std::vector<Triple> rows(faces.shape(0));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(faces.data() + 3 * i, 3, rows[i].begin());
    for (const std::int32_t index : rows[i]) {
      if (index < 0 || std::size_t(index) >= below) {
        throw std::invalid_argument("a face points past what it is made of");
      }
    }
  }
  return rows;
}

// A new array that Python owns.
template <typename T>
nb::ndarray<nb::numpy, T> give(const T* from, std::size_t rows, std::size_t columns) {
  auto* data = new T[rows * columns];
  std::copy_n(from, rows * columns, data);
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  if (columns == 1) return nb::ndarray<nb::numpy, T>(data, {rows}, owner);
  return nb::ndarray<nb::numpy, T>(data, {rows, columns}, owner);
}

nb::tuple collapse(const Points& wedges, const Faces& places, const Faces& corners,
                   std::size_t place_count, std::size_t wanted, double tolerance) {
  if (places.shape(0) != corners.shape(0)) {
    throw std::invalid_argument("places and corners differ in length");
  }
  Result result;
  {
    nb::gil_scoped_release release;
    Mesh mesh;
    mesh.wedges.resize(wedges.shape(0));
    for (std::size_t i = 0; i < mesh.wedges.size(); ++i) {
      std::copy_n(wedges.data() + 5 * i, 5, mesh.wedges[i].begin());
    }
    mesh.places = copied(places, place_count);
    mesh.corners = copied(corners, mesh.wedges.size());
    result = gypsum::reduce::collapse(mesh, place_count, wanted, tolerance);
  }
  const std::size_t count = result.triangles.size();
  return nb::make_tuple(give(result.triangles.data(), count, 1),
                        give(count ? result.corners[0].data() : nullptr, count, 3));
}

using Vectors = nb::ndarray<const float, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

// A surface on which places beside it are sought.
class Surface {
 public:
  Surface(const Vectors& vertices, const Faces& faces)
      : vertices_(vertices.data(), vertices.data() + vertices.size()),
        faces_(checked(faces, vertices.shape(0)), faces.data() + faces.size()),
        bvh_(vertices_.data(), faces_.data(), faces.shape(0)) {}

  nb::tuple along(const Vectors& points, const Vectors& directions, float reach, int threads) const {
    const std::size_t count = points.shape(0);
    if (directions.shape(0) != count) throw std::invalid_argument("points and directions differ in length");
    std::vector<std::int32_t> found(count);
    std::vector<float> weights(3 * count);
    {
      nb::gil_scoped_release release;
      using namespace gypsum::texture;
#pragma omp parallel for schedule(dynamic, 1024) num_threads(threads)
      for (std::size_t i = 0; i < count; ++i) {
        const Hit hit = bvh_.nearest_on_line(row(points.data(), i), row(directions.data(), i), reach);
        found[i] = hit.face;
        weights[3 * i] = 1 - hit.u - hit.v, weights[3 * i + 1] = hit.u, weights[3 * i + 2] = hit.v;
      }
    }
    return nb::make_tuple(give(found.data(), count, 1), give(weights.data(), count, 3));
  }

 private:
  static const std::int32_t* checked(const Faces& faces, std::size_t below) {
    if (faces.size() == 0) throw std::invalid_argument("a surface without faces");
    copied(faces, below);
    return faces.data();
  }

  std::vector<float> vertices_;
  std::vector<std::int32_t> faces_;
  gypsum::texture::Bvh bvh_;
};

}  // namespace

NB_MODULE(_reduce, m) {
  m.doc() = "Textured meshes with fewer triangles, and textures brought onto others.";
  nb::class_<Surface>(m, "Surface")
      .def(nb::init<const Vectors&, const Faces&>(), "vertices"_a, "faces"_a)
      .def("along", &Surface::along, "points"_a, "directions"_a, "reach"_a, "threads"_a,
           "The places where lines through points (N, 3) along unit directions (N, 3) meet the\n"
           "surface nearest to the points, at most `reach` away, on faces that look along the\n"
           "direction. Gives the faces (N,), -1 where there is none, and weights of their corners\n"
           "(N, 3).");
  m.def("collapse", &collapse, "wedges"_a, "places"_a, "corners"_a, "place_count"_a, "wanted"_a,
        "tolerance"_a,
        "Move vertices onto neighbours by least quadric error until no more than `wanted` triangles\n"
        "are left, or none can go without folding shape or texture, or moving them by more than\n"
        "`tolerance` (root of the mean square). `wedges` (W, 5) are positions\n"
        "with texture coordinates in the same unit; `places` and `corners` (F, 3) say at which place\n"
        "and of which wedge each corner is. Gives the triangles that are left (K,), and the wedges\n"
        "of their corners (K, 3).");
}

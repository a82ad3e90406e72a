// gypsum.native._refine: photo-consistency of a surface and its derivative.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <omp.h>

#include <stdexcept>

#include "common/cpu.hpp"
#include "refine/compare.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace gypsum::refine;

namespace {

template <class T, class Shape>
using Array = nb::ndarray<T, Shape, nb::c_contig, nb::device::cpu>;
using Luma = Array<const std::uint8_t, nb::ndim<2>>;
using Depth = Array<const float, nb::ndim<2>>;
using Intrinsics = Array<const double, nb::shape<3, 3>>;
using Pose = Array<const double, nb::shape<3, 4>>;
using Vectors = Array<const float, nb::shape<-1, 3>>;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

Photo photo(const Luma& luma, const Depth& depth, const Intrinsics& K, const Pose& pose) {
  require(luma.shape(0) == depth.shape(0) && luma.shape(1) == depth.shape(1),
          "a photo and its depth differ in size");
  Photo made{{float(K(0, 0)), float(K(1, 1)), float(K(0, 2)), float(K(1, 2)), {}, {}},
             int(luma.shape(1)), int(luma.shape(0)), luma.data(), depth.data()};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) made.camera.R[3 * i + j] = float(pose(i, j));
    made.camera.t[i] = float(pose(i, 3));
  }
  return made;
}

void check(const Array<const std::int32_t, nb::ndim<2>>& face, std::size_t faces,
           const Array<const std::int32_t, nb::shape<-1, 3>>& corners, std::size_t vertices) {
  for (std::size_t i = 0; i < face.size(); ++i) {
    require(face.data()[i] < std::int64_t(faces), "a pixel shows a face that is not there");
  }
  for (std::size_t i = 0; i < corners.size(); ++i) {
    require(corners.data()[i] >= 0 && corners.data()[i] < std::int64_t(vertices),
            "a face points past the vertices");
  }
}

nb::tuple compare(const Array<const std::int32_t, nb::shape<-1, 3>>& faces,
                  const Vectors& face_normals, const Vectors& vertex_normals,
                  const Array<const std::int32_t, nb::ndim<2>>& face,
                  const Array<const float, nb::shape<-1, -1, 2>>& weights,
                  const std::vector<Luma>& lumas, const std::vector<Depth>& depths,
                  const std::vector<Intrinsics>& Ks, const std::vector<Pose>& poses, int radius,
                  float noise, float tolerance, float min_cosine, int threads, bool portable,
                  const Array<double, nb::ndim<1>>& pull,
                  const Array<double, nb::ndim<1>>& stiffness) {
  const std::size_t count = lumas.size();
  require(count > 0 && depths.size() == count && Ks.size() == count && poses.size() == count,
          "luma, depth, intrinsics and pose belong to every photo");
  require(face_normals.shape(0) == faces.shape(0), "one normal for each face");
  require(pull.shape(0) == vertex_normals.shape(0) && stiffness.shape(0) == pull.shape(0),
          "one value for each vertex");
  require(radius >= 1 && radius <= 8, "windows reach 1 to 8 pixels");
  std::vector<Photo> photos;
  for (std::size_t i = 0; i < count; ++i) {
    photos.push_back(photo(lumas[i], depths[i], Ks[i], poses[i]));
  }
  const Photo here = photos.front();
  photos.erase(photos.begin());
  require(int(face.shape(0)) == here.height && int(face.shape(1)) == here.width &&
              int(weights.shape(0)) == here.height && int(weights.shape(1)) == here.width,
          "fragments must have the first photo's size");
  Sum sum;
  {
    nb::gil_scoped_release release;
    check(face, faces.shape(0), faces, pull.shape(0));
    const Surface surface{faces.data(), face_normals.data(), vertex_normals.data()};
    const auto run = portable || !gypsum::has_avx2() ? compare_portable : compare_avx2;
    sum = run(surface, here, {face.data(), weights.data()}, photos,
              {radius, noise, tolerance, min_cosine},
              threads > 0 ? threads : omp_get_num_procs(), pull.data(), stiffness.data());
  }
  return nb::make_tuple(sum.energy, sum.windows);
}

}  // namespace

NB_MODULE(_refine, m) {
  m.doc() = "Photo-consistency of a surface and its derivative.";
  m.def("compare", &compare, "faces"_a, "face_normals"_a, "vertex_normals"_a, "face"_a, "weights"_a,
        "lumas"_a, "depths"_a, "Ks"_a, "poses"_a, "radius"_a, "noise"_a, "tolerance"_a,
        "min_cosine"_a, "threads"_a, "portable"_a, "pull"_a, "stiffness"_a,
        "Compare the first photo with the others, carried into it over the surface. Adds to `pull`\n"
        "and `stiffness` (V); gives the energy and the number of windows that it sums.");
}

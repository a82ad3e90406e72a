// gypsum.native._tsdf: depth maps to a signed distance field, and its surface.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <omp.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tsdf/volume.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::tsdf {
namespace {

template <class T>
using Map = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Picture = nb::ndarray<const std::uint8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::shape<3>, nb::c_contig, nb::device::cpu>;

int cores(int threads) { return threads > 0 ? threads : omp_get_num_procs(); }

bool integrate(Volume& volume, Map<float> depth, Map<float> weights, Picture colors, Matrix K, Matrix R, Vector t,
               int threads, bool portable) {
  const std::size_t height = depth.shape(0), width = depth.shape(1);
  if (height == 0 || width == 0 || height * width > std::size_t(1) << 30)
    throw std::invalid_argument("a depth map has some pixels, and less than 2^30");
  if (weights.shape(0) != height || weights.shape(1) != width)
    throw std::invalid_argument("weights must have the depth map's size");
  if (colors.size() && (colors.shape(0) != height || colors.shape(1) != width || colors.shape(2) != 3))
    throw std::invalid_argument("colours must have the depth map's size, or none");
  nb::gil_scoped_release release;
  std::vector<float> inverse(height * width);
  for (std::size_t n = 0; n < inverse.size(); ++n) {
    const float z = depth.data()[n];
    inverse[n] = z > 1e-6f && z < 1e6f ? 1 / z : 0.0f;
  }
  Frame frame{int(width), int(height), inverse.data(), weights.data(),
              colors.size() ? colors.data() : nullptr,
              float(K.data()[0]), float(K.data()[4]), float(K.data()[2] - 0.5), float(K.data()[5] - 0.5), {}, {}};
  std::copy_n(R.data(), 9, frame.R);
  std::copy_n(t.data(), 3, frame.t);
  return volume.integrate(frame, cores(threads), portable);
}

// Hands a vector to NumPy without a copy.
template <class T>
nb::object array(std::vector<T>&& values) {
  auto* owned = new std::vector<T>(std::move(values));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(owned->data(), {owned->size() / 3, 3}, owner));
}

nb::tuple surface(const Volume& volume, float least_weight, int threads) {
  Triangles mesh;
  {
    nb::gil_scoped_release release;
    mesh = volume.surface(least_weight, cores(threads));
  }
  nb::object colors = volume.colored() ? array(std::move(mesh.colors)) : nb::none();
  return nb::make_tuple(array(std::move(mesh.vertices)), array(std::move(mesh.faces)), colors);
}

}  // namespace
}  // namespace gypsum::tsdf

NB_MODULE(_tsdf, m) {
  using namespace gypsum::tsdf;
  m.doc() = "A truncated signed distance field on sparse blocks of voxels.";
  m.attr("BLOCK_BYTES") = sizeof(Block);
  m.attr("COLOR_BYTES") = sizeof(Colors);
  nb::class_<Volume>(m, "Volume")
      .def(
          "__init__",
          [](Volume* self, float voxel, float truncation, float free_weight, std::size_t most_blocks) {
            if (!(voxel > 0) || !(truncation > 0)) throw std::invalid_argument("lengths must be positive");
            new (self) Volume(Settings{voxel, truncation, free_weight}, most_blocks);
          },
          "voxel"_a, "truncation"_a, "free_weight"_a, "most_blocks"_a)
      .def("integrate", &integrate, "depth"_a, "weights"_a, "colors"_a, "K"_a, "R"_a, "t"_a, "threads"_a,
           "portable"_a = false)
      .def("surface", &surface, "least_weight"_a, "threads"_a)
      .def("__len__", &Volume::size);
}

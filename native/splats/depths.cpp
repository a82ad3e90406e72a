// The Python side of depths: gypsum.native._splats.draw_depths.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <omp.h>

#include <stdexcept>
#include <vector>

#include "common/cpu.hpp"
#include "splats/depths.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::splats {
namespace {

template <class T, class Shape>
using Array = nb::ndarray<T, Shape, nb::c_contig, nb::device::cpu>;
using Rows = Array<const float, nb::shape<-1, kRow>>;
using Map = Array<float, nb::ndim<2>>;

void draw_depths(const Rows& rows, const Array<const double, nb::shape<3, 3>>& K,
                 const Array<const double, nb::shape<3, 4>>& pose, float alpha_min,
                 float transmittance_min, float near, float blur, float surface,
                 float front, const Map& depth, const Map& expected,
                 const Array<float, nb::shape<3, -1, -1>>& normal, const Map& transmittance,
                 int threads, bool portable) {
  const int height = int(depth.shape(0)), width = int(depth.shape(1));
  const auto fits = [=](const auto& map, int first) {
    return int(map.shape(first)) == height && int(map.shape(first + 1)) == width;
  };
  if (!fits(expected, 0) || !fits(normal, 1) || !fits(transmittance, 0))
    throw std::invalid_argument("depths, normals and transmittance differ in size");
  if (!(alpha_min > 0 && transmittance_min > 0 && near > 0 && blur >= 0))
    throw std::invalid_argument("limits must be positive");
  Camera camera{float(K(0, 0)), float(K(1, 1)), float(K(0, 2)), float(K(1, 2)), {}, {},
                width, height};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) camera.R[3 * i + j] = float(pose(i, j));
    camera.t[i] = float(pose(i, 3));
  }
  const Limits limits{alpha_min, transmittance_min, near, blur};
  const bool plain = portable || !has_avx2();
  const Kernels& kernels = plain ? portable::kernels : avx2::kernels;
  const DepthKernel& kernel = plain ? portable::depth_kernel : avx2::depth_kernel;
  const int cores = threads > 0 ? threads : omp_get_num_procs();
  const std::size_t count = rows.shape(0);
  nb::gil_scoped_release release;
  std::vector<Splat> projected(count);
  std::vector<float> depths(count);
  Bins bins;
  kernels.project(rows.data(), count, 0, camera, limits, cores, projected.data(), depths.data());
  fill_bins(projected.data(), depths.data(), count, width, height, cores, bins);
  kernel.draw(rows.data(), camera, limits, bins, surface, front, cores,
              {width, height, depth.data(), expected.data(), normal.data(), transmittance.data()});
}

}  // namespace

void add_depths(nb::module_& m) {
  m.def("draw_depths", &draw_depths, "rows"_a, "K"_a, "pose"_a, "alpha_min"_a,
        "transmittance_min"_a, "near"_a, "blur"_a, "surface"_a, "front"_a, "depth"_a, "expected"_a,
        "normal"_a, "transmittance"_a, "threads"_a = 0, "portable"_a = false,
        "Depth where the transmittance falls to `surface`, `front` deviations nearer; the mean of\n"
        "all depths; normals in the camera's\n"
        "frame.");
}

}  // namespace gypsum::splats

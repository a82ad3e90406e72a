// Which pixels of a depth map other depth maps of the same scene confirm.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <omp.h>

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::splats {
namespace {

template <class T, class Shape>
using Array = nb::ndarray<T, Shape, nb::c_contig, nb::device::cpu>;
using Depths = Array<const float, nb::ndim<2>>;
using Matrix = Array<const double, nb::shape<3, 4>>;
using Flags = Array<std::uint8_t, nb::ndim<2>>;

struct Other {
  int width, height;
  const float* depth;
  float M[12];  // (3, 4): a pixel and its depth here, (x z, y z, z, 1), to (x z, y z, z) there
};

// Points are carried from pixel to pixel: K' (R' R^T K^-1 (x z, y z, z) + t' - R' R^T t).
Other make_other(const Depths& depth, const double* here, const double* there) {
  Other other{int(depth.shape(1)), int(depth.shape(0)), depth.data(), {}};
  // `here` takes (x z, y z, z, 1) to the world, `there` the world to (x z, y z, z).
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) {
      double value = j == 3 ? there[4 * i + 3] : 0.0;
      for (int k = 0; k < 3; ++k) value += there[4 * i + k] * here[4 * k + j];
      other.M[4 * i + j] = float(value);
    }
  return other;
}

void compare(const Depths& depth, const Matrix& to_world, const std::vector<Depths>& depths,
             const std::vector<Matrix>& from_world, float tolerance, float reach, int threads,
             const Flags& agree, const Flags& before) {
  const int height = int(depth.shape(0)), width = int(depth.shape(1));
  for (const Flags* map : {&agree, &before})
    if (int(map->shape(0)) != height || int(map->shape(1)) != width)
      throw std::invalid_argument("the counts differ in size from the depths");
  if (depths.size() != from_world.size() || depths.size() > 255)
    throw std::invalid_argument("a camera for each depth map, 255 at most");
  std::vector<Other> others;
  for (std::size_t i = 0; i < depths.size(); ++i)
    others.push_back(make_other(depths[i], to_world.data(), from_world[i].data()));
  const int cores = threads > 0 ? threads : omp_get_num_procs();
  nb::gil_scoped_release release;
#pragma omp parallel for schedule(dynamic, 8) num_threads(cores)
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const std::size_t at = std::size_t(y) * width + x;
      const float z = depth.data()[at], u = (float(x) + 0.5f) * z, v = (float(y) + 0.5f) * z;
      int same = 0, nearer = 0;
      for (const Other& other : others) {
        if (!(z > 0)) break;
        const float* M = other.M;
        const float there = M[8] * u + M[9] * v + M[10] * z + M[11];
        if (!(there > 0)) continue;
        const float px = (M[0] * u + M[1] * v + M[2] * z + M[3]) / there;
        const float py = (M[4] * u + M[5] * v + M[6] * z + M[7]) / there;
        if (!(px >= 0 && py >= 0 && px < float(other.width) && py < float(other.height))) continue;
        const float found = other.depth[std::size_t(int(py)) * other.width + int(px)];
        if (!(found > 0)) continue;
        const float beyond = (there - found) / found;
        same += std::fabs(beyond) <= tolerance;
        nearer += beyond > tolerance && beyond <= reach;
      }
      agree.data()[at] = std::uint8_t(same);
      before.data()[at] = std::uint8_t(nearer);
    }
}

}  // namespace

void add_agreement(nb::module_& m) {
  m.def("compare_depths", &compare, "depth"_a, "to_world"_a, "depths"_a, "from_world"_a,
        "tolerance"_a, "reach"_a, "threads"_a, "agree"_a, "before"_a,
        "How many other depth maps show the same surface at each pixel, and how many one shortly\n"
        "before it.");
}

}  // namespace gypsum::splats

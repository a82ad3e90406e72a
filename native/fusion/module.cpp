// gypsum.native._fusion: from depth maps to one cloud.
#include "cells.hpp"
#include "compare.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <omp.h>

#include <stdexcept>
#include <utility>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::fusion {
namespace {

using Pose = nb::ndarray<const double, nb::shape<3, 4>, nb::c_contig, nb::device::cpu>;
using Intrinsics = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
template <class T>
using Map = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Vectors = nb::ndarray<T, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

template <class A, class B>
bool same_size(const A& a, const B& b) {
  return a.shape(0) == b.shape(0) && a.shape(1) == b.shape(1);
}

int cores(int threads) { return threads > 0 ? threads : omp_get_num_procs(); }

Photo photo(const Map<const float>& depth, const Vectors<const float>& normal, const Intrinsics& K,
            const Pose& pose, float coarseness = 1) {
  if (!same_size(depth, normal)) throw std::invalid_argument("depth and normal maps differ in size");
  return Photo(int(depth.shape(1)), int(depth.shape(0)), depth.data(), normal.data(), K.data(), pose.data(),
               coarseness);
}

void compare_maps(Map<const float> depth, Vectors<const float> normal, Intrinsics K, Pose pose,
                  float coarseness, std::vector<Map<const float>> depths, std::vector<Vectors<const float>> normals,
                  std::vector<Intrinsics> Ks, std::vector<Pose> poses, std::vector<float> coarsenesses,
                  std::vector<Map<const std::uint8_t>> kept, float max_pixels, float max_depth,
                  float min_cosine, int threads, Map<std::uint8_t> agree, Map<std::uint8_t> conflict,
                  Map<std::uint8_t> carried, Vectors<float> mean_points, Vectors<float> mean_normals) {
  const std::size_t count = depths.size();
  if (normals.size() != count || Ks.size() != count || poses.size() != count || kept.size() != count ||
      coarsenesses.size() != count)
    throw std::invalid_argument("as many of each as there are sources");
  if (!same_size(agree, depth) || !same_size(conflict, depth) || !same_size(carried, depth) ||
      !same_size(mean_points, depth) || !same_size(mean_normals, depth))
    throw std::invalid_argument("the results must have the depth map's size");
  const Photo here = photo(depth, normal, K, pose, coarseness);
  std::vector<Photo> sources;
  for (std::size_t j = 0; j < count; ++j) {
    sources.push_back(photo(depths[j], normals[j], Ks[j], poses[j], coarsenesses[j]));
    if (kept[j].size() == 0) continue;
    if (!same_size(kept[j], depths[j]))
      throw std::invalid_argument("a mask of kept pixels must have its depth map's size, or none");
    sources.back().kept = kept[j].data();
  }
  const Limits limits{max_pixels, max_depth, min_cosine};
  const Verdicts out{agree.data(), conflict.data(), carried.data(), mean_points.data(), mean_normals.data()};
  nb::gil_scoped_release release;
  compare(here, sources, limits, cores(threads), out);
}

void add(Cells& cells, Map<const std::uint8_t> chosen, Map<const std::uint8_t> agree,
         Vectors<const float> points, Vectors<const float> normals, Vectors<const std::uint8_t> colors,
         Map<const float> radii, Map<const float> confidence) {
  if (!same_size(agree, chosen) || !same_size(points, chosen) || !same_size(normals, chosen) ||
      !same_size(colors, chosen) || !same_size(radii, chosen) || !same_size(confidence, chosen))
    throw std::invalid_argument("all arrays must have the depth map's size");
  nb::gil_scoped_release release;
  cells.add({chosen.size(), chosen.data(), agree.data(), points.data(), normals.data(), colors.data(),
             radii.data(), confidence.data()});
}

void judge(Cells& cells, int number, Map<const float> depth, Vectors<const float> normal, Intrinsics K,
           Pose pose, Map<const std::uint8_t> trusted, Map<const std::uint8_t> mask, float max_depth,
           float min_cosine, float behind, int threads) {
  if (!same_size(trusted, depth)) throw std::invalid_argument("trusted must have the depth map's size");
  if (mask.size() && !same_size(mask, depth)) throw std::invalid_argument("a mask must have the depth map's size");
  if (number < 0 || number > 0xFFFF) throw std::invalid_argument("photos are numbered from 0 to 65535");
  const Photo here = photo(depth, normal, K, pose);
  nb::gil_scoped_release release;
  cells.judge(here, number, trusted.data(), mask.size() ? mask.data() : nullptr, max_depth, min_cosine, behind,
              cores(threads));
}

// Hands a vector to NumPy without a copy.
template <class T>
nb::object array(std::vector<T>&& values, std::size_t columns) {
  auto* owned = new std::vector<T>(std::move(values));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  if (columns == 1) return nb::cast(nb::ndarray<nb::numpy, T>(owned->data(), {owned->size()}, owner));
  return nb::cast(nb::ndarray<nb::numpy, T>(owned->data(), {owned->size() / columns, columns}, owner));
}

nb::tuple finish(const Cells& cells, int fewest, float per_conflict, float most_outside, float least_seeing) {
  Cloud cloud;
  {
    nb::gil_scoped_release release;
    cloud = cells.finish(fewest, per_conflict, most_outside, least_seeing);
  }
  return nb::make_tuple(array(std::move(cloud.points), 3), array(std::move(cloud.normals), 3),
                        array(std::move(cloud.colors), 3), array(std::move(cloud.radii), 1),
                        array(std::move(cloud.confidence), 1), array(std::move(cloud.support), 1),
                        array(std::move(cloud.starts), 1), array(std::move(cloud.photos), 1));
}

}  // namespace
}  // namespace gypsum::fusion

NB_MODULE(_fusion, m) {
  using namespace gypsum::fusion;
  m.doc() = "From depth maps to one cloud: consistency between photos, and a grid that gathers points.";
  m.def("compare_maps", &compare_maps, "depth"_a, "normal"_a, "K"_a, "pose"_a, "coarseness"_a, "depths"_a,
        "source_normals"_a, "Ks"_a, "poses"_a, "coarsenesses"_a, "kept"_a, "max_pixels"_a, "max_depth"_a,
        "min_cosine"_a, "threads"_a, "agree"_a, "conflict"_a, "carried"_a, "points"_a, "normals"_a);
  nb::class_<Cells>(m, "Cells")
      .def(nb::init<double, double, std::size_t>(), "edge"_a, "cells_per_pixel"_a, "most"_a)
      .def("add", &add, "chosen"_a, "agree"_a, "points"_a, "normals"_a, "colors"_a, "radii"_a, "confidence"_a)
      .def("judge", &judge, "number"_a, "depth"_a, "normal"_a, "K"_a, "pose"_a, "trusted"_a, "mask"_a,
           "max_depth"_a, "min_cosine"_a, "behind"_a, "threads"_a)
      .def("finish", &finish, "fewest"_a, "per_conflict"_a, "most_outside"_a = 1.0f,
           "least_seeing"_a = 0.0f)
      .def("__len__", &Cells::size)
      .def_prop_ro("merged", &Cells::merged);
}

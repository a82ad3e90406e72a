// gypsum.native._cloud: thinning, neighbours and local shape of point clouds.
#include "grid.hpp"
#include "lzf.hpp"
#include "shape.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <omp.h>

#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::cloud {
namespace {

template <class T>
using Rows = nb::ndarray<const T, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
template <class T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

int cores(int threads) { return threads > 0 ? threads : omp_get_num_procs(); }

// Hands a vector to NumPy without a copy.
template <class T>
nb::object rows(std::vector<T>&& values, std::size_t columns) {
  auto* owned = new std::vector<T>(std::move(values));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(owned->data(), {owned->size() / columns, columns}, owner));
}

template <class T>
nb::object column(std::vector<T>&& values) {
  auto* owned = new std::vector<T>(std::move(values));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(owned->data(), {owned->size()}, owner));
}

void add(Grid& grid, Rows<double> points, Rows<std::uint8_t> colors, Rows<float> facing, Column<float> intensity,
         Column<std::uint8_t> classes) {
  const std::size_t count = points.shape(0);
  if (colors.shape(0) != count || facing.shape(0) != count || intensity.shape(0) != count ||
      classes.shape(0) != count)
    throw std::invalid_argument("as many of each as there are points");
  nb::gil_scoped_release release;
  grid.add({count, points.data(), colors.data(), facing.data(), intensity.data(), classes.data()});
}

nb::tuple finish(const Grid& grid) {
  Gathered out;
  {
    nb::gil_scoped_release release;
    out = grid.finish();
  }
  return nb::make_tuple(rows(std::move(out.points), 3), rows(std::move(out.colors), 3),
                        rows(std::move(out.facing), 3), column(std::move(out.intensity)),
                        column(std::move(out.classes)), column(std::move(out.counts)));
}

nb::tuple local_shape(Rows<float> points, int neighbours, int threads) {
  const std::size_t count = points.shape(0);
  std::vector<float> distance(count), normals(3 * count), roughness(count), contrast(count);
  {
    nb::gil_scoped_release release;
    shape(Tree(points.data(), count), neighbours, cores(threads), distance.data(), normals.data(), roughness.data(),
          contrast.data());
  }
  return nb::make_tuple(column(std::move(distance)), rows(std::move(normals), 3), column(std::move(roughness)),
                        column(std::move(contrast)));
}

nb::tuple nearest(Rows<float> points, Rows<float> wanted, int k, int threads) {
  if (k < 1 || k > kMostNeighbours) throw std::invalid_argument("from 1 to 64 neighbours");
  const std::size_t count = wanted.shape(0);
  std::vector<std::int32_t> index(count * k, -1);
  std::vector<float> distance(count * k, 0);
  {
    nb::gil_scoped_release release;
    const Tree tree(points.data(), points.shape(0));
#pragma omp parallel for schedule(dynamic, 1024) num_threads(cores(threads))
    for (std::size_t row = 0; row < count; ++row) {
      Neighbour found[kMostNeighbours];
      const int held = tree.nearest(wanted.data() + 3 * row, k, found);
      for (int n = 0; n < held; ++n) {
        index[row * k + n] = std::int32_t(found[n].point);
        distance[row * k + n] = std::sqrt(found[n].squared);
      }
    }
  }
  return nb::make_tuple(rows(std::move(index), std::size_t(k)), rows(std::move(distance), std::size_t(k)));
}

nb::bytes lzf_expand(nb::bytes data, std::size_t size) {
  std::vector<std::uint8_t> out(size);
  const auto* from = reinterpret_cast<const std::uint8_t*>(data.c_str());
  bool whole;
  {
    nb::gil_scoped_release release;
    whole = expand(from, data.size(), out.data(), size);
  }
  if (!whole) throw std::invalid_argument("the compressed data are damaged");
  return nb::bytes(reinterpret_cast<const char*>(out.data()), size);
}

}  // namespace
}  // namespace gypsum::cloud

NB_MODULE(_cloud, m) {
  using namespace gypsum::cloud;
  m.doc() = "Thinning, neighbours and local shape of point clouds.";
  nb::class_<Grid>(m, "Grid")
      .def(nb::init<double, std::size_t>(), "edge"_a, "most"_a)
      .def("add", &add, "points"_a, "colors"_a, "facing"_a, "intensity"_a, "classes"_a)
      .def("finish", &finish)
      .def("__len__", &Grid::size)
      .def_prop_ro("edge", &Grid::edge);
  m.def("local_shape", &local_shape, "points"_a, "neighbours"_a, "threads"_a);
  m.def("nearest", &nearest, "points"_a, "wanted"_a, "k"_a, "threads"_a);
  m.def("lzf_expand", &lzf_expand, "data"_a, "size"_a);
}

// gypsum.native._sample: the procedural sculpture, its pictures and its surface.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include "sample/owl.hpp"
#include "sample/render.hpp"
#include "sample/sensor.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::sample {
namespace {

template <class T, class... Shape>
nb::ndarray<nb::numpy, T, nb::c_contig> make_array(Shape... shape) {
  const size_t sizes[] = {static_cast<size_t>(shape)...};
  size_t total = 1;
  for (const size_t size : sizes) total *= size;
  T* data = new T[total]();
  const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<nb::numpy, T, nb::c_contig>(data, sizeof...(Shape), sizes, owner);
}

nb::ndarray<nb::numpy, float, nb::c_contig> vectors(const std::vector<Vec3>& values) {
  auto array = make_array<float>(values.size(), 3);
  std::copy_n(reinterpret_cast<const float*>(values.data()), 3 * values.size(), array.data());
  return array;
}

using Matrix = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::shape<3>, nb::c_contig, nb::device::cpu>;
using Points = nb::ndarray<const float, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Image = nb::ndarray<const float, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

using Pattern = nb::ndarray<const uint8_t, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;

Card make_card(double x, double y, double turn, double module, Pattern pattern) {
  if (pattern.shape(0) != pattern.shape(1)) throw nb::value_error("a card's pattern is square");
  return {x, y, turn, module, static_cast<int>(pattern.shape(0)),
          std::vector<uint8_t>(pattern.data(), pattern.data() + pattern.size())};
}

nb::tuple render(const Scene& scene, int width, int height, Matrix K, Matrix R, Vector t, double k1,
                 bool color, int threads, const std::vector<Card>& cards, int finish, std::optional<Matrix> turn) {
  if (finish < 0 || finish > static_cast<int>(Finish::posed)) throw nb::value_error("there is no such finish");
  Camera camera{width, height, K(0, 0), K(1, 1), K(0, 2), K(1, 2), k1, {}, {}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  std::copy_n(R.data(), 9, camera.R);
  std::copy_n(t.data(), 3, camera.t);
  if (turn) std::copy_n(turn->data(), 9, camera.turn);
  auto radiance = make_array<float>(color ? height : 0, width, 3);
  auto depth = make_array<float>(height, width);
  auto normal = make_array<float>(height, width, 3);
  auto label = make_array<uint8_t>(height, width);
  const Picture picture{color ? radiance.data() : nullptr, depth.data(), normal.data(), label.data()};
  {
    nb::gil_scoped_release release;
    scene.render(camera, cards, static_cast<Finish>(finish), picture, threads);
  }
  return nb::make_tuple(radiance, depth, normal, label);
}

nb::ndarray<nb::numpy, uint8_t, nb::c_contig> expose_photo(Image radiance, float exposure, float vignetting,
                                                           float full_well, float read_noise, uint32_t seed,
                                                           int threads) {
  auto photo = make_array<uint8_t>(radiance.shape(0), radiance.shape(1), 3);
  const int height = static_cast<int>(radiance.shape(0)), width = static_cast<int>(radiance.shape(1));
  nb::gil_scoped_release release;
  expose(radiance.data(), photo.data(), width, height, {exposure, vignetting, full_well, read_noise, seed}, threads);
  return photo;
}

nb::ndarray<nb::numpy, float, nb::c_contig> distance(Points points) {
  auto result = make_array<float>(points.shape(0));
  for (size_t n = 0; n < points.shape(0); ++n)
    result.data()[n] = owl({points(n, 0), points(n, 1), points(n, 2)});
  return result;
}

}  // namespace
}  // namespace gypsum::sample

NB_MODULE(_sample, m) {
  using namespace gypsum::sample;
  m.attr("TABLE_RADIUS") = kTableRadius;
  nb::class_<Card>(m, "Card")
      .def("__init__",
           [](Card* card, double x, double y, double turn, double module, Pattern pattern) {
             new (card) Card(make_card(x, y, turn, module, pattern));
           },
           "x"_a, "y"_a, "turn"_a, "module"_a, "pattern"_a);
  nb::class_<Scene>(m, "Scene")
      .def(nb::init<float, int>(), "cell"_a, "threads"_a = 0, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("vertices", [](const Scene& s) { return vectors(s.mesh().vertices); }, nb::rv_policy::move)
      .def_prop_ro("normals", [](const Scene& s) { return vectors(s.mesh().normals); }, nb::rv_policy::move)
      .def_prop_ro("faces",
                   [](const Scene& s) {
                     auto faces = make_array<int32_t>(s.mesh().faces.size(), 3);
                     std::copy_n(s.mesh().faces.data()->data(), 3 * s.mesh().faces.size(), faces.data());
                     return faces;
                   }, nb::rv_policy::move)
      .def("render", &render, "width"_a, "height"_a, "K"_a, "R"_a, "t"_a, "k1"_a = 0.0, "color"_a = true,
           "threads"_a = 0, "cards"_a = std::vector<Card>(), "finish"_a = 0, "turn"_a = nb::none());
  m.def("expose", &expose_photo, "radiance"_a, "exposure"_a, "vignetting"_a, "full_well"_a, "read_noise"_a,
        "seed"_a, "threads"_a = 0);
  m.def("distance", &distance, "points"_a);
}

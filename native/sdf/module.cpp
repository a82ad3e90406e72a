// gypsum.native._sdf: signed distances and colours on sparse blocks, rendered, differentiated and kept smooth.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <vector>

#include "common/cpu.hpp"
#include "sdf/field.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::sdf {
namespace {

template <class T, class... Shape>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu, Shape...>;
using Table = Array<const std::int32_t, nb::ndim<3>>;
using Values = Array<const float, nb::ndim<1>>;
using MutableValues = Array<float, nb::ndim<1>>;
using Colors = Array<const float, nb::shape<-1, kChannels>>;
using Around = Array<const std::int32_t, nb::shape<-1, 6>>;
using Cameras = Array<const float, nb::shape<-1, 16>>;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

int cores(int threads) { return threads > 0 ? threads : omp_get_num_procs(); }

bool wide(bool portable) { return !portable && has_avx2(); }

Field field_of(const Table& table, const Values& distance, const Colors* color, float truncation) {
  Field field{};
  for (int k = 0; k < 3; ++k) {
    field.blocks[k] = int(table.shape(2 - k));
    field.nodes[k] = field.blocks[k] * kSide;
  }
  field.table = table.data();
  field.count = std::int64_t(distance.shape(0)) / kNodes;
  field.distance = distance.data();
  field.truncation = truncation;
  require(table.size() > 0 && std::int64_t(distance.shape(0)) == field.count * kNodes, "rows come in whole blocks");
  require(field.count < (std::int64_t(1) << 24), "too many blocks");
  for (std::size_t n = 0; n < table.size(); ++n)
    require(field.table[n] < field.count, "the table names a block that is not there");
  if (color) {
    require(color->shape(0) == distance.shape(0), "one colour for each distance");
    field.color = color->data();
  }
  return field;
}

// A field with its rays, held for many steps: checked once.
class Scene {
 public:
  Scene(Table table, Values distance, Colors color, float truncation, Cameras cameras,
        Array<const std::int16_t, nb::ndim<1>> camera, Array<const float, nb::shape<-1, 2>> pixel,
        Array<const float, nb::shape<-1, 4>> target, Values trust,
        std::optional<Array<const float, nb::shape<-1, 2>>> depth, int threads, bool portable)
      : table_(table), distance_(distance), color_(color), camera_(camera), pixel_(pixel), target_(target), trust_(trust),
        depth_(depth), threads_(cores(threads)), wide_(wide(portable)) {
    field_ = field_of(table_, distance_, &color_, truncation);
    const std::size_t count = camera.shape(0);
    require(pixel.shape(0) == count && target.shape(0) == count && trust.shape(0) == count &&
                (!depth || depth->shape(0) == count),
            "arrays of rays differ in length");
    for (std::size_t n = 0; n < count; ++n)
      require(camera.data()[n] >= 0 && std::size_t(camera.data()[n]) < cameras.shape(0), "a ray of no camera");
    for (std::size_t n = 0; n < cameras.shape(0); ++n) {
      const float* from = cameras.data() + 16 * n;
      Camera to{from[0], from[1], from[2], from[3], {}, {}};
      std::copy_n(from + 4, 9, to.R);
      std::copy_n(from + 13, 3, to.center);
      cameras_.push_back(to);
    }
  }

  nb::tuple descend(const Values& optics, double phase, const Array<const std::int32_t, nb::ndim<1>>& chosen,
                    const Array<float, nb::ndim<2>>& by_distance,
                    const Array<float, nb::shape<-1, -1, kChannels>>& by_color,
                    const Array<std::uint8_t, nb::ndim<2>>& seen) const {
    const std::size_t parts = by_distance.shape(0), rows = std::size_t(field_.count) * kNodes;
    require(parts >= 1 && by_color.shape(0) == parts && seen.shape(0) == parts && by_distance.shape(1) == rows &&
                by_color.shape(1) == rows && seen.shape(1) == std::size_t(field_.count),
            "buffers of the gradient do not fit the field");
    const Rays rays = chosen_rays(chosen);
    const Gradient gradient{by_distance.data(), by_color.data(), seen.data()};
    Losses losses;
    {
      nb::gil_scoped_release release;
      losses = (wide_ ? descend_avx2 : descend_portable)(field_, cameras_.data(), rays, optics_of(optics, phase),
                                                         int(parts), gradient);
    }
    return nb::make_tuple(losses.color, losses.mask, losses.depth, losses.samples);
  }

  void inform(const Values& optics, double phase, const Array<const std::int32_t, nb::ndim<1>>& chosen,
              const Array<float, nb::ndim<2>>& squares) const {
    require(squares.shape(0) >= 1 && squares.shape(1) == std::size_t(field_.count) * kNodes,
            "the buffer does not fit the field");
    const Rays rays = chosen_rays(chosen);
    nb::gil_scoped_release release;
    (wide_ ? inform_avx2 : inform_portable)(field_, cameras_.data(), rays, optics_of(optics, phase),
                                            int(squares.shape(0)), squares.data());
  }

  void draw(const Values& optics, double phase, const Array<const std::int32_t, nb::ndim<1>>& chosen,
            const Array<float, nb::shape<-1, kDrawn>>& drawn) const {
    require(drawn.shape(0) == chosen.shape(0), "one row for each ray");
    const Rays rays = chosen_rays(chosen);
    nb::gil_scoped_release release;
    (wide_ ? draw_avx2 : draw_portable)(field_, cameras_.data(), rays, optics_of(optics, phase), threads_, drawn.data());
  }

 private:
  static Optics optics_of(const Values& values, double phase) {
    require(values.shape(0) == 7, "optics have seven numbers");
    const float* v = values.data();
    require(v[0] > 0 && v[1] > 0 && v[2] > 0 && v[3] > 0, "sharpness, step, noise and tail are positive");
    return {v[0], v[1], v[2], v[3], v[4], v[5], v[6], phase};
  }

  Rays chosen_rays(const Array<const std::int32_t, nb::ndim<1>>& chosen) const {
    for (std::size_t n = 0; n < chosen.shape(0); ++n)
      require(chosen.data()[n] >= 0 && std::size_t(chosen.data()[n]) < camera_.shape(0), "there is no such ray");
    return {std::int64_t(chosen.shape(0)), chosen.data(), camera_.data(), pixel_.data(), target_.data(), trust_.data(),
            depth_ ? depth_->data() : nullptr};
  }

  Table table_;
  Values distance_;
  Colors color_;
  Array<const std::int16_t, nb::ndim<1>> camera_;
  Array<const float, nb::shape<-1, 2>> pixel_;
  Array<const float, nb::shape<-1, 4>> target_;
  Values trust_;
  std::optional<Array<const float, nb::shape<-1, 2>>> depth_;
  Field field_{};
  std::vector<Camera> cameras_;
  int threads_;
  bool wide_;
};

void sample(const Table& table, const Values& distance, const std::optional<Colors>& color, float truncation,
            const Array<const float, nb::shape<-1, 3>>& points, const MutableValues& distances,
            const std::optional<Array<float, nb::shape<-1, kChannels>>>& colors, int threads, bool portable) {
  const Field field = field_of(table, distance, color ? &*color : nullptr, truncation);
  require(distances.shape(0) == points.shape(0), "one distance for each point");
  require(!colors || (color && colors->shape(0) == points.shape(0)), "one colour for each point");
  nb::gil_scoped_release release;
  (wide(portable) ? sample_avx2 : sample_portable)(field, points.data(), std::int64_t(points.shape(0)), cores(threads),
                                                   distances.data(), colors ? colors->data() : nullptr);
}

// The blocks of so many rows, with their neighbours.
Blocks blocks_of(std::size_t rows, const Around& around) {
  const Blocks blocks{std::int64_t(rows) / kNodes, around.data()};
  require(std::int64_t(rows) == blocks.count * kNodes, "rows come in whole blocks");
  require(std::int64_t(around.shape(0)) == blocks.count, "six neighbours for each block");
  for (std::size_t n = 0; n < around.size(); ++n)
    require(around.data()[n] < blocks.count, "a neighbour that is not there");
  return blocks;
}

void regularize_rows(const Values& distance, const Around& around, float eikonal, float curvature, float edge, float width,
                     const MutableValues& gradient, int threads) {
  const Blocks blocks = blocks_of(distance.shape(0), around);
  require(gradient.shape(0) == distance.shape(0), "one derivative for each distance");
  nb::gil_scoped_release release;
  regularize(blocks, distance.data(), {eikonal, curvature, edge, width}, cores(threads), gradient.data());
}

void diffuse_rows(const MutableValues& values, const Around& around, int rounds, int threads) {
  const Blocks blocks = blocks_of(values.shape(0), around);
  nb::gil_scoped_release release;
  diffuse(blocks, rounds, cores(threads), values.data());
}

void redistance_rows(const Values& distance, const Around& around, float truncation, int rounds,
                     const MutableValues& to, int threads) {
  const Blocks blocks = blocks_of(distance.shape(0), around);
  require(to.shape(0) == distance.shape(0), "one distance for each row");
  nb::gil_scoped_release release;
  redistance(blocks, distance.data(), truncation, rounds, cores(threads), to.data());
}

// Adam (Kingma and Ba 2015) on the colours of blocks that rays met; clears the gradient's buffers of them.
void adam_colors(const Array<float, nb::shape<-1, kChannels>>& color, const Array<float, nb::shape<-1, kChannels>>& first,
                 const Array<float, nb::shape<-1, kChannels>>& second,
                 const Array<float, nb::shape<-1, -1, kChannels>>& by_color, const Array<std::uint8_t, nb::ndim<2>>& seen,
                 const Array<const float, nb::shape<kChannels>>& rates, const Array<const float, nb::shape<kChannels>>& decay,
                 int step, int threads) {
  const std::size_t rows = color.shape(0), parts = by_color.shape(0), blocks = rows / kNodes;
  require(first.shape(0) == rows && second.shape(0) == rows && by_color.shape(1) == rows && seen.shape(0) == parts &&
              seen.shape(1) == blocks && step >= 1,
          "moments and gradient have to fit the colours");
  nb::gil_scoped_release release;
  constexpr float kFirst = 0.9f, kSecond = 0.99f, kEpsilon = 1e-8f;
  const float bias1 = 1 / (1 - std::pow(kFirst, float(step))), bias2 = 1 / (1 - std::pow(kSecond, float(step)));
#pragma omp parallel for num_threads(cores(threads)) schedule(static)
  for (std::size_t block = 0; block < blocks; ++block) {
    bool met = false;
    for (std::size_t part = 0; part < parts; ++part) met = met || seen.data()[part * blocks + block];
    if (!met) continue;
    for (std::size_t row = block * kNodes; row < (block + 1) * kNodes; ++row)
      for (int k = 0; k < kChannels; ++k) {
        float g = 0;
        for (std::size_t part = 0; part < parts; ++part) {
          float& from = by_color.data()[(part * rows + row) * kChannels + k];
          g += from;
          from = 0;
        }
        const std::size_t n = row * kChannels + k;
        float &value = color.data()[n], &m = first.data()[n], &v = second.data()[n];
        if (g == 0 && v == 0) continue;
        g += decay.data()[k] * value;
        m = kFirst * m + (1 - kFirst) * g;
        v = kSecond * v + (1 - kSecond) * g * g;
        value -= rates.data()[k] * bias1 * m / (std::sqrt(bias2 * v) + kEpsilon);
      }
    for (std::size_t part = 0; part < parts; ++part) seen.data()[part * blocks + block] = 0;
  }
}

}  // namespace
}  // namespace gypsum::sdf

NB_MODULE(_sdf, m) {
  using namespace gypsum::sdf;
  m.doc() = "Signed distances and colours on sparse blocks: volume rendering, its derivative, smoothness.";
  m.attr("SIDE") = kSide;
  m.attr("CHANNELS") = kChannels;
  m.attr("DRAWN") = kDrawn;
  m.attr("INSIDE") = kInside;
  nb::class_<Scene>(m, "Scene")
      .def(nb::init<Table, Values, Colors, float, Cameras, Array<const std::int16_t, nb::ndim<1>>,
                    Array<const float, nb::shape<-1, 2>>, Array<const float, nb::shape<-1, 4>>, Values,
                    std::optional<Array<const float, nb::shape<-1, 2>>>, int, bool>(),
           "table"_a, "distance"_a, "color"_a, "truncation"_a, "cameras"_a, "camera"_a, "pixel"_a, "target"_a, "trust"_a,
           "depth"_a.none(), "threads"_a = 0, "portable"_a = false)
      .def("descend", &Scene::descend, "optics"_a, "phase"_a, "chosen"_a, "by_distance"_a, "by_color"_a, "seen"_a)
      .def("inform", &Scene::inform, "optics"_a, "phase"_a, "chosen"_a, "squares"_a)
      .def("draw", &Scene::draw, "optics"_a, "phase"_a, "chosen"_a, "drawn"_a);
  m.def("sample", &sample, "table"_a, "distance"_a, "color"_a.none(), "truncation"_a, "points"_a, "distances"_a,
        "colors"_a.none(), "threads"_a = 0, "portable"_a = false);
  m.def("regularize", &regularize_rows, "distance"_a, "around"_a, "eikonal"_a, "curvature"_a, "edge"_a, "width"_a,
        "gradient"_a, "threads"_a = 0);
  m.def("diffuse", &diffuse_rows, "values"_a, "around"_a, "rounds"_a, "threads"_a = 0);
  m.def("redistance", &redistance_rows, "distance"_a, "around"_a, "truncation"_a, "rounds"_a, "to"_a, "threads"_a = 0);
  m.def("adam", &adam_colors, "color"_a, "first"_a, "second"_a, "by_color"_a, "seen"_a, "rates"_a, "decay"_a, "step"_a,
        "threads"_a = 0);
}

// gypsum.native._patchmatch: depth maps by PatchMatch multi-view stereo.
#include "sweep.hpp"

#include "common/cpu.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace nb = nanobind;

namespace gypsum::patchmatch {
namespace {

using Gray = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const float, nb::shape<3, 4>, nb::c_contig, nb::device::cpu>;
using Map = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Planes = nb::ndarray<float, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;
using Costs = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Chosen = nb::ndarray<std::uint16_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void pack_quads(Source& source, const std::uint8_t* gray) {
  const int width = source.width, height = source.height;
  source.quads.resize(std::size_t(width) * height);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* row = gray + std::size_t(y) * width;
    const std::uint8_t* below = y + 1 < height ? row + width : row;
    std::uint32_t* out = source.quads.data() + std::size_t(y) * width;
    for (int x = 0; x < width; ++x) {
      const int right = x + 1 < width ? x + 1 : x;
      out[x] = std::uint32_t(row[x]) | std::uint32_t(row[right]) << 8 |
               std::uint32_t(below[x]) << 16 | std::uint32_t(below[right]) << 24;
    }
  }
}

void split(const Matrix& matrix, float* M, float* v) {
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) M[3 * r + c] = matrix(r, c);
    v[r] = matrix(r, 3);
  }
}

// One reference photo at one size with its sources. Keeps the arrays it was given alive.
class Matcher {
 public:
  Matcher(Gray gray, std::vector<float> intrinsics, float w_min, float w_max, std::uint32_t seed,
          int threads, bool portable)
      : gray_(gray), portable_(portable || !has_avx2()) {
    if (intrinsics.size() != 4) throw std::invalid_argument("intrinsics must be (fx, fy, cx, cy)");
    if (!(w_min > 0 && w_max > w_min)) throw std::invalid_argument("need 0 < w_min < w_max");
    problem_.height = int(gray.shape(0));
    problem_.width = int(gray.shape(1));
    problem_.gray = gray.data();
    problem_.mask = nullptr;
    problem_.fx = intrinsics[0], problem_.fy = intrinsics[1];
    problem_.cx = intrinsics[2], problem_.cy = intrinsics[3];
    problem_.w_min = w_min, problem_.w_max = w_max;
    problem_.seed = seed;
    problem_.geometric_weight = 0;
    problem_.w_pixel = 0;
    problem_.threads = threads > 0 ? threads : omp_get_num_procs();
  }

  void add_source(Gray gray, Matrix forward) {
    if (problem_.sources.size() >= kMaxSources) throw std::invalid_argument("at most 16 sources");
    Source source{};
    source.height = int(gray.shape(0));
    source.width = int(gray.shape(1));
    // Positions in the picture are computed in single precision.
    if (gray.size() >= std::size_t(1) << 24) throw std::invalid_argument("a photo may have 2^24 pixels at most");
    split(forward, source.M, source.v);
    {
      nb::gil_scoped_release release;
      pack_quads(source, gray.data());
    }
    // The middle of the picture stands for all of it: |v - s v_z| / depth at the mean inverse depth.
    const float w = 0.5f * (problem_.w_min + problem_.w_max);
    const float px = 0.5f * problem_.width, py = 0.5f * problem_.height;
    float Mp[3];
    for (int r = 0; r < 3; ++r)
      Mp[r] = source.M[3 * r] * px + source.M[3 * r + 1] * py + source.M[3 * r + 2];
    const float depth = Mp[2] + source.v[2] * w;
    if (depth > 1e-6f) {
      const float sx = (Mp[0] + source.v[0] * w) / depth, sy = (Mp[1] + source.v[1] * w) / depth;
      const float motion = std::hypot(source.v[0] - sx * source.v[2], source.v[1] - sy * source.v[2]) / depth;
      if (motion > 0) motions_.push_back(motion);
    }
    problem_.sources.push_back(std::move(source));
    update_step();
  }

  void set_geometry(int index, Map inverse_depth, Matrix backward) {
    Source& source = problem_.sources.at(index);
    source.inverse_depth = inverse_depth.data();
    source.depth_height = int(inverse_depth.shape(0));
    source.depth_width = int(inverse_depth.shape(1));
    split(backward, source.M_back, source.v_back);
    kept_.push_back(inverse_depth);
  }

  void set_mask(Gray mask) {
    if (int(mask.shape(0)) != problem_.height || int(mask.shape(1)) != problem_.width)
      throw std::invalid_argument("the mask must have the photo's size");
    mask_ = mask;
    problem_.mask = mask.data();
  }

  void initialise(Planes planes, Costs cost, Chosen chosen) {
    attach(planes, cost, chosen);
    nb::gil_scoped_release release;
    portable_ ? initialise_portable(problem_) : initialise_avx2(problem_);
  }

  void sweep(Planes planes, Costs cost, Chosen chosen, int iteration, int reach, float depth_range,
             float angle_range, bool random_hypothesis, float geometric_weight) {
    attach(planes, cost, chosen);
    problem_.geometric_weight = geometric_weight;
    const Sweep step{iteration, reach, depth_range, angle_range, random_hypothesis};
    nb::gil_scoped_release release;
    portable_ ? sweep_portable(problem_, step) : sweep_avx2(problem_, step);
  }

  float cost(int x, int y, float w, float a, float b, int source) const {
    if (x < 0 || y < 0 || x >= problem_.width || y >= problem_.height || source < 0 ||
        source >= int(problem_.sources.size()))
      throw std::invalid_argument("pixel or source outside");
    const Plane plane{w, a, b};
    return portable_ ? cost_portable(problem_, x, y, plane, source)
                     : cost_avx2(problem_, x, y, plane, source);
  }

 private:
  // One pixel of displacement in the source of median baseline.
  void update_step() {
    if (motions_.empty()) {
      problem_.w_pixel = problem_.w_max - problem_.w_min;
      return;
    }
    std::vector<float> sorted = motions_;
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
    problem_.w_pixel = 1.0f / sorted[sorted.size() / 2];
  }

  void attach(Planes& planes, Costs& cost, Chosen& chosen) {
    const auto fits = [&](const auto& array) {
      return int(array.shape(0)) == problem_.height && int(array.shape(1)) == problem_.width;
    };
    if (!fits(planes) || !fits(cost) || !fits(chosen))
      throw std::invalid_argument("planes, cost and chosen must have the photo's size");
    if (problem_.sources.empty()) throw std::invalid_argument("no source photo");
    problem_.planes = reinterpret_cast<Plane*>(planes.data());
    problem_.cost = cost.data();
    problem_.chosen = chosen.data();
  }

  Problem problem_{};
  Gray gray_, mask_;
  std::vector<Map> kept_;
  std::vector<float> motions_;
  bool portable_;
};

}  // namespace
}  // namespace gypsum::patchmatch

using namespace nanobind::literals;

NB_MODULE(_patchmatch, m) {
  using namespace gypsum::patchmatch;
  m.doc() = "PatchMatch multi-view stereo: slanted planes, bilaterally weighted NCC, per-pixel view selection.";
  nb::class_<Matcher>(m, "Matcher")
      .def(nb::init<Gray, std::vector<float>, float, float, std::uint32_t, int, bool>(), "gray"_a,
           "intrinsics"_a, "w_min"_a, "w_max"_a, "seed"_a = 0, "threads"_a = 0, "portable"_a = false)
      .def("add_source", &Matcher::add_source, "gray"_a, "forward"_a)
      .def("set_geometry", &Matcher::set_geometry, "index"_a, "inverse_depth"_a, "backward"_a)
      .def("set_mask", &Matcher::set_mask, "mask"_a)
      .def("initialise", &Matcher::initialise, "planes"_a, "cost"_a, "chosen"_a)
      .def("sweep", &Matcher::sweep, "planes"_a, "cost"_a, "chosen"_a, "iteration"_a, "reach"_a,
           "depth_range"_a, "angle_range"_a, "random_hypothesis"_a, "geometric_weight"_a = 0.0f)
      .def("cost", &Matcher::cost, "x"_a, "y"_a, "w"_a, "a"_a, "b"_a, "source"_a);
}

// gypsum.native._splats: rendering of 3D Gaussians, its derivative, and steps of training.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <omp.h>

#include <optional>
#include <stdexcept>

#include "common/cpu.hpp"
#include "splats/splats.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::splats {
namespace {

template <class T, class Shape>
using Array = nb::ndarray<T, Shape, nb::c_contig, nb::device::cpu>;
using Rows = Array<const float, nb::shape<-1, kRow>>;
using MutableRows = Array<float, nb::shape<-1, kRow>>;
using Planes = Array<const float, nb::shape<3, -1, -1>>;
using MutablePlanes = Array<float, nb::shape<3, -1, -1>>;
using Map = Array<const float, nb::ndim<2>>;
using MutableMap = Array<float, nb::ndim<2>>;
using Flags = Array<std::uint8_t, nb::ndim<1>>;
using Intrinsics = Array<const double, nb::shape<3, 3>>;
using Pose = Array<const double, nb::shape<3, 4>>;
using Color = Array<const float, nb::shape<3>>;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

const Kernels& kernels(bool portable) {
  return portable || !has_avx2() ? portable::kernels : avx2::kernels;
}

int cores(int threads) { return threads > 0 ? threads : omp_get_num_procs(); }

// One picture after the other; keeps what the derivative of the last one needs.
class Rasterizer {
 public:
  Rasterizer(float alpha_min, float transmittance_min, float near, float blur, int threads,
             bool portable)
      : limits_{alpha_min, transmittance_min, near, blur},
        threads_(cores(threads)),
        kernels_(kernels(portable)) {
    require(alpha_min > 0 && transmittance_min > 0 && near > 0 && blur >= 0,
            "limits must be positive");
  }

  std::size_t draw(const Rows& rows, int degree, const Intrinsics& K, const Pose& pose,
                   const Color& background, const MutablePlanes& color,
                   const MutableMap& transmittance) {
    require(degree >= 0 && degree <= 3, "the degree is 0 to 3");
    require(color.shape(1) == transmittance.shape(0) && color.shape(2) == transmittance.shape(1),
            "colour and transmittance differ in size");
    camera_ = {float(K(0, 0)), float(K(1, 1)), float(K(0, 2)), float(K(1, 2)), {}, {},
               int(color.shape(2)), int(color.shape(1))};
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) camera_.R[3 * i + j] = float(pose(i, j));
      camera_.t[i] = float(pose(i, 3));
    }
    degree_ = degree;
    count_ = rows.shape(0);
    nb::gil_scoped_release release;
    projected_.resize(count_);
    depths_.resize(count_);
    kernels_.project(rows.data(), count_, degree, camera_, limits_, threads_, projected_.data(),
                     depths_.data());
    fill_bins(projected_.data(), depths_.data(), count_, camera_.width, camera_.height, threads_,
              bins_);
    kernels_.rasterize(bins_, background.data(), limits_, threads_,
                       {camera_.width, camera_.height, color.data(), transmittance.data()});
    return bins_.list.size();
  }

  void pull(const Rows& rows, const Planes& color, const Planes& derivative, const Map& error,
            const MutableRows& derivatives, const Array<float, nb::ndim<1>>& errors,
            const Flags& seen) {
    require(rows.shape(0) == count_ && derivatives.shape(0) == count_ &&
                errors.shape(0) == count_ && seen.shape(0) == count_,
            "as many rows as were drawn");
    require(fits(color, 1) && fits(derivative, 1) && fits(error, 0), "the size of what was drawn");
    nb::gil_scoped_release release;
    pulls_.resize(bins_.list.size());
    // The kernel reads the picture, whose type also serves for writing.
    const Picture drawn{camera_.width, camera_.height, const_cast<float*>(color.data()), nullptr};
    kernels_.rasterize_backward(bins_, limits_, threads_, drawn, derivative.data(), error.data(),
                                pulls_.data());
    kernels_.project_backward(rows.data(), count_, degree_, camera_, limits_, bins_, pulls_.data(),
                              threads_, derivatives.data(), errors.data(), seen.data());
  }

  void draw_planes(const Rows& rows, const MutablePlanes& planes, const MutableMap& transmittance) {
    require(rows.shape(0) == count_, "as many rows as were drawn");
    require(fits(planes, 1) && fits(transmittance, 0), "the size of what was drawn");
    nb::gil_scoped_release release;
    constexpr float nothing[3] = {};
    kernels_.planes(rows.data(), camera_, limits_, threads_, bins_);
    kernels_.rasterize(bins_, nothing, limits_, threads_,
                       {camera_.width, camera_.height, planes.data(), transmittance.data()});
  }

  double pull_planes(const Rows& rows, const Planes& planes, const Map& transmittance, float weight,
                     const MutableRows& derivatives) {
    require(rows.shape(0) == count_ && derivatives.shape(0) == count_,
            "as many rows as were drawn");
    require(fits(planes, 1) && fits(transmittance, 0), "the size of what was drawn");
    nb::gil_scoped_release release;
    const std::size_t pixels = std::size_t(camera_.width) * camera_.height;
    pulls_.resize(bins_.list.size());
    scratch_.resize(6 * pixels);
    float* by_planes = scratch_.data();
    const double disagreement = kernels_.agree(camera_, planes.data(), transmittance.data(), weight,
                                               threads_, by_planes + 3 * pixels, by_planes);
    const Picture drawn{camera_.width, camera_.height, const_cast<float*>(planes.data()), nullptr};
    // Any numbers do for errors: their shares are not used.
    kernels_.rasterize_backward(bins_, limits_, threads_, drawn, by_planes, transmittance.data(),
                                pulls_.data());
    kernels_.planes_backward(rows.data(), camera_, limits_, bins_, pulls_.data(), threads_,
                             derivatives.data());
    return disagreement;
  }

 private:
  // Whether the last two sides of an array, from `first` on, are the picture's.
  bool fits(const auto& planes, int first) const {
    return int(planes.shape(first)) == camera_.height &&
           int(planes.shape(first + 1)) == camera_.width;
  }

  Limits limits_;
  int threads_;
  const Kernels& kernels_;
  Camera camera_{};
  int degree_ = 0;
  std::size_t count_ = 0;
  std::vector<Splat> projected_;
  std::vector<float> depths_;
  std::vector<Pull> pulls_;
  std::vector<float> scratch_;
  Bins bins_;
};

// Compares pictures with photos; keeps its scratch memory.
class Comparer {
 public:
  Comparer(float ssim_weight, int threads, bool portable)
      : weight_(ssim_weight), threads_(cores(threads)), kernels_(kernels(portable)) {}

  nb::tuple compare(const Planes& drawn, const Array<const std::uint8_t, nb::shape<-1, -1, 3>>& photo,
                    const std::optional<Array<const std::uint8_t, nb::ndim<2>>>& mask,
                    const Color& background, const Array<const float, nb::shape<3, 4>>& exposure,
                    const MutablePlanes& derivative, const MutableMap& error,
                    const Array<double, nb::shape<3, 4>>& by_exposure) {
    const std::size_t height = drawn.shape(1), width = drawn.shape(2);
    require(photo.shape(0) == height && photo.shape(1) == width && derivative.shape(1) == height &&
                derivative.shape(2) == width && error.shape(0) == height &&
                error.shape(1) == width &&
                (!mask || (mask->shape(0) == height && mask->shape(1) == width)),
            "picture, photo, mask and derivative differ in size");
    require(height > 0 && width > 0, "an empty picture");
    Loss loss;
    {
      nb::gil_scoped_release release;
      scratch_.resize(15 * height * width);
      const Target target{int(width), int(height), photo.data(), mask ? mask->data() : nullptr,
                          background.data(), exposure.data(), weight_};
      loss = kernels_.compare(target, drawn.data(), threads_, scratch_.data(), derivative.data(),
                              error.data());
    }
    for (int i = 0; i < 12; ++i) by_exposure.data()[i] = loss.exposure[i];
    return nb::make_tuple(loss.l1, loss.ssim);
  }

 private:
  float weight_;
  int threads_;
  const Kernels& kernels_;
  std::vector<float> scratch_;
};

void adam(const MutableRows& rows, const MutableRows& first, const MutableRows& second,
          const Rows& derivatives, const Flags& seen, const Array<const float, nb::shape<kRow>>& rates,
          int columns, int step, float beta1, float beta2, float epsilon, int threads,
          bool portable) {
  const std::size_t count = rows.shape(0);
  require(first.shape(0) == count && second.shape(0) == count && derivatives.shape(0) == count &&
              seen.shape(0) == count,
          "one moment, derivative and flag for each row");
  require(columns >= 0 && columns <= kRow && step >= 1, "columns or step out of range");
  nb::gil_scoped_release release;
  kernels(portable).adam({beta1, beta2, epsilon, step, columns, rates.data()}, derivatives.data(),
                         seen.data(), count, cores(threads), rows.data(), first.data(),
                         second.data());
}

}  // namespace

void add_agreement(nb::module_& m);  // agreement.cpp
void add_depths(nb::module_& m);     // depths.cpp

}  // namespace gypsum::splats

NB_MODULE(_splats, m) {
  using namespace gypsum::splats;
  m.doc() = "3D Gaussian splatting on a CPU: rendering, its derivative, and the steps of training.";
  m.attr("ROW") = kRow;
  nb::class_<Rasterizer>(m, "Rasterizer")
      .def(nb::init<float, float, float, float, int, bool>(), "alpha_min"_a, "transmittance_min"_a,
           "near"_a, "blur"_a, "threads"_a = 0, "portable"_a = false)
      .def("draw", &Rasterizer::draw, "rows"_a, "degree"_a, "K"_a, "pose"_a, "background"_a,
           "color"_a, "transmittance"_a,
           "Draws the Gaussians; gives how many pairs of a Gaussian and a tile there were.")
      .def("pull", &Rasterizer::pull, "rows"_a, "color"_a, "derivative"_a, "error"_a,
           "derivatives"_a, "errors"_a, "seen"_a,
           "Derivatives by the rows of what was drawn last; adds each one's share of `error`.")
      .def("draw_planes", &Rasterizer::draw_planes, "rows"_a, "planes"_a, "transmittance"_a,
           "Draws the planes m . X = 1 (camera frame) that Gaussians lie in, of what was drawn last.")
      .def("pull_planes", &Rasterizer::pull_planes, "rows"_a, "planes"_a, "transmittance"_a,
           "weight"_a, "derivatives"_a,
           "How much planes and depths disagree; adds the derivatives of `weight` times it.");
  nb::class_<Comparer>(m, "Comparer")
      .def(nb::init<float, int, bool>(), "ssim_weight"_a, "threads"_a = 0, "portable"_a = false)
      .def("compare", &Comparer::compare, "drawn"_a, "photo"_a, "mask"_a.none(), "background"_a,
           "exposure"_a, "derivative"_a, "error"_a, "by_exposure"_a,
           "Mean L1 and SSIM; fills the derivative of the loss and the error of each pixel.");
  m.def("adam", &adam, "rows"_a, "first"_a, "second"_a, "derivatives"_a, "seen"_a, "rates"_a,
        "columns"_a, "step"_a, "beta1"_a = 0.9f, "beta2"_a = 0.999f, "epsilon"_a = 1e-15f,
        "threads"_a = 0, "portable"_a = false,
        "One step of Adam on the rows that were seen.");
  add_agreement(m);
  add_depths(m);
}

// gypsum.native._sift: distinctive points of pictures.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "common/cpu.hpp"
#include "sift/scale_space.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gypsum::sift {

Block::Block(std::size_t floats) {
  constexpr std::size_t kPage = 2 << 20;
  const std::size_t bytes = (floats * sizeof(float) + kPage - 1) / kPage * kPage;
  data_ = static_cast<float*>(std::aligned_alloc(kPage, bytes));
  if (data_ == nullptr) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  madvise(data_, bytes, MADV_HUGEPAGE);
#endif
}

Block::~Block() { std::free(data_); }

namespace {

using Gray = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
constexpr int kColumns = sizeof(Point) / sizeof(float);
using Points = nb::ndarray<const float, nb::shape<-1, kColumns>, nb::c_contig, nb::device::cpu>;

template <class T, class Keep>
nb::object array(T* data, std::size_t rows, std::size_t columns, Keep* owner) {
  nb::capsule held(owner, [](void* p) noexcept { delete static_cast<Keep*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(data, {rows, columns}, held));
}

class ScaleSpace {
 public:
  ScaleSpace(const Gray& gray, bool portable) : avx2_(!portable && has_avx2()) {
    if (gray.shape(0) < 1 || gray.shape(1) < 1) throw std::invalid_argument("the picture is empty");
    const int height = int(gray.shape(0)), width = int(gray.shape(1));
    nb::gil_scoped_release release;
    octaves_ = (avx2_ ? build_avx2 : build_portable)(gray.data(), width, height);
  }
  ScaleSpace(const ScaleSpace&) = delete;

  nb::object detect(float contrast, float edge) const {
    auto* found = new std::vector<Point>();
    {
      nb::gil_scoped_release release;
      *found = (avx2_ ? detect_avx2 : detect_portable)(octaves_, contrast, edge);
    }
    return array(reinterpret_cast<float*>(found->data()), found->size(), kColumns, found);
  }

  nb::object describe(const Points& points) const {
    const auto* given = reinterpret_cast<const Point*>(points.data());
    const int count = int(points.shape(0));
    Described described;
    {
      nb::gil_scoped_release release;
      for (int i = 0; i < count; ++i) {
        if (!(given[i].octave >= 0 && given[i].octave < float(octaves_.size()))) {
          throw std::invalid_argument("points are those that `detect` found in this picture");
        }
      }
      described = (avx2_ ? describe_avx2 : describe_portable)(octaves_, given, count);
    }
    auto* places = new std::vector<float>(std::move(described.places));
    auto* descriptors = new std::vector<std::uint8_t>(std::move(described.descriptors));
    const std::size_t rows = places->size() / 4;
    return nb::make_tuple(array(places->data(), rows, 4, places),
                          array(descriptors->data(), rows, kDescriptor, descriptors));
  }

 private:
  bool avx2_;
  std::vector<Octave> octaves_;
};

}  // namespace
}  // namespace gypsum::sift

NB_MODULE(_sift, m) {
  using gypsum::sift::ScaleSpace;
  m.doc() = "SIFT: distinctive points of grey pictures.";
  nb::class_<ScaleSpace>(m, "ScaleSpace", "A grey picture (H, W), blurred more and more.")
      .def(nb::init<const gypsum::sift::Gray&, bool>(), "gray"_a, "portable"_a = false)
      .def("detect", &ScaleSpace::detect, "contrast"_a, "edge"_a = 10.0f,
           "Extrema of the difference of Gaussians (N, 6): x, y, scale, response, octave, level.\n"
           "Pixels with the centre of the top-left one at (0.5, 0.5), in a fixed order.")
      .def("describe", &ScaleSpace::describe, "points"_a,
           "Places (M, 4) x, y, scale, angle, and RootSIFT (M, 128) of length 512 at 8 bits: of each\n"
           "of the `points` as many as it has dominant directions.");
}

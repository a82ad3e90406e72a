#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>

#include "common/cpu.hpp"
#include "match/match.hpp"
#include "match/scan.hpp"

namespace nb = nanobind;
using gypsum::match::Path;

namespace {

using Descriptors = nb::ndarray<const uint8_t, nb::shape<-1, gypsum::match::kDimensions>,
                                nb::c_contig, nb::device::cpu>;

Path path_named(const std::string& name) {
  if (name == "auto") return Path::automatic;
  if (name == "portable") return Path::portable;
  if (name == "avx2") return Path::avx2;
  if (name == "vnni") return Path::vnni;
  throw std::invalid_argument("path is auto, portable, avx2 or vnni");
}

nb::object match_descriptors(const Descriptors& a, const Descriptors& b, double ratio,
                             const std::string& path) {
  const Path chosen = path_named(path);
  auto* pairs = new std::vector<uint32_t>();
  nb::capsule owner(pairs, [](void* p) noexcept { delete static_cast<std::vector<uint32_t>*>(p); });
  {
    nb::gil_scoped_release release;
    *pairs = gypsum::match::match(a.data(), static_cast<int>(a.shape(0)), b.data(),
                                  static_cast<int>(b.shape(0)), ratio, chosen);
  }
  return nb::cast(nb::ndarray<nb::numpy, uint32_t>(pairs->data(), {pairs->size() / 2, 2}, owner));
}

std::vector<std::string> paths() {
  std::vector<std::string> found = {"portable"};
  if (gypsum::has_avx2()) found.emplace_back("avx2");
  if (gypsum::match::has_vnni()) found.emplace_back("vnni");
  return found;
}

}  // namespace

NB_MODULE(_match, module) {
  module.doc() = "Exact matching of 8-bit descriptors.";
  module.def("match_descriptors", &match_descriptors, nb::arg("a"), nb::arg("b"), nb::arg("ratio"),
             nb::arg("path") = "auto",
             "Mutual nearest neighbours (K, 2) between uint8 descriptors a (N, 128) and b (M, 128)\n"
             "that pass the ratio test in both directions. Runs on the calling thread, without the\n"
             "GIL: give each thread its own pair of photos.");
  module.def("paths", &paths, "The code paths this processor can run; all give equal results.");
}

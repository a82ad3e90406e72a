// gypsum.native._uastc: pictures as blocks of UASTC.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <stdexcept>

#include "uastc/encode.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Picture = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

nb::ndarray<nb::numpy, std::uint8_t> encode(const Picture& picture, int threads) {
  const std::size_t height = picture.shape(0), width = picture.shape(1);
  if (height == 0 || width == 0) throw std::invalid_argument("a picture without texels");
  const std::size_t rows = (height + 3) / 4, columns = (width + 3) / 4;
  auto* blocks = new std::uint8_t[rows * columns * 16];
  nb::capsule owner(blocks, [](void* p) noexcept { delete[] static_cast<std::uint8_t*>(p); });
  {
    nb::gil_scoped_release release;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        gypsum::uastc::Texels texels;
        for (std::size_t i = 0; i < 16; ++i) {
          // Blocks that reach beyond the picture repeat its last texels.
          const std::size_t y = std::min(4 * row + i / 4, height - 1);
          const std::size_t x = std::min(4 * column + i % 4, width - 1);
          std::copy_n(picture.data() + 3 * (y * width + x), 3, texels[i].begin());
        }
        const auto block = gypsum::uastc::encode(texels);
        std::copy(block.begin(), block.end(), blocks + 16 * (row * columns + column));
      }
    }
  }
  return nb::ndarray<nb::numpy, std::uint8_t>(blocks, {rows, columns, 16}, owner);
}

}  // namespace

NB_MODULE(_uastc, m) {
  m.doc() = "Pictures as blocks of UASTC.";
  m.def("encode", &encode, "picture"_a, "threads"_a,
        "Blocks (ceil(H / 4), ceil(W / 4), 16) of UASTC LDR 4x4 for a picture (H, W, 3).");
}

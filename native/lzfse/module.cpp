// gypsum.native._lzfse: unpacking of LZFSE.
#include <nanobind/nanobind.h>

#include <stdexcept>

#include "lzfse/decode.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

nb::bytes decompress(const nb::bytes& packed, std::size_t size) {
  const auto out =
      gypsum::lzfse::decode(reinterpret_cast<const std::uint8_t*>(packed.c_str()), packed.size(), size);
  if (out.size() != size) throw std::invalid_argument("not as long as expected");
  return nb::bytes(reinterpret_cast<const char*>(out.data()), out.size());
}

}  // namespace

NB_MODULE(_lzfse, m) {
  m.doc() = "Unpacking of LZFSE.";
  m.def("decompress", &decompress, "packed"_a, "size"_a);
}

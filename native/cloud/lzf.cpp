#include "lzf.hpp"

#include <cstring>

namespace gypsum::cloud {

bool expand(const std::uint8_t* from, std::size_t length, std::uint8_t* to, std::size_t size) {
  std::size_t in = 0, out = 0;
  while (in < length) {
    const std::size_t control = from[in++];
    if (control < 32) {  // a run of literals
      const std::size_t run = control + 1;
      if (run > length - in || run > size - out) return false;
      std::memcpy(to + out, from + in, run);
      in += run;
      out += run;
      continue;
    }
    std::size_t run = control >> 5;
    if (run == 7) {
      if (in == length) return false;
      run += from[in++];
    }
    if (in == length) return false;
    const std::size_t back = ((control & 31) << 8 | from[in++]) + 1;
    run += 2;
    if (back > out || run > size - out) return false;
    for (std::size_t i = 0; i < run; ++i, ++out) to[out] = to[out - back];  // may overlap
  }
  return out == size;
}

}  // namespace gypsum::cloud

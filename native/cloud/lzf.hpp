// LZF, the compression of binary PCD files (Lehmann's format).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gypsum::cloud {

// Expands into exactly `size` bytes; false for damaged data. Reads and writes nothing outside.
bool expand(const std::uint8_t* from, std::size_t length, std::uint8_t* to, std::size_t size);

}  // namespace gypsum::cloud

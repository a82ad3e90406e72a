// Unpacking of LZFSE, Apple's mixture of Lempel-Ziv and finite state entropy coding (Duda 2013).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::lzfse {

// Throws std::invalid_argument where the bytes are damaged, or hold more than `most`.
std::vector<std::uint8_t> decode(const std::uint8_t* packed, std::size_t size, std::size_t most);

}  // namespace gypsum::lzfse

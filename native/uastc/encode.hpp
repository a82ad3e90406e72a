// Blocks of UASTC LDR 4x4, what Basis Universal textures of high quality are made of.
#pragma once

#include <array>
#include <cstdint>

namespace gypsum::uastc {

using Color = std::array<std::uint8_t, 3>;
using Texels = std::array<Color, 16>;         // row by row
using Block = std::array<std::uint8_t, 16>;

// The block that shows opaque texels best, of those that the modes 0 (one line of colours in 16
// steps), 2 and 4 (two lines, in 8 and 4 steps) and 8 (one colour) can make.
Block encode(const Texels& texels);

}  // namespace gypsum::uastc

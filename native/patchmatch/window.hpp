// The matching window's samples and bilateral weights.
#pragma once

#include "sweep.hpp"

namespace gypsum::patchmatch {

struct Window {
  alignas(32) float dx[kSamples], dy[kSamples];
  float spatial[kSamples];
  float gray[256];  // bilateral weight by grey difference

  Window();
};

// Filled when the module is loaded, so by code that every processor can run: never in a variant.
extern const Window kWindow;

}  // namespace gypsum::patchmatch

#include "window.hpp"

#include <cmath>
#include <cstdlib>

namespace gypsum::patchmatch {
namespace {

// Grey levels and pixels at which a sample's weight has fallen to 1/e.
constexpr float kSigmaGray = 18.0f;
constexpr float kSigmaPixels = 9.0f;

}  // namespace

Window::Window() {
  int n = 0;
  for (int y = -kRadius; y <= kRadius; y += 2)
    for (int x = -kRadius; x <= kRadius; x += 2) {
      if (std::abs(x) == kRadius && std::abs(y) == kRadius) continue;
      dx[n] = float(x);
      dy[n] = float(y);
      spatial[n] = std::exp(-float(x * x + y * y) / (kSigmaPixels * kSigmaPixels));
      ++n;
    }
  for (int d = 0; d < 256; ++d) gray[d] = std::exp(-float(d) / kSigmaGray);
}

const Window kWindow;

}  // namespace gypsum::patchmatch

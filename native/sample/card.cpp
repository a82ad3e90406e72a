#include "sample/card.hpp"

#include <algorithm>
#include <cmath>

namespace gypsum::sample {
namespace {

// A convex polygon; four corners clipped by four lines have eight at most.
struct Polygon {
  double at[8][2];
  int size = 0;
};

// The part where sign * (coordinate - bound) >= 0 (Sutherland & Hodgman 1974).
Polygon clip(const Polygon& p, int axis, double bound, double sign) {
  Polygon kept;
  for (int i = 0; i < p.size; ++i) {
    const double *a = p.at[i], *b = p.at[(i + 1) % p.size];
    const double da = sign * (a[axis] - bound), db = sign * (b[axis] - bound);
    if (da >= 0) {
      kept.at[kept.size][0] = a[0];
      kept.at[kept.size++][1] = a[1];
    }
    if ((da > 0 && db < 0) || (da < 0 && db > 0)) {
      const double s = da / (da - db);
      for (int k = 0; k < 2; ++k) kept.at[kept.size][k] = a[k] + s * (b[k] - a[k]);
      ++kept.size;
    }
  }
  return kept;
}

double area(const Polygon& p) {
  double sum = 0;
  for (int i = 0; i < p.size; ++i) {
    const double *a = p.at[i], *b = p.at[(i + 1) % p.size];
    sum += a[0] * b[1] - a[1] * b[0];
  }
  return 0.5 * std::abs(sum);
}

}  // namespace

Coverage cover(const Card& card, const double corners[4][2]) {
  // In squares of the pattern, from its upper left corner to the right and down.
  const double c = std::cos(card.turn), s = std::sin(card.turn);
  Polygon whole;
  whole.size = 4;
  double low[2] = {1e30, 1e30}, high[2] = {-1e30, -1e30};
  for (int i = 0; i < 4; ++i) {
    const double dx = corners[i][0] - card.x, dy = corners[i][1] - card.y;
    whole.at[i][0] = 0.5 * card.modules + (c * dx + s * dy) / card.module;
    whole.at[i][1] = 0.5 * card.modules - (c * dy - s * dx) / card.module;
    for (int k = 0; k < 2; ++k) {
      low[k] = std::min(low[k], whole.at[i][k]);
      high[k] = std::max(high[k], whole.at[i][k]);
    }
  }
  const double total = area(whole);
  const int last = card.modules - 1;
  Coverage found;
  if (!(total > 0) || high[0] <= 0 || high[1] <= 0 || low[0] >= card.modules || low[1] >= card.modules) return found;
  const auto square = [last](double value) {
    return static_cast<int>(std::floor(std::clamp(value, 0.0, last + 0.5)));
  };
  for (int row = square(low[1]); row <= square(high[1]); ++row) {
    const Polygon strip = clip(clip(whole, 1, row, 1), 1, row + 1, -1);
    for (int column = square(low[0]); column <= square(high[0]); ++column) {
      const double share = area(clip(clip(strip, 0, column, 1), 0, column + 1, -1)) / total;
      (card.paper[row * card.modules + column] ? found.paper : found.ink) += share;
    }
  }
  return found;
}

}  // namespace gypsum::sample

// Printed cards that lie flat on the table: which share of a pixel is paper and which is ink, exactly,
// so that their edges are where a perfect lens shows them.
#pragma once

#include <cstdint>
#include <vector>

namespace gypsum::sample {

struct Card {
  double x, y;                 // centre on the table, metres
  double turn;                 // radians, counter-clockwise seen from above
  double module;               // side of one square of the pattern, metres
  int modules;                 // squares along a side
  std::vector<uint8_t> paper;  // (modules, modules), row 0 is the top: 0 is ink
};

struct Coverage {
  double paper = 0, ink = 0;  // shares of an area, 0 to 1
};

// How much of a convex piece of the table, four corners in order around, the card covers.
Coverage cover(const Card& card, const double corners[4][2]);

}  // namespace gypsum::sample

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <unordered_map>

#include "texture/raster.hpp"
#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

using Word = std::uint64_t;

struct Run {
  int row, start, length;
};

// Which grid cells a chart needs.
struct Shape {
  int columns = 0, rows = 0;
  std::vector<std::uint8_t> cells;
  std::vector<Run> runs;  // longest first: they collide soonest
  std::size_t needed = 0;  // cells

  void set(int x, int y) { cells[static_cast<std::size_t>(y) * columns + x] = 1; }
  bool get(int x, int y) const { return cells[static_cast<std::size_t>(y) * columns + x] != 0; }

  void find_runs() {
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        if (!get(x, y)) continue;
        const int start = x;
        while (x < columns && get(x, y)) ++x;
        runs.push_back({y, start, x - start});
        needed += static_cast<std::size_t>(x - start);
      }
    }
    std::stable_sort(runs.begin(), runs.end(),
                     [](const Run& a, const Run& b) { return a.length > b.length; });
  }

  // The same for shapes that need the same cells.
  std::string signature() const {
    std::string key = std::to_string(columns) + ':';
    key.append(cells.begin(), cells.end());
    return key;
  }

  Shape turned() const {
    Shape out;
    out.columns = rows;
    out.rows = columns;
    out.cells.resize(cells.size());
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) {
        if (get(x, y)) out.set(rows - 1 - y, x);
      }
    }
    out.find_runs();
    return out;
  }
};

// Whether a triangle comes nearer than `reach` (in each axis) to a point: separating axes.
bool touches(const float* corners, double x, double y, double reach) {
  for (int k = 0; k < 3; ++k) {
    const float* a = corners + 2 * k;
    const float* b = corners + 2 * ((k + 1) % 3);
    const float* c = corners + 2 * ((k + 2) % 3);
    const double nx = b[1] - a[1], ny = a[0] - b[0];
    const double inner = nx * (c[0] - a[0]) + ny * (c[1] - a[1]);
    const double point = nx * (x - a[0]) + ny * (y - a[1]);
    const double radius = reach * (std::abs(nx) + std::abs(ny));
    if (std::min(inner, 0.0) > point + radius || std::max(inner, 0.0) < point - radius) return false;
  }
  return true;
}

// `padding` texels around the chart belong to it, so its cells begin at (-padding, -padding).
Shape cover(const float* corners, std::size_t faces, int cell, int padding) {
  float width = 0, height = 0;
  for (std::size_t i = 0; i < 3 * faces; ++i) {
    width = std::max(width, corners[2 * i]);
    height = std::max(height, corners[2 * i + 1]);
  }
  Shape shape;
  // The chart's box is rounded up to whole texels, so that a turned chart keeps its texel grid.
  shape.columns = (static_cast<int>(std::ceil(width)) + 2 * padding + cell - 1) / cell;
  shape.rows = (static_cast<int>(std::ceil(height)) + 2 * padding + cell - 1) / cell;
  shape.columns = std::max(shape.columns, 1);
  shape.rows = std::max(shape.rows, 1);
  shape.cells.resize(static_cast<std::size_t>(shape.columns) * shape.rows);
  const double half = 0.5 * cell;
  const auto cell_of = [&](double position, int limit) {
    return std::clamp(static_cast<int>(std::floor((position + padding) / cell)), 0, limit - 1);
  };
  for (std::size_t f = 0; f < faces; ++f) {
    const float* t = corners + 6 * f;
    const int x0 = cell_of(std::min({t[0], t[2], t[4]}) - padding, shape.columns);
    const int x1 = cell_of(std::max({t[0], t[2], t[4]}) + padding, shape.columns);
    const int y0 = cell_of(std::min({t[1], t[3], t[5]}) - padding, shape.rows);
    const int y1 = cell_of(std::max({t[1], t[3], t[5]}) + padding, shape.rows);
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        if (shape.get(x, y)) continue;
        const double px = x * cell + half - padding, py = y * cell + half - padding;
        if (touches(t, px, py, half + padding)) shape.set(x, y);
      }
    }
  }
  shape.find_runs();
  return shape;
}

// The occupied cells of the atlas, one bit each, and where a shape fits.
//
// Cells are only ever taken. So a shape never fits in rows in which the same shape did not fit before,
// and a run never fits in a row whose widest gap was narrower.
class Grid {
 public:
  Grid(int cells, int pages)
      : cells_(cells), rows_(cells * pages), words_((cells + 63) / 64),
        bits_(static_cast<std::size_t>(rows_) * words_), widest_(rows_, cells), taken_(words_),
        spread_(words_) {}

  struct Spot {
    int x = -1, y = -1;
  };

  int rows() const { return rows_; }
  std::size_t size() const { return static_cast<std::size_t>(rows_) * cells_; }

  // The first row, then the leftmost place, that keeps the shape above row `limit` and on a page.
  Spot find(const Shape& shape, int limit) {
    if (shape.columns > cells_ || shape.rows > cells_) return {};
    int& first = first_free_[shape.signature()];
    for (; first <= std::min(limit, rows_) - shape.rows; ++first) {
      if (first / cells_ != (first + shape.rows - 1) / cells_) continue;  // no shape crosses a page's end
      const int x = leftmost(shape, first);
      if (x >= 0) return {x, first};
    }
    return {};
  }

  void place(const Shape& shape, Spot spot) {
    for (const Run& run : shape.runs) {
      Word* row = bits_.data() + static_cast<std::size_t>(spot.y + run.row) * words_;
      for (int x = spot.x + run.start; x < spot.x + run.start + run.length; ++x) {
        row[x / 64] |= Word{1} << (x % 64);
      }
    }
    for (int y = spot.y; y < spot.y + shape.rows; ++y) widest_[y] = widest_gap(y);
  }

 private:
  // Leftmost free column for the shape at row y, or -1: all columns are tested at once, 64 a word.
  int leftmost(const Shape& shape, int y) {
    for (const Run& run : shape.runs) {
      if (run.length > widest_[y + run.row]) return -1;
    }
    std::fill(taken_.begin(), taken_.end(), 0);
    const int columns = cells_ - shape.columns + 1;
    for (const Run& run : shape.runs) {
      const Word* row = bits_.data() + static_cast<std::size_t>(y + run.row) * words_;
      std::copy_n(row, words_, spread_.begin());
      for (int have = 1; have < run.length;) {
        const int step = std::min(have, run.length - have);
        or_shifted(spread_.data(), spread_.data(), step);
        have += step;
      }
      or_shifted(taken_.data(), spread_.data(), run.start);
      if (first_zero(taken_, columns) < 0) return -1;
    }
    return first_zero(taken_, columns);
  }

  // Free cells side by side in row y, at most.
  int widest_gap(int y) const {
    const Word* row = bits_.data() + static_cast<std::size_t>(y) * words_;
    int widest = 0;
    for (int x = 0; x < cells_;) {
      const Word rest = row[x / 64] >> (x % 64);
      if (rest & 1) {
        x += std::countr_one(rest);
        continue;
      }
      const int start = x;
      while (x < cells_) {
        const Word ahead = row[x / 64] >> (x % 64);
        const int free = ahead == 0 ? 64 - x % 64 : std::countr_zero(ahead);
        x += free;
        if (ahead != 0) break;
      }
      widest = std::max(widest, std::min(x, cells_) - start);
    }
    return widest;
  }

  // to[x] |= from[x + shift]; from may be to.
  void or_shifted(Word* to, const Word* from, int shift) const {
    const int jump = shift / 64, bits = shift % 64;
    for (int i = 0; i + jump < words_; ++i) {
      Word value = from[i + jump] >> bits;
      if (bits > 0 && i + jump + 1 < words_) value |= from[i + jump + 1] << (64 - bits);
      to[i] |= value;
    }
  }

  static int first_zero(const std::vector<Word>& words, int limit) {
    for (std::size_t i = 0; i < words.size() && static_cast<int>(64 * i) < limit; ++i) {
      if (words[i] == ~Word{0}) continue;
      const int x = static_cast<int>(64 * i) + std::countr_one(words[i]);
      return x < limit ? x : -1;
    }
    return -1;
  }

  int cells_, rows_, words_;
  std::vector<Word> bits_;
  std::vector<int> widest_;                          // of each row: its widest gap
  std::unordered_map<std::string, int> first_free_;  // by shape: rows before this one have no room
  std::vector<Word> taken_, spread_;                 // scratch of leftmost()
};

}  // namespace

bool pack_charts(const float* corners, const std::int64_t* first, std::size_t chart_count,
                 int size, int pages, int cell, int padding, Placement* out) {
  std::vector<Shape> shapes(chart_count);
  std::size_t needed = 0;
  for (std::size_t c = 0; c < chart_count; ++c) {
    shapes[c] = cover(corners + 6 * first[c], static_cast<std::size_t>(first[c + 1] - first[c]),
                      cell, padding);
    needed += shapes[c].needed;
  }
  Grid grid(size / cell, pages);
  if (needed > grid.size()) return false;
  std::vector<std::size_t> order(chart_count);
  std::iota(order.begin(), order.end(), 0);
  const auto bulk = [&](std::size_t c) { return shapes[c].columns + shapes[c].rows; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return bulk(a) > bulk(b); });
  for (const std::size_t c : order) {
    Shape shape = std::move(shapes[c]), best;
    Grid::Spot spot;
    int lowest = grid.rows() + 1;
    for (int turns = 0; turns < 4; ++turns) {
      const Grid::Spot found = grid.find(shape, lowest - 1);
      if (found.x >= 0) {
        spot = found;
        lowest = found.y + shape.rows;
        out[c].turns = turns;
        best = shape;
      }
      shape = shape.turned();
    }
    if (spot.x < 0) return false;
    grid.place(best, spot);
    // Sides of the placed box on which the chart's own origin does not lie.
    const bool right = out[c].turns == 1 || out[c].turns == 2;
    const bool bottom = out[c].turns == 2 || out[c].turns == 3;
    out[c].x = spot.x * cell + (right ? best.columns * cell - padding : padding);
    const int top = spot.y / (size / cell) * size + spot.y % (size / cell) * cell;
    out[c].y = top + (bottom ? best.rows * cell - padding : padding);
  }
  return true;
}

}  // namespace gypsum::texture

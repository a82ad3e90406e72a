#include "grid.hpp"

#include <algorithm>
#include <cmath>

namespace gypsum::cloud {
namespace {

constexpr std::size_t kFirstTable = 1 << 16;
// Beyond this many cells from the origin a point is not of this world.
constexpr double kFarthest = double(1 << 30);

std::uint64_t hash(const Corner& c) {  // splitmix64's finaliser over the packed coordinates
  std::uint64_t h = std::uint64_t(std::uint32_t(c.x)) | std::uint64_t(std::uint32_t(c.y)) << 32;
  h ^= std::uint64_t(std::uint32_t(c.z)) * 0x9E3779B97F4A7C15ull;
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  return h ^ (h >> 31);
}

void vote(Cell& cell, std::uint8_t kind, std::uint32_t votes) {
  if (cell.majority == kind) {
    cell.votes += votes;
  } else if (votes > cell.votes) {
    cell.majority = kind;
    cell.votes = votes - cell.votes;
  } else {
    cell.votes -= votes;
  }
}

}  // namespace

Grid::Grid(double edge, std::size_t most)
    : edge_(edge), most_(std::max<std::size_t>(most, 1)), table_(kFirstTable, 0) {}

std::size_t Grid::slot(const Corner& corner) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t found = hash(corner) & mask;
  while (table_[found] && !(at(table_[found] - 1).corner == corner)) found = (found + 1) & mask;
  return found;
}

Cell& Grid::find_or_make(const Corner& corner) {
  if (2 * (count_ + 1) > table_.size()) grow_table();
  const std::size_t found = slot(corner);
  if (table_[found]) return at(table_[found] - 1);
  if (count_ / kBlock == blocks_.size()) blocks_.push_back(std::make_unique<Cell[]>(kBlock));
  table_[found] = std::uint32_t(++count_);
  Cell& cell = at(count_ - 1);
  cell = Cell{};
  cell.corner = corner;
  return cell;
}

void Grid::grow_table() {
  std::vector<std::uint32_t>(2 * table_.size(), 0).swap(table_);
  for (std::size_t row = 0; row < count_; ++row) table_[slot(at(row).corner)] = std::uint32_t(row + 1);
}

void Grid::add(const Points& from) {
  for (std::size_t i = 0; i < from.count; ++i) {
    const double* X = from.places + 3 * i;
    const double u[3] = {X[0] / edge_, X[1] / edge_, X[2] / edge_};
    if (!(std::max({std::abs(u[0]), std::abs(u[1]), std::abs(u[2])}) < kFarthest)) continue;
    const double low[3] = {std::floor(u[0]), std::floor(u[1]), std::floor(u[2])};
    Cell& cell = find_or_make({std::int32_t(low[0]), std::int32_t(low[1]), std::int32_t(low[2])});
    ++cell.count;
    for (int k = 0; k < 3; ++k) {
      cell.offset[k] += float(u[k] - low[k]);
      cell.color[k] += float(from.colors[3 * i + k]);
      cell.facing[k] += from.facing[3 * i + k];
    }
    cell.intensity += from.intensity[i];
    vote(cell, from.classes[i], 1);
    if (count_ > most_) coarsen();
  }
}

// Merges the cells by eights, in place: a merged cell's row is never behind its parts'.
void Grid::coarsen() {
  while (count_ > most_) {
    edge_ *= 2;
    const std::size_t before = count_;
    std::fill(table_.begin(), table_.end(), 0);
    count_ = 0;
    for (std::size_t row = 0; row < before; ++row) {
      const Cell part = at(row);
      const std::int32_t low[3] = {part.corner.x, part.corner.y, part.corner.z};
      Cell& cell = find_or_make({low[0] >> 1, low[1] >> 1, low[2] >> 1});
      cell.count += part.count;
      for (int k = 0; k < 3; ++k) {
        cell.offset[k] += 0.5f * (part.offset[k] + float(part.count) * float(low[k] & 1));
        cell.color[k] += part.color[k];
        cell.facing[k] += part.facing[k];
      }
      cell.intensity += part.intensity;
      vote(cell, part.majority, part.votes);
    }
    blocks_.resize((count_ + kBlock - 1) / kBlock);
  }
}

Gathered Grid::finish() const {
  Gathered out;
  out.points.resize(3 * count_);
  out.facing.resize(3 * count_);
  out.colors.resize(3 * count_);
  out.intensity.resize(count_);
  out.classes.resize(count_);
  out.counts.resize(count_);
  for (std::size_t row = 0; row < count_; ++row) {
    const Cell& cell = at(row);
    const std::int32_t low[3] = {cell.corner.x, cell.corner.y, cell.corner.z};
    for (int k = 0; k < 3; ++k) {
      out.points[3 * row + k] = float((low[k] + double(cell.offset[k]) / cell.count) * edge_);
      out.colors[3 * row + k] = std::uint8_t(cell.color[k] / float(cell.count) + 0.5f);
      out.facing[3 * row + k] = cell.facing[k] / float(cell.count);
    }
    out.intensity[row] = cell.intensity / float(cell.count);
    out.classes[row] = cell.majority;
    out.counts[row] = cell.count;
  }
  return out;
}

}  // namespace gypsum::cloud

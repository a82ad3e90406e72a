#include "cells.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gypsum::fusion {
namespace {

constexpr int kMostLevels = 40;
constexpr std::size_t kFirstTable = 1 << 16;
// Beyond this many cells from the origin a point is not of this world.
constexpr double kFarthest = double(1 << 30);
// A photo faces a point that it looks at within 60 degrees of the normal, unless a surface hides it
// that is nearer by this share of its depth.
constexpr float kFacing = 0.5f, kHidden = 0.05f;

std::uint64_t hash(const Place& p) {  // splitmix64's finaliser over the packed coordinates
  std::uint64_t h = std::uint64_t(std::uint32_t(p.x)) | std::uint64_t(std::uint32_t(p.y)) << 32;
  h ^= (std::uint64_t(std::uint32_t(p.z)) * 0x9E3779B97F4A7C15ull) + std::uint64_t(p.level * 2 + p.side);
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  return h ^ (h >> 31);
}

void merge(Cell& into, const Cell& from) {
  into.weight += from.weight;
  for (int i = 0; i < 3; ++i) {
    into.offset[i] += from.offset[i];
    into.normal[i] += from.normal[i];
    into.color[i] += from.color[i];
  }
  into.radius += from.radius;
  into.confidence += from.confidence;
}

float dot(const float* a, const float* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

}  // namespace

Cells::Cells(double edge, double cells_per_pixel, std::size_t most)
    : edge_(edge), cells_per_pixel_(cells_per_pixel), most_(std::max<std::size_t>(most, 1)),
      table_(kFirstTable, 0) {}

std::size_t Cells::slot(const Place& place) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at_slot = hash(place) & mask;
  while (table_[at_slot] && !(at(table_[at_slot] - 1).place == place)) at_slot = (at_slot + 1) & mask;
  return at_slot;
}

Cell& Cells::find_or_make(const Place& place) {
  if (2 * (count_ + 1) > table_.size()) grow_table();
  const std::size_t found = slot(place);
  if (table_[found]) return at(table_[found] - 1);
  if (count_ / kBlock == blocks_.size()) blocks_.push_back(std::make_unique<Cell[]>(kBlock));
  table_[found] = std::uint32_t(++count_);
  Cell& cell = at(count_ - 1);
  cell = Cell{};
  cell.place = place;
  return cell;
}

void Cells::grow_table() {
  std::vector<std::uint32_t>(2 * table_.size(), 0).swap(table_);
  for (std::size_t row = 0; row < count_; ++row) table_[slot(at(row).place)] = std::uint32_t(row + 1);
}

void Cells::add(const Contribution& from) {
  for (std::size_t i = 0; i < from.pixels; ++i) {
    if (!from.chosen[i]) continue;
    const float *X = from.points + 3 * i, *N = from.normals + 3 * i;
    const float radius = from.radii[i];
    // The cell's edge is the power of two nearest to the size of a pixel over cells_per_pixel.
    const double ideal = std::log2(radius / (cells_per_pixel_ * edge_));
    if (!(ideal < kMostLevels)) continue;
    const int level = std::max(int(std::ceil(ideal - 0.5)), floor_);
    const double size = edge(level);
    const double u[3] = {X[0] / size, X[1] / size, X[2] / size};
    if (!(std::max({std::abs(u[0]), std::abs(u[1]), std::abs(u[2])}) < kFarthest)) continue;
    Place place{std::int32_t(std::floor(u[0])), std::int32_t(std::floor(u[1])),
                std::int32_t(std::floor(u[2])), std::int16_t(level), 0};
    Cell* cell = &find_or_make(place);
    if (dot(cell->normal, N) < 0) {
      place.side = 1;
      cell = &find_or_make(place);
    }
    // A point's error grows with its pixel size and falls with the number of photos that agree.
    const float weight = float(from.agree[i] + 1) / (radius * radius);
    cell->weight += weight;
    for (int k = 0; k < 3; ++k) {
      cell->offset[k] += weight * float(u[k] - std::floor(u[k]));
      cell->normal[k] += weight * N[k];
      cell->color[k] += weight * float(from.colors[3 * i + k]);
    }
    cell->radius += weight * radius;
    cell->confidence += weight * from.confidence[i];
    if (count_ > most_) coarsen();
  }
}

// Merges the finest cells by eights, in place: a merged cell's row is never behind its parts'.
void Cells::coarsen() {
  while (count_ > most_ && floor_ < kMostLevels) {
    ++floor_;
    const std::size_t before = count_;
    std::fill(table_.begin(), table_.end(), 0);
    count_ = 0;
    for (std::size_t row = 0; row < before; ++row) {
      Cell cell = at(row);
      if (cell.place.level < floor_) {
        std::int32_t* axis[3] = {&cell.place.x, &cell.place.y, &cell.place.z};
        for (int k = 0; k < 3; ++k) {
          cell.offset[k] = 0.5f * (cell.offset[k] + cell.weight * float(*axis[k] & 1));
          *axis[k] >>= 1;
        }
        cell.place.level = std::int16_t(floor_);
      }
      merge(find_or_make(cell.place), cell);
    }
    blocks_.resize((count_ + kBlock - 1) / kBlock);
  }
}

void Cells::position(const Cell& cell, float* X) const {
  const double size = edge(cell.place.level);
  const std::int32_t corner[3] = {cell.place.x, cell.place.y, cell.place.z};
  for (int k = 0; k < 3; ++k) X[k] = float((corner[k] + double(cell.offset[k] / cell.weight)) * size);
}

void Cells::judge(const Photo& photo, int number, const std::uint8_t* trusted, const std::uint8_t* mask,
                  float max_depth, float min_cosine, float behind, int threads) {
  witnesses_.resize(count_);
  const auto faces = [&](const Cell& cell, const float* X) {
    float ray[3];
    for (int k = 0; k < 3; ++k)
      ray[k] = -(photo.R[k] * photo.t[0] + photo.R[3 + k] * photo.t[1] + photo.R[6 + k] * photo.t[2]) - X[k];
    return dot(cell.normal, ray) > kFacing * std::sqrt(dot(cell.normal, cell.normal) * dot(ray, ray));
  };
  // The nearest trusted surface around a pixel: what lies before all of it hangs in the air. A single
  // pixel would speak against every point of an outline.
  const auto nearest_around = [&](int x, int y) {
    float nearest = std::numeric_limits<float>::max();
    for (int v = std::max(y - 1, 0); v <= std::min(y + 1, photo.height - 1); ++v)
      for (int u = std::max(x - 1, 0); u <= std::min(x + 1, photo.width - 1); ++u) {
        const std::size_t there = std::size_t(v) * photo.width + u;
        if (!trusted[there]) return 0.0f;
        nearest = std::min(nearest, photo.depth[there]);
      }
    return nearest;
  };
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::size_t row = 0; row < count_; ++row) {
    const Cell& cell = at(row);
    Witnesses& witnesses = witnesses_[row];
    float X[3], N[3], px, py, z;
    position(cell, X);
    if (!photo.project(X, &px, &py, &z)) continue;
    const int x = int(px), y = int(py);
    const std::size_t there = std::size_t(y) * photo.width + x;
    if (mask) {
      ++witnesses.masked;
      witnesses.outside += mask[there] == 0;
    }
    const bool known = photo.depth[there] > 0;
    const float found = known ? photo.depth_at(there, px, py) : z;
    witnesses.facing += found > (1 - kHidden) * z && faces(cell, X);
    if (!known) continue;
    if (std::abs(z - found) <= max_depth * found) {
      photo.normal_to_world(photo.normal + 3 * there, N);
      const float length = std::sqrt(dot(cell.normal, cell.normal));
      if (dot(cell.normal, N) < min_cosine * length) continue;
      if (witnesses.seeing < kListed) witnesses.listed[witnesses.seeing] = std::uint16_t(number);
      ++witnesses.seeing;
    } else if (z < (1 - behind) * found && z < (1 - behind) * nearest_around(x, y)) {
      ++witnesses.against;
    }
  }
}

Cloud Cells::finish(int fewest, float per_conflict, float most_outside, float least_seeing) const {
  Cloud cloud;
  std::size_t kept = 0, listed = 0;
  const auto stays = [&](std::size_t row) {
    const Witnesses& w = witnesses_[row];
    return int(w.seeing) >= fewest && float(w.seeing) > per_conflict * float(w.against) &&
           float(w.outside) <= most_outside * float(w.masked) &&
           float(w.seeing) >= least_seeing * float(w.facing);
  };
  for (std::size_t row = 0; row < witnesses_.size(); ++row) {
    if (!stays(row)) continue;
    ++kept;
    listed += std::min<std::size_t>(witnesses_[row].seeing, kListed);
  }
  cloud.points.resize(3 * kept);
  cloud.normals.resize(3 * kept);
  cloud.colors.resize(3 * kept);
  cloud.radii.resize(kept);
  cloud.confidence.resize(kept);
  cloud.support.resize(kept);
  cloud.starts.reserve(kept + 1);
  cloud.photos.reserve(listed);
  std::size_t to = 0;
  for (std::size_t row = 0; row < witnesses_.size(); ++row) {
    if (!stays(row)) continue;
    const Cell& cell = at(row);
    const Witnesses& w = witnesses_[row];
    position(cell, &cloud.points[3 * to]);
    const float length = std::max(std::sqrt(dot(cell.normal, cell.normal)), 1e-30f);
    for (int k = 0; k < 3; ++k) {
      cloud.normals[3 * to + k] = cell.normal[k] / length;
      cloud.colors[3 * to + k] = std::uint8_t(std::clamp(cell.color[k] / cell.weight + 0.5f, 0.0f, 255.0f));
    }
    cloud.radii[to] = cell.radius / cell.weight;
    cloud.confidence[to] = cell.confidence / cell.weight;
    cloud.support[to] = w.seeing;
    cloud.starts.push_back(std::int64_t(cloud.photos.size()));
    cloud.photos.insert(cloud.photos.end(), w.listed, w.listed + std::min<int>(w.seeing, kListed));
    ++to;
  }
  cloud.starts.push_back(std::int64_t(cloud.photos.size()));
  return cloud;
}

}  // namespace gypsum::fusion

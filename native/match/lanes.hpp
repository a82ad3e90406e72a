// The blocked scan, written once for every vector width. `Isa` supplies the registers:
//
//   Isa::kLanes    descriptors of b that are scored together, one per 32-bit lane
//   Isa::kStep     components of a descriptor that one multiply-accumulate takes per lane
//   Isa::Packed    element type of a packed descriptor
//   Isa::Vector    a register of kLanes int32
//   pack_query, pack_candidate, bias, multiply_add, ...
//
// Kept free of the standard library: these headers are compiled with instructions that the linker
// must not spread to code shared with the portable path.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

#include "match/scan.hpp"

namespace gypsum::match {

// Memory aligned for the widest registers.
template <class T>
class Aligned {
 public:
  explicit Aligned(long count) {
    const long bytes = (count * static_cast<long>(sizeof(T)) + 63) / 64 * 64;
    data_ = static_cast<T*>(std::aligned_alloc(64, bytes > 0 ? bytes : 64));
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~Aligned() { std::free(data_); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  T* get() { return data_; }

 private:
  T* data_;
};

template <class Isa>
void scan_lanes(const Side& a, const Side& b, Nearest rows, Nearest columns) {
  using Vector = typename Isa::Vector;
  using Packed = typename Isa::Packed;
  constexpr int kLanes = Isa::kLanes;
  constexpr int kSteps = kDimensions / Isa::kStep;
  constexpr int kTile = 4;       // queries scored together, so each load of b serves four products
  constexpr int kBlock = 16;     // groups of b that stay in the first-level cache
  const int groups = (b.count + kLanes - 1) / kLanes;
  const int tiles = (a.count + kTile - 1) / kTile;

  // b: groups of kLanes descriptors, interleaved so that lane l of step s holds descriptor l.
  Aligned<Packed> candidates(static_cast<long>(groups) * kLanes * kDimensions);
  Aligned<int32_t> norms(static_cast<long>(groups) * kLanes);
  Aligned<int32_t> bias(static_cast<long>(groups) * kLanes);
  for (int g = 0; g < groups; ++g) {
    for (int l = 0; l < kLanes; ++l) {
      const int j = g * kLanes + l;
      const bool real = j < b.count;
      int32_t sum = 0;
      for (int d = 0; d < kDimensions; ++d) {
        const uint8_t value = real ? b.descriptors[static_cast<long>(j) * kDimensions + d] : 0;
        const int s = d / Isa::kStep, r = d % Isa::kStep;
        candidates.get()[((static_cast<long>(g) * kSteps + s) * kLanes + l) * Isa::kStep + r] = value;
        sum += value;
      }
      norms.get()[j] = real ? b.norms[j] : -kNone;  // padding never wins
      bias.get()[j] = Isa::bias(sum);
    }
  }
  Aligned<Packed> queries(static_cast<long>(tiles) * kTile * kDimensions);
  for (long i = 0; i < static_cast<long>(tiles) * kTile; ++i) {
    for (int d = 0; d < kDimensions; ++d) {
      queries.get()[i * kDimensions + d] =
          Isa::pack_query(i < a.count ? a.descriptors[i * kDimensions + d] : 0);
    }
  }

  // The state of every query and candidate, per lane.
  Aligned<int32_t> row_state(static_cast<long>(tiles) * kTile * 3 * kLanes);
  Aligned<int32_t> column_state(static_cast<long>(groups) * 3 * kLanes);
  for (long i = 0; i < static_cast<long>(tiles) * kTile * 3 * kLanes; ++i) {
    row_state.get()[i] = i / kLanes % 3 == 2 ? 0 : kNone;
  }
  for (long i = 0; i < static_cast<long>(groups) * 3 * kLanes; ++i) {
    column_state.get()[i] = i / kLanes % 3 == 2 ? 0 : kNone;
  }

  for (int first = 0; first < groups; first += kBlock) {
    const int last = first + kBlock < groups ? first + kBlock : groups;
    for (int tile = 0; tile < tiles; ++tile) {
      const Packed* query = queries.get() + static_cast<long>(tile) * kTile * kDimensions;
      int32_t* state = row_state.get() + static_cast<long>(tile) * kTile * 3 * kLanes;
      for (int g = first; g < last; ++g) {
        const Packed* candidate = candidates.get() + static_cast<long>(g) * kLanes * kDimensions;
        const Vector start = Isa::load(bias.get() + static_cast<long>(g) * kLanes);
        Vector dots[kTile] = {start, start, start, start};
        for (int s = 0; s < kSteps; ++s) {
          const Vector there = Isa::load(candidate + static_cast<long>(s) * kLanes * Isa::kStep);
          for (int q = 0; q < kTile; ++q) {
            const Vector here = Isa::broadcast(query + q * kDimensions + s * Isa::kStep);
            dots[q] = Isa::multiply_add(dots[q], there, here);
          }
        }
        const Vector norm = Isa::load(norms.get() + static_cast<long>(g) * kLanes);
        const Vector group = Isa::set(g);
        int32_t* column = column_state.get() + static_cast<long>(g) * 3 * kLanes;
        Vector best = Isa::load(column), second = Isa::load(column + kLanes);
        Vector index = Isa::load(column + 2 * kLanes);
        for (int q = 0; q < kTile; ++q) {
          const int i = tile * kTile + q;
          if (i >= a.count) break;
          const Vector twice = Isa::add(dots[q], dots[q]);
          int32_t* row = state + q * 3 * kLanes;
          Vector row_best = Isa::load(row), row_second = Isa::load(row + kLanes);
          Vector row_index = Isa::load(row + 2 * kLanes);
          Isa::insert(Isa::subtract(twice, norm), group, row_best, row_second, row_index);
          Isa::store(row, row_best);
          Isa::store(row + kLanes, row_second);
          Isa::store(row + 2 * kLanes, row_index);
          Isa::insert(Isa::subtract(twice, Isa::set(a.norms[i])), Isa::set(i), best, second, index);
        }
        Isa::store(column, best);
        Isa::store(column + kLanes, second);
        Isa::store(column + 2 * kLanes, index);
      }
    }
  }

  for (int i = 0; i < a.count; ++i) {
    const int32_t* state = row_state.get() + static_cast<long>(i) * 3 * kLanes;
    int winner = 0;
    for (int l = 1; l < kLanes; ++l) {
      const bool better = state[l] > state[winner];
      const bool equal = state[l] == state[winner];
      if (better || (equal && state[2 * kLanes + l] < state[2 * kLanes + winner])) winner = l;
    }
    int32_t runner_up = state[kLanes + winner];
    for (int l = 0; l < kLanes; ++l) {
      if (l != winner && state[l] > runner_up) runner_up = state[l];
    }
    rows.best[i] = state[winner];
    rows.second[i] = runner_up;
    rows.index[i] = state[2 * kLanes + winner] * kLanes + winner;
  }
  for (int j = 0; j < b.count; ++j) {
    const int32_t* state = column_state.get() + static_cast<long>(j / kLanes) * 3 * kLanes;
    columns.best[j] = state[j % kLanes];
    columns.second[j] = state[kLanes + j % kLanes];
    columns.index[j] = state[2 * kLanes + j % kLanes];
  }
}

}  // namespace gypsum::match

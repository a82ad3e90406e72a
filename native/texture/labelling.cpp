#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "texture/texture.hpp"

namespace gypsum::texture {
namespace {

// The neighbours of every face in CSR form.
struct Neighbours {
  std::vector<std::int64_t> first;
  std::vector<std::int32_t> face;  // the other face
  std::vector<std::int64_t> back;  // where the other face lists this one
  std::vector<float> weight;

  explicit Neighbours(const Potts& p)
      : first(p.faces + 1), face(2 * p.edge_count), back(2 * p.edge_count),
        weight(2 * p.edge_count) {
    for (std::size_t i = 0; i < 2 * p.edge_count; ++i) ++first[p.edges[i] + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::int64_t> next(first.begin(), first.end() - 1);
    for (std::size_t e = 0; e < p.edge_count; ++e) {
      const std::int32_t a = p.edges[2 * e], b = p.edges[2 * e + 1];
      const std::int64_t i = next[a]++, j = next[b]++;
      face[i] = b, face[j] = a;
      back[i] = j, back[j] = i;
      weight[i] = weight[j] = p.weights[e];
    }
  }
};

std::int64_t candidate(const Potts& p, std::int32_t face, std::int32_t label) {
  const auto* begin = p.labels + p.first[face];
  const auto* end = p.labels + p.first[face + 1];
  const auto* found = std::lower_bound(begin, end, label);
  return found != end && *found == label ? found - p.labels : -1;
}

double energy(const Potts& p, const std::int32_t* labels) {
  double sum = 0;
  for (std::size_t f = 0; f < p.faces; ++f) {
    if (labels[f] >= 0) sum += p.costs[candidate(p, static_cast<std::int32_t>(f), labels[f])];
  }
  for (std::size_t e = 0; e < p.edge_count; ++e) {
    const std::int32_t a = labels[p.edges[2 * e]], b = labels[p.edges[2 * e + 1]];
    if (a >= 0 && b >= 0 && a != b) sum += p.weights[e];
  }
  return sum;
}

class MessagePassing {
 public:
  MessagePassing(const Potts& problem, const Neighbours& near, const std::int32_t* order)
      : p_(problem), near_(near), order_(order, order + problem.faces), rank_(problem.faces),
        messages_(near.face.size() + 1), share_(problem.faces) {
    for (std::size_t i = 0; i < order_.size(); ++i) {
      rank_[order_[i]] = static_cast<std::int32_t>(i);
    }
    std::size_t widest = 1;
    for (std::size_t f = 0; f < p_.faces; ++f) {
      int after = 0, before = 0;
      for (std::int64_t s = near_.first[f]; s < near_.first[f + 1]; ++s) {
        messages_[s + 1] = messages_[s] + candidates(f);
        if (candidates(near_.face[s]) == 0) continue;
        (rank_[near_.face[s]] > rank_[f] ? after : before) += 1;
      }
      share_[f] = 1.0f / static_cast<float>(std::max({after, before, 1}));
      widest = std::max<std::size_t>(widest, candidates(f));
    }
    incoming_.assign(messages_.back(), 0.0f);
    belief_.resize(widest);
    shared_.resize(widest);
  }

  // One sweep; returns its part of the lower bound.
  double sweep(bool forward) {
    double bound = 0;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::int32_t f = order_[forward ? i : order_.size() - 1 - i];
      const int k = static_cast<int>(candidates(f));
      if (k == 0) continue;
      gather(f, k);
      const float least = *std::min_element(belief_.begin(), belief_.begin() + k);
      for (int x = 0; x < k; ++x) belief_[x] -= least;
      bound += least;
      for (std::int64_t s = near_.first[f]; s < near_.first[f + 1]; ++s) {
        const std::int32_t other = near_.face[s];
        if ((rank_[other] > rank_[f]) != forward || candidates(other) == 0) continue;
        bound += send(f, k, s);
      }
    }
    return bound;
  }

  // Labels one face after the other, given those before it and the messages of those after it.
  void decode(std::int32_t* labels) {
    for (const std::int32_t f : order_) {
      const int k = static_cast<int>(candidates(f));
      labels[f] = -1;
      if (k == 0) continue;
      std::copy_n(p_.costs + p_.first[f], k, belief_.begin());
      for (std::int64_t s = near_.first[f]; s < near_.first[f + 1]; ++s) {
        const std::int32_t other = near_.face[s];
        if (candidates(other) == 0) continue;
        const bool known = rank_[other] < rank_[f];
        for (int x = 0; x < k; ++x) {
          const std::int32_t label = p_.labels[p_.first[f] + x];
          belief_[x] += !known ? incoming_[messages_[s] + x]
                        : label == labels[other] ? 0
                                                 : near_.weight[s];
        }
      }
      const auto best = std::min_element(belief_.begin(), belief_.begin() + k) - belief_.begin();
      labels[f] = p_.labels[p_.first[f] + best];
    }
  }

 private:
  std::int64_t candidates(std::size_t f) const { return p_.first[f + 1] - p_.first[f]; }

  void gather(std::int32_t f, int k) {
    std::copy_n(p_.costs + p_.first[f], k, belief_.begin());
    for (std::int64_t s = near_.first[f]; s < near_.first[f + 1]; ++s) {
      const float* message = incoming_.data() + messages_[s];
      for (int x = 0; x < k; ++x) belief_[x] += message[x];
    }
  }

  // Sends over slot s of face f; returns what was subtracted to normalise the message.
  double send(std::int32_t f, int k, std::int64_t s) {
    const float* received = incoming_.data() + messages_[s];
    float least = std::numeric_limits<float>::infinity();
    for (int x = 0; x < k; ++x) {
      shared_[x] = share_[f] * belief_[x] - received[x];
      least = std::min(least, shared_[x]);
    }
    const std::int32_t other = near_.face[s];
    float* out = incoming_.data() + messages_[near_.back[s]];
    const std::int32_t* mine = p_.labels + p_.first[f];
    const std::int32_t* theirs = p_.labels + p_.first[other];
    const int count = static_cast<int>(candidates(other));
    const float weight = near_.weight[s];
    int x = 0;
    for (int y = 0; y < count; ++y) {
      while (x < k && mine[x] < theirs[y]) ++x;
      out[y] = x < k && mine[x] == theirs[y] ? std::min(shared_[x] - least, weight) : weight;
    }
    return least;
  }

  const Potts& p_;
  const Neighbours& near_;
  std::vector<std::int32_t> order_, rank_;
  std::vector<std::int64_t> messages_;  // where the message into each slot begins
  std::vector<float> incoming_, share_, belief_, shared_;
};

// Iterated conditional modes: single faces change their label while that lowers the energy.
void refine(const Potts& p, const Neighbours& near, std::int32_t* labels) {
  constexpr int kPasses = 20;
  bool changed = true;
  for (int pass = 0; pass < kPasses && changed; ++pass) {
    changed = false;
    for (std::size_t f = 0; f < p.faces; ++f) {
      double least = std::numeric_limits<double>::infinity(), now = least;
      std::int32_t best = labels[f];
      for (std::int64_t i = p.first[f]; i < p.first[f + 1]; ++i) {
        double cost = p.costs[i];
        for (std::int64_t s = near.first[f]; s < near.first[f + 1]; ++s) {
          const std::int32_t other = labels[near.face[s]];
          if (other >= 0 && other != p.labels[i]) cost += near.weight[s];
        }
        if (p.labels[i] == labels[f]) now = cost;
        if (cost < least) least = cost, best = p.labels[i];
      }
      if (least < now - 1e-9) labels[f] = best, changed = true;
    }
  }
}

// Connected faces of equal label, each list in breadth-first order from its first face.
struct Patches {
  std::vector<std::int32_t> of_face, faces;
  std::vector<std::int64_t> first{0};

  Patches(const Potts& p, const Neighbours& near, const std::int32_t* labels)
      : of_face(p.faces, -1) {
    for (std::size_t seed = 0; seed < p.faces; ++seed) {
      if (of_face[seed] >= 0 || labels[seed] < 0) continue;
      const auto patch = static_cast<std::int32_t>(first.size() - 1);
      std::size_t next = faces.size();
      faces.push_back(static_cast<std::int32_t>(seed));
      of_face[seed] = patch;
      for (; next < faces.size(); ++next) {
        const std::int32_t f = faces[next];
        for (std::int64_t s = near.first[f]; s < near.first[f + 1]; ++s) {
          const std::int32_t other = near.face[s];
          if (of_face[other] >= 0 || labels[other] != labels[f]) continue;
          of_face[other] = patch;
          faces.push_back(other);
        }
      }
      first.push_back(static_cast<std::int64_t>(faces.size()));
    }
  }

  std::size_t count() const { return first.size() - 1; }
  std::int64_t size(std::int32_t patch) const { return first[patch + 1] - first[patch]; }
};

struct Border {
  double weight = 0;
  std::vector<std::int32_t> patches;
};

// The label that the patch had better take, or -1.
std::int32_t better_label(const Potts& p, const Neighbours& near, const Patches& patches,
                          std::int32_t patch, double patch_cost, const std::int32_t* labels) {
  const auto begin = patches.faces.begin() + patches.first[patch];
  const auto end = patches.faces.begin() + patches.first[patch + 1];
  std::map<std::int32_t, Border> borders;
  double own = 0;
  for (auto f = begin; f != end; ++f) {
    own += p.costs[candidate(p, *f, labels[*f])];
    for (std::int64_t s = near.first[*f]; s < near.first[*f + 1]; ++s) {
      const std::int32_t other = near.face[s];
      if (labels[other] < 0 || patches.of_face[other] == patch) continue;
      Border& border = borders[labels[other]];
      border.weight += near.weight[s];
      border.patches.push_back(patches.of_face[other]);
    }
  }
  std::int32_t best = -1;
  double least = -1e-9;
  for (auto& [label, border] : borders) {
    std::sort(border.patches.begin(), border.patches.end());
    const auto joined = std::unique(border.patches.begin(), border.patches.end()) -
                        border.patches.begin();
    double change = -own - border.weight - patch_cost * static_cast<double>(joined);
    for (auto f = begin; f != end && change < least; ++f) {
      const std::int64_t at = candidate(p, *f, label);
      change = at < 0 ? std::numeric_limits<double>::infinity() : change + p.costs[at];
    }
    if (change < least) least = change, best = label;
  }
  return best;
}

}  // namespace

Energy label_faces(const Potts& problem, const std::int32_t* order, int iterations,
                   std::int32_t* out) {
  const Neighbours near(problem);
  MessagePassing passing(problem, near, order);
  std::vector<std::int32_t> labels(problem.faces);
  Energy result{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  constexpr int kDecodeEvery = 5;
  for (int i = 1; i <= iterations; ++i) {
    passing.sweep(true);
    result.bound = std::max(result.bound, passing.sweep(false));
    if (i % kDecodeEvery != 0 && i != iterations) continue;
    passing.decode(labels.data());
    refine(problem, near, labels.data());
    const double found = energy(problem, labels.data());
    if (found < result.found) {
      result.found = found;
      std::copy(labels.begin(), labels.end(), out);
    }
  }
  return result;
}

std::size_t merge_patches(const Potts& problem, double patch_cost, std::int32_t* labels) {
  constexpr int kPasses = 12;
  const Neighbours near(problem);
  std::size_t moves = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Patches patches(problem, near, labels);
    std::vector<std::int32_t> order(patches.count());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return patches.size(a) < patches.size(b);
    });
    // A patch whose surroundings changed in this pass waits for the next one.
    std::vector<std::uint8_t> stale(patches.count());
    std::size_t moved = 0;
    for (const std::int32_t patch : order) {
      if (stale[patch]) continue;
      const std::int32_t label = better_label(problem, near, patches, patch, patch_cost, labels);
      if (label < 0) continue;
      ++moved;
      stale[patch] = 1;
      for (std::int64_t i = patches.first[patch]; i < patches.first[patch + 1]; ++i) {
        const std::int32_t f = patches.faces[i];
        labels[f] = label;
        for (std::int64_t s = near.first[f]; s < near.first[f + 1]; ++s) {
          const std::int32_t other = patches.of_face[near.face[s]];
          if (other >= 0) stale[other] = 1;
        }
      }
    }
    moves += moved;
    if (moved == 0) break;
  }
  return moves;
}

}  // namespace gypsum::texture

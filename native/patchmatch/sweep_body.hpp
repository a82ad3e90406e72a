// The kernel itself, compiled once for each instruction set (GYPSUM_VARIANT names the functions).
//
// Checkerboard PatchMatch after Galliani et al. 2015 with the hypothesis sampling and the per-pixel
// view selection of ACMH (Xu & Tao 2019): each pixel looks at the best hypothesis in eight regions
// of the other colour, weighs the sources by how well these hypotheses match in them, takes the
// best, and then refines it by small random changes. Pixels of one colour only read the other
// colour, and random numbers are a hash of pixel and iteration, so the result does not depend on
// the number of threads.
#include "lanes.hpp"
#include "sweep.hpp"
#include "window.hpp"

#include <array>
#include <limits>

namespace gypsum::patchmatch {
namespace {

// Variance of sensor and compression noise in grey levels squared: what must not count as texture.
constexpr float kNoiseVariance = 4.0f;
// The cosine of the steepest angle between normal and line of sight (80 degrees).
constexpr float kMinCosine = 0.17f;
// View selection (ACMH): costs above kBadCost speak against a source, good ones fall below a
// threshold that tightens with the iterations.
constexpr float kBadCost = 1.2f;
constexpr float kGoodCost = 0.8f;
constexpr float kBeta = 0.3f;
// Below this cost a pixel keeps its sources and only looks for better planes.
constexpr float kSettledCost = 0.3f;
// Candidates that vote on the sources: the pixel's own plane and the four nearby. The far ones only
// have to be better.
constexpr int kVoters = 5;
// A plane that trails by this much in the heaviest source is not asked about in the others.
constexpr float kHopeless = 0.05f;
// Planes whose matches differ by less than this many pixels across the window are the same.
constexpr float kSamePlane = 0.1f;
// Forward-backward errors beyond this many pixels are all the same: occluded or wrong.
constexpr float kMaxGeometricError = 3.0f;

// The reference side of the NCC, shared by all hypotheses of a pixel.
struct Patch {
  alignas(32) float weight[kSamples];    // sum 1
  alignas(32) float weighted[kSamples];  // weight times (grey - weighted mean)
  float variance;
};

struct Random {
  std::uint32_t state;
  explicit Random(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    state = a * 0x9E3779B9u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu ^ (c + 0x165667B1u) * 0xC2B2AE35u;
    next();
    next();
  }
  std::uint32_t next() {  // PCG output hash (O'Neill 2014)
    state = state * 747796405u + 2891336453u;
    const std::uint32_t word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737u;
    return (word >> 22) ^ word;
  }
  float uniform() { return float(next() >> 8) * (1.0f / 16777216.0f); }
  float symmetric() { return 2.0f * uniform() - 1.0f; }
};

struct Pixel {
  const Problem& problem;
  int x, y;
  float px, py;            // pixel coordinates of the centre
  float rx, ry, ray_norm;  // line of sight (rx, ry, 1)
  Patch patch;
  float Mp[kMaxSources][3];

  Pixel(const Problem& p, int x_, int y_) : problem(p), x(x_), y(y_), px(x_ + 0.5f), py(y_ + 0.5f) {
    rx = (px - p.cx) / p.fx;
    ry = (py - p.cy) / p.fy;
    ray_norm = std::sqrt(rx * rx + ry * ry + 1.0f);
    for (std::size_t j = 0; j < p.sources.size(); ++j) {
      const float* M = p.sources[j].M;
      for (int r = 0; r < 3; ++r) Mp[j][r] = M[3 * r] * px + M[3 * r + 1] * py + M[3 * r + 2];
    }
    read_patch();
  }

  void read_patch() {
    alignas(32) float gray[kSamples];
    const int width = problem.width, height = problem.height;
    const int center = problem.gray[y * width + x];
    float total = 0, mean = 0;
    const bool inside = x >= kRadius && y >= kRadius && x < width - kRadius && y < height - kRadius;
    for (int i = 0; i < kSamples; ++i) {
      int sx = x + int(kWindow.dx[i]), sy = y + int(kWindow.dy[i]);
      if (!inside) {
        sx = std::clamp(sx, 0, width - 1);
        sy = std::clamp(sy, 0, height - 1);
      }
      const int value = problem.gray[sy * width + sx];
      float w = kWindow.spatial[i] * kWindow.gray[std::abs(value - center)];
      // What lies beside the object is no part of its surface.
      if (problem.mask && !problem.mask[sy * width + sx]) w = 0;
      gray[i] = float(value);
      patch.weight[i] = w;
      total += w;
      mean += w * gray[i];
    }
    // Nothing to compare is left of a lone pixel of the mask.
    const float scale = total > 0 ? 1.0f / total : 0.0f;
    mean *= scale;
    patch.variance = 0;
    for (int i = 0; i < kSamples; ++i) {
      patch.weight[i] *= scale;
      const float difference = gray[i] - mean;
      patch.weighted[i] = patch.weight[i] * difference;
      patch.variance += patch.weighted[i] * difference;
    }
  }

  // NCC of the window with the source around (sx, sy).
  template <bool clamped>
  float correlation(const Source& s, float sx, float sy, const float* jacobian) const {
    const Lanes x0 = Lanes::all(sx - 0.5f), y0 = Lanes::all(sy - 0.5f);
    const Lanes jxx = Lanes::all(jacobian[0]), jxy = Lanes::all(jacobian[1]);
    const Lanes jyx = Lanes::all(jacobian[2]), jyy = Lanes::all(jacobian[3]);
    Lanes sum = Lanes::all(0), squares = Lanes::all(0), products = Lanes::all(0);
    for (int i = 0; i < kSamples; i += 8) {
      const Lanes dx = Lanes::load(kWindow.dx + i), dy = Lanes::load(kWindow.dy + i);
      const Lanes value =
          sample<clamped>(s.quads.data(), s.width, s.height, fma(jxx, dx, fma(jxy, dy, x0)),
                          fma(jyx, dx, fma(jyy, dy, y0)));
      const Lanes weighted = Lanes::load(patch.weight + i) * value;
      sum = sum + weighted;
      squares = fma(weighted, value, squares);
      products = fma(Lanes::load(patch.weighted + i), value, products);
    }
    const float mean = sum.sum();
    const float variance = std::max(squares.sum() - mean * mean, 0.0f);
    return products.sum() / std::sqrt((patch.variance + kNoiseVariance) * (variance + kNoiseVariance));
  }

  // 1 - NCC of the window under the plane's homography, plus the geometric error where asked.
  float cost(const Plane& plane, int source) const {
    const Source& s = problem.sources[source];
    const float depth = Mp[source][2] + s.v[2] * plane.w;
    if (!(depth > 1e-6f)) return kWorstCost;
    const float inverse = 1.0f / depth;
    const float sx = (Mp[source][0] + s.v[0] * plane.w) * inverse;
    const float sy = (Mp[source][1] + s.v[1] * plane.w) * inverse;
    if (!(sx >= 0.5f && sy >= 0.5f && sx < float(s.width) - 0.5f && sy < float(s.height) - 0.5f))
      return kWorstCost;
    // The homography to first order around the pixel: exact enough for a window of 11 pixels.
    const float hx = s.M[6] + s.v[2] * plane.a, hy = s.M[7] + s.v[2] * plane.b;
    const float xx = (s.M[0] + s.v[0] * plane.a - sx * hx) * inverse;
    const float xy = (s.M[1] + s.v[0] * plane.b - sx * hy) * inverse;
    const float yx = (s.M[3] + s.v[1] * plane.a - sy * hx) * inverse;
    const float yy = (s.M[4] + s.v[1] * plane.b - sy * hy) * inverse;
    const float area = xx * yy - xy * yx;
    if (!(area > 0.04f && area < 25.0f)) return kWorstCost;  // mirrored, or far too slanted

    // How far the window's samples reach from its centre in the source.
    const float reach_x = float(kRadius) * (std::abs(xx) + std::abs(xy));
    const float reach_y = float(kRadius) * (std::abs(yx) + std::abs(yy));
    const bool inside = sx - reach_x >= 0.5f && sy - reach_y >= 0.5f &&
                        sx + reach_x < float(s.width) - 0.5f && sy + reach_y < float(s.height) - 0.5f;
    const float jacobian[4] = {xx, xy, yx, yy};
    const float ncc = inside ? correlation<false>(s, sx, sy, jacobian) : correlation<true>(s, sx, sy, jacobian);
    float result = 1.0f - ncc;
    if (problem.geometric_weight > 0 && s.inverse_depth)
      result += problem.geometric_weight * geometric_error(s, sx, sy);
    return std::min(result, kWorstCost);
  }

  // How far, in pixels, the point lands from here when the source sends it back with its own depth.
  float geometric_error(const Source& s, float sx, float sy) const {
    const int ix = std::min(int(sx * float(s.depth_width) / float(s.width)), s.depth_width - 1);
    const int iy = std::min(int(sy * float(s.depth_height) / float(s.height)), s.depth_height - 1);
    const float w = s.inverse_depth[iy * s.depth_width + ix];
    if (!(w > 0)) return kMaxGeometricError;
    const float* M = s.M_back;
    const float depth = M[6] * sx + M[7] * sy + M[8] + s.v_back[2] * w;
    if (!(depth > 1e-6f)) return kMaxGeometricError;
    const float ex = (M[0] * sx + M[1] * sy + M[2] + s.v_back[0] * w) / depth - px;
    const float ey = (M[3] * sx + M[4] * sy + M[5] + s.v_back[1] * w) / depth - py;
    return std::min(std::sqrt(ex * ex + ey * ey), kMaxGeometricError);
  }

  bool valid(const Plane& plane) const {
    if (!(plane.w >= problem.w_min && plane.w <= problem.w_max)) return false;
    // pi = K^T (a, b, c) satisfies pi . X = 1 on the plane; its angle to the line of sight is bounded.
    const float nx = plane.a * problem.fx, ny = plane.b * problem.fy;
    const float nz = plane.w - nx * rx - ny * ry;
    const float norm = std::sqrt(nx * nx + ny * ny + nz * nz);
    return plane.w >= kMinCosine * norm * ray_norm;
  }

  // The plane through inverse depth w here with unit normal n (towards the scene, n . ray > 0).
  Plane plane_of(float w, float nx, float ny, float nz) const {
    const float scale = w / (nx * rx + ny * ry + nz);
    return {w, nx * scale / problem.fx, ny * scale / problem.fy};
  }

  void normal_of(const Plane& plane, float* n) const {
    n[0] = plane.a * problem.fx;
    n[1] = plane.b * problem.fy;
    n[2] = plane.w - n[0] * rx - n[1] * ry;
    const float scale = 1.0f / std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    for (int i = 0; i < 3; ++i) n[i] *= scale;
  }

  Plane random_plane(Random& random) const {
    const float w = problem.w_min + random.uniform() * (problem.w_max - problem.w_min);
    // Normals spread around the line of sight, up to about 60 degrees off.
    float n[3] = {rx / ray_norm, ry / ray_norm, 1.0f / ray_norm};
    tilt(n, 1.0f, random);
    return plane_of(w, n[0], n[1], n[2]);
  }

  static void tilt(float* n, float angle, Random& random) {
    float length = 0;
    for (int i = 0; i < 3; ++i) {
      n[i] += angle * random.symmetric();
      length += n[i] * n[i];
    }
    length = 1.0f / std::sqrt(length);
    for (int i = 0; i < 3; ++i) n[i] *= length;
  }

  Plane perturbed(const Plane& plane, float pixels, float angle, Random& random) const {
    const float w = plane.w + pixels * problem.w_pixel * random.symmetric();
    if (angle <= 0) return {w, plane.a * (w / plane.w), plane.b * (w / plane.w)};
    float n[3];
    normal_of(plane, n);
    tilt(n, angle, random);
    if (n[0] * rx + n[1] * ry + n[2] <= 1e-3f) return {-1, 0, 0};
    return plane_of(w, n[0], n[1], n[2]);
  }

  // Mean of the two best sources: for a first score, before any view selection.
  float first_score(const Plane& plane, std::uint16_t* chosen) const {
    float best = kWorstCost, second = kWorstCost;
    int i1 = 0, i2 = 0;
    for (int j = 0; j < int(problem.sources.size()); ++j) {
      const float c = cost(plane, j);
      if (c < best) {
        second = best, i2 = i1;
        best = c, i1 = j;
      } else if (c < second) {
        second = c, i2 = j;
      }
    }
    *chosen = std::uint16_t((1u << i1) | (1u << i2));
    return 0.5f * (best + second);
  }
};

using Weights = std::array<float, kMaxSources>;

// What the thresholds of the vote are in an iteration, and whether a source passes (ACMH, section 3.2):
// a third of the candidates must agree, and few may speak against it.
struct Ballot {
  int candidates;
  float good_threshold;

  Ballot(int candidates_, int iteration)
      : candidates(candidates_), good_threshold(kGoodCost * std::exp(-float(iteration * iteration) / 90.0f)) {}
  bool enough_good(int good) const { return 3 * good >= candidates; }
  bool too_many_bad(int bad) const { return 8 * bad > 3 * candidates; }
};

// Weight of each source from how the candidate planes match in it (ACMH, section 3.2).
Weights select_sources(const float (*costs)[kMaxSources], const Ballot& ballot, int sources,
                       std::uint16_t previous) {
  Weights weights{};
  float total = 0;
  for (int j = 0; j < sources; ++j) {
    int good = 0, bad = 0;
    float confidence = 0, best = kWorstCost;
    for (int i = 0; i < ballot.candidates; ++i) {
      const float c = costs[i][j];
      best = std::min(best, c);
      if (c < ballot.good_threshold) {
        ++good;
        confidence += std::exp(-c * c / (2 * kBeta * kBeta));
      } else if (c > kBadCost) {
        ++bad;
      }
    }
    if (ballot.enough_good(good) && !ballot.too_many_bad(bad)) {
      weights[j] = confidence / float(good);
      if (previous >> j & 1) weights[j] *= 1.25f;
    }
    total += weights[j];
  }
  if (total <= 0) {  // nothing stands out: the two sources that match best carry the pixel
    int i1 = 0, i2 = -1;
    float b1 = kWorstCost + 1, b2 = kWorstCost + 1;
    for (int j = 0; j < sources; ++j) {
      float best = kWorstCost;
      for (int i = 0; i < ballot.candidates; ++i) best = std::min(best, costs[i][j]);
      if (best < b1) {
        b2 = b1, i2 = i1;
        b1 = best, i1 = j;
      } else if (best < b2) {
        b2 = best, i2 = j;
      }
    }
    weights[i1] = 1;
    if (i2 >= 0 && sources > 1) weights[i2] = 1;
  }
  return weights;
}

// Offsets of the eight regions that hypotheses are fetched from: four near, four far along the axes.
struct Offset {
  int x, y;
};
constexpr Offset kNear[4][5] = {
    {{0, -1}, {-1, -2}, {1, -2}, {-2, -3}, {2, -3}},
    {{0, 1}, {-1, 2}, {1, 2}, {-2, 3}, {2, 3}},
    {{-1, 0}, {-2, -1}, {-2, 1}, {-3, -2}, {-3, 2}},
    {{1, 0}, {2, -1}, {2, 1}, {3, -2}, {3, 2}},
};
constexpr Offset kAxes[4] = {{0, -1}, {0, 1}, {-1, 0}, {1, 0}};

struct Candidates {
  Plane planes[9];
  int count = 0;

  // Adds a plane unless it is within a small fraction of a pixel of one that is there.
  void add(const Plane& plane, float w_pixel) {
    const float tolerance = kSamePlane * w_pixel;
    for (int i = 0; i < count; ++i) {
      const Plane& other = planes[i];
      if (std::abs(other.w - plane.w) < tolerance &&
          (std::abs(other.a - plane.a) + std::abs(other.b - plane.b)) * float(kRadius) < tolerance)
        return;
    }
    planes[count++] = plane;
  }
};

Candidates gather(const Pixel& pixel, const Sweep& sweep) {
  const Problem& p = pixel.problem;
  Candidates candidates;
  candidates.add(p.planes[pixel.y * p.width + pixel.x], p.w_pixel);
  auto fetch = [&](int bx, int by, float best) {
    if (best >= kWorstCost) return;
    Plane plane = p.planes[by * p.width + bx];
    plane.w += plane.a * float(pixel.x - bx) + plane.b * float(pixel.y - by);
    if (pixel.valid(plane)) candidates.add(plane, p.w_pixel);
  };
  for (int region = 0; region < 8; ++region) {
    float best = kWorstCost;
    int bx = 0, by = 0;
    auto consider = [&](int nx, int ny) {
      if (nx < 0 || ny < 0 || nx >= p.width || ny >= p.height) return;
      const float c = p.cost[ny * p.width + nx];
      if (c < best) best = c, bx = nx, by = ny;
    };
    if (region < 4) {
      for (const Offset& o : kNear[region]) consider(pixel.x + o.x, pixel.y + o.y);
    } else {
      const Offset axis = kAxes[region - 4];
      for (int d = 3; d <= sweep.reach; d += 2) consider(pixel.x + d * axis.x, pixel.y + d * axis.y);
    }
    fetch(bx, by, best);
  }
  return candidates;
}

// The best plane of a pixel so far, the sources that count for it and what it costs in them.
struct Choice {
  Plane plane;
  float cost;
  float total;                // sum of the weights
  int count = 0;              // sources with a weight, heaviest first
  int source[kMaxSources];
  float weight[kMaxSources];
  float term[kMaxSources];    // weight times cost of the best plane
};

void take_weights(Choice& choice, const Weights& weights, int sources) {
  choice.total = 0;
  for (int j = 0; j < sources; ++j) {
    if (weights[j] <= 0) continue;
    int at = choice.count++;
    for (; at > 0 && choice.weight[at - 1] < weights[j]; --at) {
      choice.weight[at] = choice.weight[at - 1];
      choice.source[at] = choice.source[at - 1];
    }
    choice.weight[at] = weights[j];
    choice.source[at] = j;
    choice.total += weights[j];
  }
}

void take_plane(Choice& choice, const Plane& plane, const float* costs) {
  float sum = 0;
  for (int k = 0; k < choice.count; ++k) {
    choice.term[k] = choice.weight[k] * costs[choice.source[k]];
    sum += choice.term[k];
  }
  choice.plane = plane;
  choice.cost = sum / choice.total;
}

// Takes a plane that is better in the weighted mean. It is dropped as soon as it has lost: when its
// partial sum passes the whole of the best one, when it trails far in the heaviest source, or when it
// trails in the two heaviest.
void attempt(const Pixel& pixel, const Plane& plane, Choice& choice) {
  if (!pixel.valid(plane)) return;
  const float limit = choice.cost * choice.total;
  float sum = 0, reference = 0, term[kMaxSources];
  for (int k = 0; k < choice.count; ++k) {
    term[k] = choice.weight[k] * pixel.cost(plane, choice.source[k]);
    sum += term[k];
    reference += choice.term[k];
    if (k == 0 && sum >= reference + kHopeless * choice.weight[0]) return;
    if (sum >= limit || (k >= 1 && sum >= reference)) return;
  }
  if (sum >= reference) return;
  std::copy(term, term + choice.count, choice.term);
  choice.cost = sum / choice.total;
  choice.plane = plane;
}

// Costs of the first candidates in a source, until it is sure that the source does not pass.
void ask(const Pixel& pixel, const Candidates& candidates, const Ballot& ballot, int source,
         float (*costs)[kMaxSources]) {
  int good = 0, bad = 0, i = 0;
  bool hope = true;
  for (; i < ballot.candidates && hope; ++i) {
    const float c = costs[i][source] = pixel.cost(candidates.planes[i], source);
    good += c < ballot.good_threshold;
    bad += c > kBadCost;
    hope = !ballot.too_many_bad(bad) && ballot.enough_good(good + ballot.candidates - 1 - i);
  }
  for (; i < ballot.candidates; ++i) costs[i][source] = kWorstCost;
}

// The first candidates in every source: the vote of ACMH. The others are tried afterwards.
Choice choose(const Pixel& pixel, const Candidates& candidates, int iteration, std::uint16_t previous) {
  const int sources = int(pixel.problem.sources.size());
  const Ballot ballot(std::min(candidates.count, kVoters), iteration);
  float costs[kVoters][kMaxSources];
  for (int j = 0; j < sources; ++j) ask(pixel, candidates, ballot, j, costs);
  Choice choice;
  take_weights(choice, select_sources(costs, ballot, sources, previous), sources);
  int best = 0;
  float least = std::numeric_limits<float>::max();
  for (int i = 0; i < ballot.candidates; ++i) {
    float sum = 0;
    for (int k = 0; k < choice.count; ++k) sum += choice.weight[k] * costs[i][choice.source[k]];
    if (sum < least) least = sum, best = i;
  }
  take_plane(choice, candidates.planes[best], costs[best]);
  for (int i = ballot.candidates; i < candidates.count; ++i) attempt(pixel, candidates.planes[i], choice);
  return choice;
}

// A pixel whose plane already matches well: its own costs tell which sources see it, and candidates
// are dropped early. Much less work than the full vote. Of the sources that did not count before,
// one is asked again in each sweep.
Choice improve(const Pixel& pixel, const Candidates& candidates, int iteration, std::uint16_t previous) {
  const int sources = int(pixel.problem.sources.size());
  const int asked = (iteration + pixel.x / 2 + pixel.y / 2) % sources;
  float costs[1][kMaxSources];
  for (int j = 0; j < sources; ++j)
    costs[0][j] = (previous >> j & 1) || j == asked ? pixel.cost(candidates.planes[0], j) : kWorstCost;
  Choice choice;
  take_weights(choice, select_sources(costs, Ballot(1, iteration), sources, previous), sources);
  take_plane(choice, candidates.planes[0], costs[0]);
  for (int i = 1; i < candidates.count; ++i) attempt(pixel, candidates.planes[i], choice);
  return choice;
}

void update(const Problem& p, const Sweep& sweep, int x, int y) {
  const Pixel pixel(p, x, y);
  const int at = y * p.width + x;
  const Candidates candidates = gather(pixel, sweep);
  Choice choice = p.cost[at] < kSettledCost
                      ? improve(pixel, candidates, sweep.iteration, p.chosen[at])
                      : choose(pixel, candidates, sweep.iteration, p.chosen[at]);

  Random random(std::uint32_t(at), std::uint32_t(sweep.iteration), p.seed);
  const auto refine = [&](float depth_range, float angle_range) {
    attempt(pixel, pixel.perturbed(choice.plane, depth_range, angle_range, random), choice);
  };
  refine(sweep.depth_range, 0);
  refine(0, sweep.angle_range);
  refine(sweep.depth_range, sweep.angle_range);
  refine(0.25f * sweep.depth_range, 0.25f * sweep.angle_range);
  if (sweep.random_hypothesis) attempt(pixel, pixel.random_plane(random), choice);

  std::uint16_t chosen = 0;
  for (int k = 0; k < choice.count; ++k) chosen |= std::uint16_t(1u << choice.source[k]);
  p.planes[at] = choice.plane;
  p.cost[at] = choice.cost;
  p.chosen[at] = chosen;
}

template <class Each>
void for_pixels(const Problem& p, int first, int step_of_row, int step, const Each& each) {
#pragma omp parallel for schedule(dynamic, 4) num_threads(p.threads)
  for (int y = 0; y < p.height; ++y)
    for (int x = (first + y * step_of_row) % step; x < p.width; x += step)
      if (!p.mask || p.mask[y * p.width + x]) each(x, y);
}

}  // namespace

void GYPSUM_VARIANT(initialise)(const Problem& p) {
  for_pixels(p, 0, 0, 1, [&](int x, int y) {
    const Pixel pixel(p, x, y);
    const int at = y * p.width + x;
    Random random(std::uint32_t(at), 0xFFFFu, p.seed);
    p.planes[at] = pixel.random_plane(random);
    p.cost[at] = pixel.first_score(p.planes[at], &p.chosen[at]);
  });
}

void GYPSUM_VARIANT(sweep)(const Problem& p, const Sweep& sweep) {
  for (int color = 0; color < 2; ++color)
    for_pixels(p, color, 1, 2, [&](int x, int y) { update(p, sweep, x, y); });
}

float GYPSUM_VARIANT(cost)(const Problem& p, int x, int y, Plane plane, int source) {
  return Pixel(p, x, y).cost(plane, source);
}

}  // namespace gypsum::patchmatch

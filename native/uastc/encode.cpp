// UASTC LDR 4x4 Texture Specification (Geldreich 2020, in the public domain). A block is a subset of
// an ASTC block (Khronos Data Format Specification, chapter ASTC) in another order of bits.
#include "uastc/encode.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace gypsum::uastc {
namespace {

using Vec = std::array<float, 3>;

// A mode of lines of colours between two ends.
struct Mode {
  std::uint32_t code;
  int code_bits;
  int weight_bits;
  int lines;
  int end_bits;      // of each end's channel, besides its trit or quint
  int radix;         // 3: a trit, 5: a quint, 1: neither
  int spread_factor; // ASTC's C of the range, and below the places of B's bits; see `widened`
};

// ASTC's B, the nine bits from the top: which bit of the value each one is, or none (0).
constexpr Mode kFine{0x1, 4, 4, 1, 6, 3, 5};
constexpr Mode kTwoSmooth{0x1D, 5, 3, 2, 4, 1, 0};
constexpr Mode kTwoCoarse{0x13, 5, 2, 2, 3, 5, 26};
constexpr std::uint32_t kSolidCode = 0x17;
constexpr int kSolidBits = 5;

constexpr std::array<int, 4> kWeights2{0, 21, 43, 64};
constexpr std::array<int, 8> kWeights3{0, 9, 18, 27, 37, 46, 55, 64};
constexpr std::array<int, 16> kWeights4{0,  4,  8,  12, 17, 21, 25, 29,
                                        35, 39, 43, 47, 52, 56, 60, 64};

const int* weights_of(int bits) {
  return bits == 2 ? kWeights2.data() : bits == 3 ? kWeights3.data() : kWeights4.data();
}

// The shapes that ASTC's and BC7's two-line modes have in common, in the order of the specification:
// bit i is the line of texel i.
constexpr std::uint16_t shape(const char (&lines)[17]) {
  std::uint16_t bits = 0;
  for (int i = 0; i < 16; ++i) bits |= std::uint16_t((lines[i] - '0') << i);
  return bits;
}
constexpr std::array<std::uint16_t, 30> kShapes{
    shape("0011001100110011"), shape("0001000100010001"), shape("1000100010001000"),
    shape("0001001100110111"), shape("1111111011101100"), shape("0011011101111111"),
    shape("1110110010000000"), shape("1111111011001000"), shape("0000000000010011"),
    shape("1100100000000000"), shape("0000000101111111"), shape("1111111111101000"),
    shape("1110100000000000"), shape("1111111100000000"), shape("0000111111111111"),
    shape("1111111111110000"), shape("1000111011111111"), shape("1111111101110001"),
    shape("0111001100010000"), shape("0011000100000000"), shape("0000100011001110"),
    shape("1111111101110011"), shape("1000110011001110"), shape("0011000100010000"),
    shape("1111011101110011"), shape("0110011001100110"), shape("1111000000001111"),
    shape("1010101010101010"), shape("1111000011110000"), shape("1001001101101100")};

// ETC1's brightness steps: the smaller and the larger of each table.
constexpr std::array<std::array<int, 2>, 8> kEtcSteps{
    {{2, 8}, {5, 17}, {9, 29}, {13, 42}, {18, 60}, {24, 80}, {33, 106}, {47, 183}}};
constexpr std::uint32_t kNoBias = 13;

// Above this squared error of a texel, two lines are tried: about 44 dB.
constexpr float kGoodEnough = 8.0f;
constexpr int kRefinements = 2;

class Bits {
 public:
  void put(std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i, ++at_) {
      block_[at_ >> 3] |= std::uint8_t(((value >> i) & 1u) << (at_ & 7));
    }
  }
  const Block& block() const { return block_; }

 private:
  Block block_{};
  int at_ = 0;
};

// The byte that ASTC makes of a stored number (section "Endpoint Unquantization").
int widened(const Mode& mode, int stored) {
  const int bits = stored & ((1 << mode.end_bits) - 1), digit = stored >> mode.end_bits;
  if (mode.radix == 1) return bits * 255 / ((1 << mode.end_bits) - 1);
  const int a = (bits & 1) ? 0x1FF : 0, b = bits >> 1;
  // fedcb of six bits: fedcb000f; cb of three: cb0000cbc>>1.
  const int spread = mode.end_bits == 6 ? (b << 4) | (b >> 4) : (b << 7) | (b << 1) | (b >> 1);
  const int t = (digit * mode.spread_factor + spread) ^ a;
  return (a & 0x80) | (t >> 2);
}

// For each byte, the stored number that comes nearest to it, and the byte that it stands for.
struct Levels {
  std::array<std::uint8_t, 256> stored{}, value{};

  explicit Levels(const Mode& mode) {
    const int count = mode.radix << mode.end_bits;
    for (int byte = 0; byte < 256; ++byte) {
      int best = 1000;
      for (int s = 0; s < count; ++s) {
        const int v = widened(mode, s), off = std::abs(v - byte);
        if (off >= best) continue;
        best = off;
        stored[byte] = std::uint8_t(s);
        value[byte] = std::uint8_t(v);
      }
    }
  }
};

const Levels& levels_of(const Mode& mode) {
  static const Levels fine(kFine), smooth(kTwoSmooth), coarse(kTwoCoarse);
  return mode.end_bits == 6 ? fine : mode.end_bits == 4 ? smooth : coarse;
}

int between(int low, int high, int weight) {
  return ((low * 257 * (64 - weight) + high * 257 * weight + 32) >> 6) >> 8;
}

// Mean and scatter of some texels.
struct Spread {
  Vec mean{};
  std::array<float, 6> scatter{};  // xx xy xz yy yz zz, about the mean
  int count = 0;

  Spread(const Texels& texels, std::uint16_t chosen) {
    std::array<int, 3> sum{};
    std::array<int, 6> square{};
    for (int i = 0; i < 16; ++i) {
      if (!((chosen >> i) & 1)) continue;
      const int x = texels[i][0], y = texels[i][1], z = texels[i][2];
      ++count;
      sum[0] += x, sum[1] += y, sum[2] += z;
      square[0] += x * x, square[1] += x * y, square[2] += x * z;
      square[3] += y * y, square[4] += y * z, square[5] += z * z;
    }
    const float n = float(std::max(count, 1));
    for (int c = 0; c < 3; ++c) mean[c] = sum[c] / n;
    for (int k = 0, a = 0; a < 3; ++a) {
      for (int b = a; b < 3; ++b, ++k) scatter[k] = square[k] - sum[a] * mean[b];
    }
  }

  Vec times(const Vec& v) const {
    return {scatter[0] * v[0] + scatter[1] * v[1] + scatter[2] * v[2],
            scatter[1] * v[0] + scatter[3] * v[1] + scatter[4] * v[2],
            scatter[2] * v[0] + scatter[4] * v[1] + scatter[5] * v[2]};
  }

  // The direction of the largest spread, by powers of the matrix.
  Vec axis(int powers) const {
    const int widest = scatter[0] >= scatter[3] ? (scatter[0] >= scatter[5] ? 0 : 2)
                                                : (scatter[3] >= scatter[5] ? 1 : 2);
    Vec v{};
    v[widest] = 1;
    for (int i = 0; i < powers; ++i) {
      v = times(v);
      const float size = std::max({std::abs(v[0]), std::abs(v[1]), std::abs(v[2])});
      if (!(size > 0)) return {1, 1, 1};
      for (float& x : v) x /= size;
    }
    return v;
  }

  // Squared distance of all from the best line.
  float beside() const {
    const Vec v = axis(3), w = times(v);
    const float length = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
    const float along = (v[0] * w[0] + v[1] * w[1] + v[2] * w[2]) / length;
    return scatter[0] + scatter[3] + scatter[5] - along;
  }
};

// A line through the colours of some texels.
struct Line {
  std::array<Color, 2> ends{};                // as they come out
  std::array<std::array<int, 3>, 2> stored{};
  std::array<std::uint8_t, 16> steps{};       // of the chosen texels
  float error = std::numeric_limits<float>::infinity();
};

std::uint8_t byte_of(float v) { return std::uint8_t(std::lround(std::clamp(v, 0.0f, 255.0f))); }

// Rounds the ends and gives every texel its nearest step.
Line laid(const Texels& texels, std::uint16_t chosen, const Mode& mode, const Vec& low, const Vec& high) {
  const Levels& levels = levels_of(mode);
  const int* weights = weights_of(mode.weight_bits);
  const int count = 1 << mode.weight_bits;
  Line line;
  Vec along{};
  float length = 0;
  for (int c = 0; c < 3; ++c) {
    const int l = byte_of(low[c]), h = byte_of(high[c]);
    line.stored[0][c] = levels.stored[l], line.stored[1][c] = levels.stored[h];
    line.ends[0][c] = levels.value[l], line.ends[1][c] = levels.value[h];
    along[c] = float(line.ends[1][c]) - float(line.ends[0][c]);
    length += along[c] * along[c];
  }
  std::array<Color, 16> palette;
  for (int s = 0; s < count; ++s) {
    for (int c = 0; c < 3; ++c) {
      palette[s][c] = std::uint8_t(between(line.ends[0][c], line.ends[1][c], weights[s]));
    }
  }
  const float scale = length > 0 ? float(count - 1) / length : 0;
  int error = 0;
  for (int i = 0; i < 16; ++i) {
    if (!((chosen >> i) & 1)) continue;
    float share = 0;
    for (int c = 0; c < 3; ++c) share += (texels[i][c] - float(line.ends[0][c])) * along[c];
    const int step = std::clamp(int(std::lround(share * scale)), 0, count - 1);
    line.steps[i] = std::uint8_t(step);
    for (int c = 0; c < 3; ++c) {
      const int off = texels[i][c] - palette[step][c];
      error += off * off;
    }
  }
  line.error = float(error);
  return line;
}

// Ends that are best for the steps, by least squares; false when these don't tell.
bool refit(const Texels& texels, std::uint16_t chosen, const Mode& mode, const Line& line, Vec& low,
           Vec& high) {
  const int* weights = weights_of(mode.weight_bits);
  float ll = 0, lh = 0, hh = 0;
  Vec l{}, h{};
  for (int i = 0; i < 16; ++i) {
    if (!((chosen >> i) & 1)) continue;
    const float w = weights[line.steps[i]] / 64.0f, v = 1 - w;
    ll += v * v, lh += v * w, hh += w * w;
    for (int c = 0; c < 3; ++c) l[c] += v * texels[i][c], h[c] += w * texels[i][c];
  }
  const float det = ll * hh - lh * lh;
  if (!(det > 1e-4f)) return false;
  for (int c = 0; c < 3; ++c) {
    low[c] = (hh * l[c] - lh * h[c]) / det;
    high[c] = (ll * h[c] - lh * l[c]) / det;
  }
  return true;
}

Line fitted(const Texels& texels, std::uint16_t chosen, const Mode& mode) {
  const Spread spread(texels, chosen);
  const Vec axis = spread.axis(6);
  const float length = axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2];
  float least = std::numeric_limits<float>::infinity(), most = -least;
  for (int i = 0; i < 16; ++i) {
    if (!((chosen >> i) & 1)) continue;
    float at = 0;
    for (int c = 0; c < 3; ++c) at += (texels[i][c] - spread.mean[c]) * axis[c];
    least = std::min(least, at / length), most = std::max(most, at / length);
  }
  Vec low, high;
  for (int c = 0; c < 3; ++c) {
    low[c] = spread.mean[c] + least * axis[c];
    high[c] = spread.mean[c] + most * axis[c];
  }
  Line best = laid(texels, chosen, mode, low, high);
  for (int i = 0; i < kRefinements && best.error > 0; ++i) {
    if (!refit(texels, chosen, mode, best, low, high)) break;
    const Line next = laid(texels, chosen, mode, low, high);
    if (next.error >= best.error) break;
    best = next;
  }
  return best;
}

// What helps a transcoder to make an ETC1 block: halves side by side or one above the other
// (flipped), whether their colours are stored as a difference, and the step table of each.
struct EtcHint {
  bool flip = false, difference = false;
  std::array<std::uint32_t, 2> tables{};
};

// Squared error in brightness (the sum of the channels) of a half with its best table.
float best_table(const std::array<int, 8>& light, int base, std::uint32_t& table) {
  float best = std::numeric_limits<float>::infinity();
  for (std::uint32_t t = 0; t < 8; ++t) {
    float sum = 0;
    for (const int value : light) {
      const int off = std::abs(value - base);
      const int least = std::min(std::abs(off - 3 * kEtcSteps[t][0]), std::abs(off - 3 * kEtcSteps[t][1]));
      sum += float(least) * float(least);
    }
    if (sum < best) best = sum, table = t;
  }
  return best;
}

EtcHint etc_hint(const Texels& texels) {
  EtcHint best;
  float least = std::numeric_limits<float>::infinity();
  for (const bool flip : {false, true}) {
    EtcHint hint{flip, true, {}};
    std::array<Color, 2> colors{};
    std::array<std::array<int, 8>, 2> light{};
    for (int half = 0; half < 2; ++half) {
      std::array<int, 3> sum{};
      for (int k = 0; k < 8; ++k) {
        const int i = flip ? 8 * half + k : 4 * (k / 2) + 2 * half + k % 2;
        for (int c = 0; c < 3; ++c) sum[c] += texels[i][c];
        light[half][k] = texels[i][0] + texels[i][1] + texels[i][2];
      }
      for (int c = 0; c < 3; ++c) colors[half][c] = std::uint8_t((sum[c] * 31 + 8 * 127) / (8 * 255));
    }
    for (int c = 0; c < 3; ++c) {
      const int step = colors[1][c] - colors[0][c];
      hint.difference = hint.difference && step >= -4 && step <= 3;
    }
    float error = 0;
    for (int half = 0; half < 2; ++half) {
      int base = 0;
      for (int c = 0; c < 3; ++c) base += (colors[half][c] << 3) | (colors[half][c] >> 2);
      error += best_table(light[half], base, hint.tables[half]);
    }
    if (error < least) least = error, best = hint;
  }
  return best;
}

// One colour: an ETC1 block of the same is stored beside it.
Block solid(const Color& color) {
  int least = std::numeric_limits<int>::max();
  std::uint32_t table = 0, selector = 0;
  Color base{};
  for (std::uint32_t t = 0; t < 8; ++t) {
    const std::array<int, 4> steps{-kEtcSteps[t][1], -kEtcSteps[t][0], kEtcSteps[t][0], kEtcSteps[t][1]};
    for (std::uint32_t s = 0; s < 4; ++s) {
      Color found{};
      int error = 0;
      for (int c = 0; c < 3; ++c) {
        int nearest = std::numeric_limits<int>::max();
        for (int v = 0; v < 32; ++v) {
          const int shown = std::clamp(((v << 3) | (v >> 2)) + steps[s], 0, 255);
          const int off = (shown - color[c]) * (shown - color[c]);
          if (off < nearest) nearest = off, found[c] = std::uint8_t(v);
        }
        error += nearest;
      }
      if (error < least) least = error, table = t, selector = s, base = found;
    }
  }
  Bits bits;
  bits.put(kSolidCode, kSolidBits);
  for (const std::uint8_t c : color) bits.put(c, 8);
  bits.put(255, 8);
  bits.put(1, 1);
  bits.put(table, 3);
  bits.put(selector, 2);
  for (const std::uint8_t c : base) bits.put(c, 5);
  return bits.block();
}

// The first texel of each line has a step in the lower half, so that its top bit need not be stored.
void anchor(Line& line, std::uint16_t chosen, const Mode& mode) {
  const int top = (1 << mode.weight_bits) - 1;
  if (line.steps[std::countr_zero(chosen)] <= top / 2) return;
  std::swap(line.ends[0], line.ends[1]);
  std::swap(line.stored[0], line.stored[1]);
  for (std::uint8_t& step : line.steps) step = std::uint8_t(top - step);
}

Block packed(const Mode& mode, std::array<Line, 2> lines, const std::array<std::uint16_t, 2>& chosen,
             std::uint32_t pattern, const EtcHint& hint) {
  Bits bits;
  bits.put(mode.code, mode.code_bits);
  bits.put(0, 2);  // no hints for BC1
  bits.put(hint.flip, 1);
  bits.put(hint.difference, 1);
  for (const std::uint32_t table : hint.tables) bits.put(table, 3);
  bits.put(kNoBias, 5);
  if (mode.lines == 2) bits.put(pattern, 5);
  std::array<int, 12> values{};
  int count = 0;
  for (int n = 0; n < mode.lines; ++n) {
    anchor(lines[n], chosen[n], mode);
    for (int c = 0; c < 3; ++c) {
      for (const auto& end : lines[n].stored) values[count++] = end[c];
    }
  }
  // Trits come in groups of five, quints of three; the last group takes the bits that it needs.
  if (mode.radix > 1) {
    const int group = mode.radix == 3 ? 5 : 3;
    for (int first = 0; first < count; first += group) {
      std::uint32_t sum = 0, size = 1;
      for (int i = std::min(first + group, count) - 1; i >= first; --i) {
        sum = sum * mode.radix + std::uint32_t(values[i] >> mode.end_bits);
        size *= mode.radix;
      }
      bits.put(sum, std::bit_width(size - 1));
    }
  }
  for (int i = 0; i < count; ++i) bits.put(values[i] & ((1 << mode.end_bits) - 1), mode.end_bits);
  for (int i = 0; i < 16; ++i) {
    const int n = mode.lines == 2 && ((chosen[1] >> i) & 1);
    const bool is_anchor = std::countr_zero(chosen[n]) == i;
    bits.put(lines[n].steps[i], mode.weight_bits - is_anchor);
  }
  return bits.block();
}

std::uint32_t best_shape(const Texels& texels) {
  float least = std::numeric_limits<float>::infinity();
  std::uint32_t best = 0;
  for (std::uint32_t p = 0; p < kShapes.size(); ++p) {
    const float error = Spread(texels, kShapes[p]).beside() +
                        Spread(texels, std::uint16_t(~kShapes[p])).beside();
    if (error < least) least = error, best = p;
  }
  return best;
}

}  // namespace

Block encode(const Texels& texels) {
  if (std::all_of(texels.begin(), texels.end(), [&](const Color& c) { return c == texels[0]; })) {
    return solid(texels[0]);
  }
  constexpr std::uint16_t kAll = 0xFFFF;
  const EtcHint hint = etc_hint(texels);
  const Line one = fitted(texels, kAll, kFine);
  if (one.error > 16 * kGoodEnough) {
    const std::uint32_t pattern = best_shape(texels);
    const std::array<std::uint16_t, 2> chosen{std::uint16_t(~kShapes[pattern]), kShapes[pattern]};
    const Mode* mode = nullptr;
    std::array<Line, 2> best;
    float least = one.error;
    for (const Mode* tried : {&kTwoSmooth, &kTwoCoarse}) {
      const std::array<Line, 2> two{fitted(texels, chosen[0], *tried), fitted(texels, chosen[1], *tried)};
      const float error = two[0].error + two[1].error;
      if (error < least) least = error, mode = tried, best = two;
    }
    if (mode) return packed(*mode, best, chosen, pattern, hint);
  }
  return packed(kFine, {one, {}}, {kAll, 0}, 0, hint);
}

}  // namespace gypsum::uastc

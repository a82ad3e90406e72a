#include "lzfse/decode.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace gypsum::lzfse {
namespace {

using Bytes = const std::uint8_t*;

[[noreturn]] void damaged(const char* why) { throw std::invalid_argument(why); }

std::uint32_t u32(Bytes p) {
  return std::uint32_t(p[0]) | std::uint32_t(p[1]) << 8 | std::uint32_t(p[2]) << 16 | std::uint32_t(p[3]) << 24;
}
std::uint64_t u64(Bytes p) { return u32(p) | std::uint64_t(u32(p + 4)) << 32; }
std::uint32_t field(std::uint64_t packed, int start, int bits) {
  return std::uint32_t(packed >> start & ((std::uint64_t(1) << bits) - 1));
}

constexpr std::uint32_t magic(char a, char b, char c, char d) {
  return std::uint32_t(a) | std::uint32_t(b) << 8 | std::uint32_t(c) << 16 | std::uint32_t(d) << 24;
}
constexpr std::uint32_t kEnd = magic('b', 'v', 'x', '$'), kRaw = magic('b', 'v', 'x', '-'),
                        kPacked = magic('b', 'v', 'x', '2');

constexpr int kLengths = 20, kMatches = 20, kDistances = 64, kLiterals = 256;
constexpr int kLengthStates = 64, kMatchStates = 64, kDistanceStates = 256, kLiteralStates = 1024;
constexpr int kHeader = 32;
constexpr std::uint32_t kMostLiterals = 40000, kMostMatches = 10000;  // of a block, by the format

// The stream is one large number, least significant byte first, read from its top downwards.
class Stream {
 public:
  Stream(Bytes start, std::size_t bytes, int top) : start_(start), bytes_(bytes) {
    at_ = std::int64_t(8 * bytes) + top;
    if (at_ < 0) damaged("a stream is shorter than nothing");
  }
  std::uint32_t pull(int count) {
    at_ -= count;
    if (at_ < 0) damaged("a stream ends early");
    const std::size_t first = std::size_t(at_ >> 3);
    std::uint64_t word = 0;
    for (std::size_t n = 0; n < 6 && first + n < bytes_; ++n) word |= std::uint64_t(start_[first + n]) << (8 * n);
    return std::uint32_t(word >> (at_ & 7) & ((std::uint64_t(1) << count) - 1));
  }

 private:
  Bytes start_;
  std::size_t bytes_;
  std::int64_t at_;
};

struct Entry {
  std::uint8_t state_bits = 0, value_bits = 0;
  std::int16_t delta = 0;
  std::uint32_t base = 0;  // a literal, or the least of a range of values
};

// A decoder's table from how often each symbol comes; the frequencies fill the states exactly.
template <int states>
std::array<Entry, states> table(const std::uint16_t* often, int symbols, const std::uint8_t* extra,
                                const std::uint32_t* base) {
  std::array<Entry, states> made{};
  int filled = 0;
  for (int symbol = 0; symbol < symbols; ++symbol) {
    const int f = often[symbol];
    if (f == 0) continue;
    if (filled + f > states) damaged("frequencies do not fit");
    const int k = std::countl_zero(std::uint32_t(f)) - std::countl_zero(std::uint32_t(states));
    const int wide = ((2 * states) >> k) - f;
    for (int j = 0; j < f; ++j) {
      Entry& entry = made[filled++];
      entry.state_bits = std::uint8_t(j < wide ? k : k - 1);
      entry.delta = std::int16_t(j < wide ? ((f + j) << k) - states : (j - wide) << (k - 1));
      entry.value_bits = extra ? extra[symbol] : 0;
      entry.base = base ? base[symbol] : std::uint32_t(symbol);
    }
  }
  if (filled != states) damaged("frequencies do not fit");
  return made;
}

template <std::size_t states>
std::uint32_t next(const std::array<Entry, states>& entries, std::uint32_t& state, Stream& stream) {
  const Entry& entry = entries[state];
  const std::uint32_t bits = stream.pull(entry.state_bits + entry.value_bits);
  state = std::uint32_t(entry.delta + std::int32_t(bits >> entry.value_bits));
  if (state >= states) damaged("a state leaves its table");
  return entry.base + (bits & ((1u << entry.value_bits) - 1));
}

// Frequencies come in a prefix code of 2, 3, 5, 8 or 14 bits.
std::uint16_t frequency(std::uint32_t bits, int& used) {
  if ((bits & 1) == 0) {
    used = 2;
    return std::uint16_t(bits >> 1 & 1);
  }
  if ((bits & 3) == 1) {
    used = 3;
    return std::uint16_t(2 + (bits >> 2 & 1));
  }
  if ((bits & 7) == 3) {
    used = 5;
    return std::uint16_t(4 + (bits >> 3 & 3));
  }
  if ((bits & 15) == 7) {
    used = 8;
    return std::uint16_t(8 + (bits >> 4 & 15));
  }
  used = 14;
  return std::uint16_t(24 + (bits >> 4 & 1023));
}

std::array<std::uint16_t, kLengths + kMatches + kDistances + kLiterals> frequencies(Bytes from, Bytes end) {
  std::array<std::uint16_t, kLengths + kMatches + kDistances + kLiterals> often{};
  std::uint32_t bits = 0;
  int have = 0;
  for (auto& f : often) {
    while (from < end && have + 8 <= 32) {
      bits |= std::uint32_t(*from++) << have;
      have += 8;
    }
    int used = 0;
    f = frequency(bits, used);
    if (used > have) damaged("frequencies end early");
    bits >>= used;
    have -= used;
  }
  return often;
}

struct Ranges {
  std::array<std::uint8_t, kDistances> extra{};
  std::array<std::uint32_t, kDistances> base{};
  void fill(int symbols) {
    std::uint32_t sum = 0;
    for (int n = 0; n < symbols; ++n) {
      base[n] = sum;
      sum += 1u << extra[n];
    }
  }
};

Ranges lengths() {
  Ranges r;
  const std::uint8_t last[4] = {2, 3, 5, 8};
  std::memcpy(&r.extra[16], last, 4);
  r.fill(kLengths);
  return r;
}
Ranges matches() {
  Ranges r;
  const std::uint8_t last[4] = {3, 5, 8, 11};
  std::memcpy(&r.extra[16], last, 4);
  r.fill(kMatches);
  return r;
}
Ranges distances() {
  Ranges r;
  for (int n = 0; n < kDistances; ++n) r.extra[n] = std::uint8_t(n / 4);
  r.fill(kDistances);
  return r;
}

// One compressed block; returns where it ends.
Bytes unpack(Bytes p, Bytes end, std::size_t most, std::vector<std::uint8_t>& out) {
  if (end - p < kHeader) damaged("a block is cut short");
  const std::uint32_t raw_bytes = u32(p + 4);
  const std::uint64_t a = u64(p + 8), b = u64(p + 16), c = u64(p + 24);
  const std::uint32_t literal_count = field(a, 0, 20), literal_bytes = field(a, 20, 20), match_count = field(a, 40, 20);
  const int literal_top = int(field(a, 60, 3)) - 7, value_top = int(field(b, 60, 3)) - 7;
  const std::uint32_t value_bytes = field(b, 40, 20), header = field(c, 0, 32);
  if (header < kHeader || literal_count > kMostLiterals || match_count > kMostMatches || literal_count % 4 != 0 ||
      std::size_t(end - p) < std::size_t(header) + literal_bytes + value_bytes || out.size() + raw_bytes > most)
    damaged("a block's header does not fit");
  const auto often = frequencies(p + kHeader, p + header);
  static const Ranges length = lengths(), match = matches(), distance = distances();
  const std::uint16_t* f = often.data();
  const auto length_table = table<kLengthStates>(f, kLengths, length.extra.data(), length.base.data());
  const auto match_table = table<kMatchStates>(f += kLengths, kMatches, match.extra.data(), match.base.data());
  const auto distance_table =
      table<kDistanceStates>(f += kMatches, kDistances, distance.extra.data(), distance.base.data());
  const auto literal_table = table<kLiteralStates>(f += kDistances, kLiterals, nullptr, nullptr);

  std::vector<std::uint8_t> literals(literal_count);
  Stream stream(p + header, literal_bytes, literal_top);
  std::uint32_t states[4];
  for (int n = 0; n < 4; ++n) states[n] = field(b, 10 * n, 10);
  for (std::uint32_t n = 0; n < literal_count; ++n)
    literals[n] = std::uint8_t(next(literal_table, states[n & 3], stream));

  Stream values(p + header + literal_bytes, value_bytes, value_top);
  std::uint32_t length_state = field(c, 32, 10), match_state = field(c, 42, 10), distance_state = field(c, 52, 10);
  if (length_state >= kLengthStates || match_state >= kMatchStates || distance_state >= kDistanceStates)
    damaged("a state leaves its table");
  const std::size_t target = out.size() + raw_bytes;
  std::size_t taken = 0;
  std::uint32_t back = 0;
  for (std::uint32_t n = 0; n < match_count; ++n) {
    const std::uint32_t copied = next(length_table, length_state, values);
    const std::uint32_t repeated = next(match_table, match_state, values);
    if (const std::uint32_t d = next(distance_table, distance_state, values)) back = d;
    if (taken + copied > literals.size() || out.size() + copied + repeated > target) damaged("a block overflows");
    out.insert(out.end(), literals.begin() + std::ptrdiff_t(taken), literals.begin() + std::ptrdiff_t(taken + copied));
    taken += copied;
    if (repeated && (back == 0 || back > out.size())) damaged("a match lies before the start");
    for (std::uint32_t m = 0; m < repeated; ++m) out.push_back(out[out.size() - back]);
  }
  if (out.size() != target) damaged("a block is not as long as it says");
  return p + header + literal_bytes + value_bytes;
}

}  // namespace

std::vector<std::uint8_t> decode(const std::uint8_t* packed, std::size_t size, std::size_t most) {
  std::vector<std::uint8_t> out;
  out.reserve(most);
  for (Bytes p = packed, end = packed + size;;) {
    if (end - p < 4) damaged("the end is missing");
    switch (u32(p)) {
      case kEnd:
        return out;
      case kRaw: {
        if (end - p < 8) damaged("a block is cut short");
        const std::uint32_t count = u32(p + 4);
        if (std::size_t(end - p) - 8 < count || out.size() + count > most) damaged("a block is cut short");
        out.insert(out.end(), p + 8, p + 8 + count);
        p += 8 + count;
        break;
      }
      case kPacked:
        p = unpack(p, end, most, out);
        break;
      default:
        damaged("a block of an unknown kind");
    }
  }
}

}  // namespace gypsum::lzfse

// Distinctive points of a grey picture and their descriptors: SIFT (Lowe 2004, "Distinctive image
// features from scale-invariant keypoints"). Plain pointers, no Python.
//
// Octave 0 is the picture at twice its size; each next one has half the size of the one before. An
// octave has kLevels Gaussian levels; level l of octave o has blur kSigma 2^(l / kIntervals) in its
// own pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gypsum::sift {

constexpr int kIntervals = 3;
constexpr int kLevels = kIntervals + 3;
constexpr float kSigma = 1.6f;
constexpr int kDescriptor = 128;

// Memory for floats, not initialised, in large pages where the system has them: a scale space is
// hundreds of megabytes that are touched once, and small pages would take a third of the time.
class Block {
 public:
  explicit Block(std::size_t floats);
  ~Block();
  Block(Block&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  float* get() const { return data_; }

 private:
  float* data_;
};

// Pictures of one size, from 0 (black) to 1 (white).
struct Octave {
  Octave(int w, int h) : width(w), height(h), levels(std::size_t(w) * h * kLevels) {}
  int width, height;
  Block levels;
  float* level(int l) const { return levels.get() + std::size_t(width) * height * l; }
};

struct Point {
  float x, y;      // pixels of the picture, whose top-left pixel has its centre at (0.5, 0.5)
  float scale;     // the blur at which it stands out, pixels of the picture
  float response;  // contrast, 0 to 1
  float octave, level;
};

struct Described {
  std::vector<float> places;             // x, y, scale, angle (radians) of each
  std::vector<std::uint8_t> descriptors;  // kDescriptor of each
};

// The octaves of a grey picture.
std::vector<Octave> build_portable(const std::uint8_t* gray, int width, int height);
std::vector<Octave> build_avx2(const std::uint8_t* gray, int width, int height);

// Extrema in place and scale of the difference of Gaussians, in a fixed order. `contrast` is the
// least response times kIntervals; `edge` bounds the ratio of the principal curvatures.
std::vector<Point> detect_portable(const std::vector<Octave>& octaves, float contrast, float edge);
std::vector<Point> detect_avx2(const std::vector<Octave>& octaves, float contrast, float edge);

// Dominant directions of the points, one or several each, and RootSIFT (Arandjelovic and Zisserman
// 2012) of length 512 for each direction.
Described describe_portable(const std::vector<Octave>& octaves, const Point* points, int count);
Described describe_avx2(const std::vector<Octave>& octaves, const Point* points, int count);

}  // namespace gypsum::sift

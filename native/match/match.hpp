// Mutual nearest neighbours between the descriptors of two photos.
#pragma once

#include <cstdint>
#include <vector>

namespace gypsum::match {

enum class Path { automatic, portable, avx2, vnni };

// Pairs (i, j) flattened, in order of i: each is the other's nearest neighbour, and in both
// directions its squared distance is below ratio^2 times that of the second nearest.
std::vector<uint32_t> match(const uint8_t* a, int a_count, const uint8_t* b, int b_count,
                            double ratio, Path path);

}  // namespace gypsum::match

// How many threads a parallel region gets.
#pragma once

#include <omp.h>

namespace gypsum::sample {

// `threads` as callers give it: 0 means all cores.
inline int team(int threads) { return threads > 0 ? threads : omp_get_max_threads(); }

}  // namespace gypsum::sample

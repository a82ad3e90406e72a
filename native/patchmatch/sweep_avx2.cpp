#define GYPSUM_VARIANT(name) name##_avx2
#include "sweep_body.hpp"

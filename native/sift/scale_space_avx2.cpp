#define GYPSUM_VARIANT(name) name##_avx2
#include "scale_space_body.hpp"

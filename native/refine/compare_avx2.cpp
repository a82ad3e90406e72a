#define GYPSUM_VARIANT(name) name##_avx2
#include "compare_body.hpp"

#define GYPSUM_VARIANT(name) name##_avx2
#include "tsdf/integrate_body.hpp"

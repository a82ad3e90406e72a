#define GYPSUM_VARIANT(name) name##_avx2
#include "sdf/render_body.hpp"

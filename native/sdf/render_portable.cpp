#define GYPSUM_VARIANT(name) name##_portable
#include "sdf/render_body.hpp"

#define GYPSUM_VARIANT(name) name##_portable
#include "scale_space_body.hpp"

#define GYPSUM_VARIANT(name) name##_portable
#include "tsdf/integrate_body.hpp"

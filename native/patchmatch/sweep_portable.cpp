#define GYPSUM_VARIANT(name) name##_portable
#include "sweep_body.hpp"

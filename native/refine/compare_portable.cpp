#define GYPSUM_VARIANT(name) name##_portable
#include "compare_body.hpp"

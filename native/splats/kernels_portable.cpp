#define GYPSUM_VARIANT portable
#include "kernels_body.hpp"

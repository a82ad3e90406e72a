#define GYPSUM_VARIANT avx2
#include "kernels_body.hpp"

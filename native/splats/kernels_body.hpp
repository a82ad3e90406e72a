// The kernels, compiled once for the baseline and once for AVX2; GYPSUM_VARIANT is the namespace.
#include "splats/splats.hpp"

#include "splats/project_body.hpp"
#include "splats/plane_body.hpp"
#include "splats/raster_body.hpp"
#include "splats/depth_body.hpp"
#include "splats/loss_body.hpp"
#include "splats/update_body.hpp"

namespace gypsum::splats::GYPSUM_VARIANT {

extern const Kernels kernels{project, project_backward, rasterize, rasterize_backward, compare,
                             adam, planes, planes_backward, agree};

}  // namespace gypsum::splats::GYPSUM_VARIANT

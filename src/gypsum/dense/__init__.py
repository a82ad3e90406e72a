"""Dense geometry: undistorted photos, depth maps, one cloud."""

from gypsum.dense.colmap_stereo import estimate_depth_maps_cuda
from gypsum.dense.colmap_workspace import read_box, read_views, write_box
from gypsum.dense.depth_maps import estimate_depth_maps
from gypsum.dense.frame_stereo import MeasuredPictures, measure_pictures
from gypsum.dense.fusion import FusionLimits, fuse
from gypsum.dense.given_depth import complete_depth_maps, meanings, metric_scale
from gypsum.dense.neighbors import Neighborhood, choose_neighbors
from gypsum.dense.undistort import distort_masks, undistort, undistort_masks

__all__ = [
    "FusionLimits",
    "MeasuredPictures",
    "Neighborhood",
    "choose_neighbors",
    "complete_depth_maps",
    "distort_masks",
    "estimate_depth_maps",
    "estimate_depth_maps_cuda",
    "fuse",
    "meanings",
    "measure_pictures",
    "metric_scale",
    "read_box",
    "read_views",
    "undistort",
    "undistort_masks",
    "write_box",
]

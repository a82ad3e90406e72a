"""3D Gaussian splatting: training and rendering of radiance fields."""

from gypsum.splats.fit import Fitted, fit
from gypsum.splats.quality import Score
from gypsum.splats.render import render
from gypsum.splats.train import TrainOptions

__all__ = ["Fitted", "Score", "TrainOptions", "fit", "render"]

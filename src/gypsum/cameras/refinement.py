"""Bundle adjustment after mapping: the principal point, where the photos tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first

if TYPE_CHECKING:
    import pycolmap


def refine(model: pycolmap.Reconstruction, threads: int) -> dict[str, Any]:
    """Adjust all cameras and points together; returns what was done for the report."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.refine_principal_point = True
    options.ceres.solver_options.num_threads = threads
    pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()
    return {"principal_point": "refined"}

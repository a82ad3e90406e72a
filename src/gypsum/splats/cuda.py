"""Training on a graphics card, by the kernels of ``device_kernels.py``.

Warp runs them on one core of the processor as well, slowly: that is how they are compared with
those of ``native/splats`` where there is no card. On a card the derivative's sums are in no fixed
order, so that two runs differ by rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from gypsum.scene import View
from gypsum.splats import device_kernels as kernels
from gypsum.splats import engine
from gypsum.splats.engine import Learned
from gypsum.splats.photos import TrainingPhoto
from gypsum.splats.render import ALPHA_MIN, BLUR, NEAR, TRANSMITTANCE_MIN
from gypsum.splats.schedule import Moment
from gypsum.splats.state import State

Float32 = NDArray[np.float32]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-15
#: Values of a row of the picture that :func:`kernels.sum_rows` adds up: L1, SSIM, exposure.
_SUMS = 2 + 12
#: The window of SSIM: a Gaussian of this deviation, pixels.
_WINDOW = 1.5


class Card:
    """Holds a state on a device of Warp: ``cuda``, ``cuda:1``, or ``cpu``."""

    def __init__(self, state: State, extent: float, surface: bool, device: str) -> None:
        self._state = state
        self._extent = extent
        self._surface = surface
        self._rough = _limits(extent, engine.ROUGH_ALPHA, engine.ROUGH_TRANSMITTANCE)
        self._exact = _limits(extent, ALPHA_MIN, TRANSMITTANCE_MIN)
        offsets = np.arange(-5, 6)
        window = np.exp(-(offsets**2) / (2 * _WINDOW**2))
        self._window = kernels.vec11(*(window / window.sum()))
        wp.config.log_level = wp.LOG_WARNING
        self._device = wp.get_device(device)
        self._fresh = True
        self.store()

    def fetch(self) -> None:
        """Copy the arrays from the device, unless they are there."""
        if self._fresh:
            return
        state = self._state
        state.rows, state.first, state.second, state.scores = (
            array.numpy() for array in (self._rows, self._first, self._second, self._scores)
        )
        self._fresh = True

    def store(self) -> None:
        """Copy the arrays to the device."""
        state = self._state
        self._rows, self._first, self._second, self._scores = (
            self._array(values, float)
            for values in (state.rows, state.first, state.second, state.scores)
        )
        self._by_rows = wp.empty_like(self._rows)

    def step(
        self, photo: TrainingPhoto, exposure: Float32, background: Float32, moment: Moment
    ) -> Learned:
        """One photo."""
        self._fresh = False
        splats = self._project(photo.view, moment)
        picture, transmittance = self._draw(splats, wp.vec3(*background.tolist()))
        by_picture, error, totals = self._compare(picture, photo, exposure, background)
        self._by_rows.zero_()
        self._pull(splats, picture, by_picture, error, self._scores)
        self._regularise(moment)
        if self._surface and moment.along:
            self._lay_flat(splats, transmittance)
        self._adam(splats, moment)
        sums = totals.numpy().sum(0, dtype=np.float64)
        loss = (1 - engine.SSIM) * sums[0] + engine.SSIM * (1 - sums[1])
        return Learned(float(loss), sums[2:].reshape(3, 4))

    def _array(self, values: NDArray[Any], kind: Any) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=kind, device=self._device)

    def _zeros(self, shape: Any, kind: Any) -> wp.array:
        return wp.zeros(shape, dtype=kind, device=self._device)

    def _launch(self, kernel: Any, shape: Any, inputs: list[Any], outputs: list[Any]) -> None:
        wp.launch(kernel, dim=shape, inputs=inputs, outputs=outputs, device=self._device)

    def _project(self, view: View, moment: Moment) -> _Splats:
        splats = _Splats(
            _camera(view), self._rough if moment.moving else self._exact, moment.degree,
            len(self._rows), self._device,
        )  # fmt: skip
        self._launch(kernels.project, len(self._rows), splats.inputs(self._rows), splats.outputs)
        splats.list_tiles()
        return splats

    def _draw(self, splats: _Splats, background: Any) -> tuple[wp.array, wp.array]:
        shape = (splats.camera.height, splats.camera.width)
        picture, transmittance = self._zeros(shape, wp.vec3), self._zeros(shape, float)
        wp.launch(
            kernels.draw, dim=splats.threads, block_dim=kernels.TILE**2, device=self._device,
            inputs=[splats.ranges, splats.list, splats.centers, splats.conics, splats.opacities,
                    splats.colors, background, splats.camera, splats.limits, splats.columns],
            outputs=[picture, transmittance],
        )  # fmt: skip
        return picture, transmittance

    def _compare(
        self, picture: wp.array, photo: TrainingPhoto, exposure: Float32, background: Float32
    ) -> tuple[wp.array, wp.array, wp.array]:
        """Derivative by the picture, error of each pixel, and sums of each row (height, 14)."""
        shape = photo.pixels.shape[:2]
        pixels = self._array(photo.pixels, wp.uint8)
        masked = photo.mask is not None
        mask = self._array(photo.mask if masked else np.zeros((1, 1), np.uint8), wp.uint8)  # type: ignore[arg-type]
        turn = wp.mat33(exposure[:, :3].ravel().tolist())
        target, shown = self._zeros(shape, wp.vec3), self._zeros(shape, wp.vec3)
        self._launch(
            kernels.prepare, shape,
            [picture, pixels, mask, int(masked), wp.vec3(*background.tolist()), turn,
             wp.vec3(*exposure[:, 3].tolist())],
            [target, shown],
        )  # fmt: skip
        blurred = self._zeros((5, *shape), wp.vec3)
        self._launch(kernels.blur_products, shape, [shown, target, self._window], [blurred])
        slopes, error = self._zeros((3, *shape), wp.vec3), self._zeros(shape, float)
        sums = self._zeros(shape, wp.vec2)
        self._launch(
            kernels.structure, shape, [blurred, shown, target, self._window, engine.SSIM],
            [slopes, error, sums],
        )  # fmt: skip
        means = self._zeros((3, *shape), wp.vec3)
        self._launch(kernels.blur_rows, (3, *shape), [slopes, self._window], [means])
        by_exposed, by_picture = self._zeros(shape, wp.vec3), self._zeros(shape, wp.vec3)
        self._launch(
            kernels.by_shown, shape, [means, shown, target, self._window, engine.SSIM, turn],
            [by_exposed, by_picture],
        )  # fmt: skip
        totals = self._zeros((shape[0], _SUMS), float)
        self._launch(kernels.sum_rows, (shape[0], _SUMS), [picture, by_exposed, sums], [totals])
        return by_picture, error, totals

    def _pull(
        self, splats: _Splats, picture: wp.array, by_picture: wp.array, error: wp.array,
        scores: wp.array,
    ) -> None:  # fmt: skip
        """Add the derivatives by the rows to ``_by_rows``."""
        by = splats.derivatives()
        self._pull_splats(splats, splats.colors, picture, by_picture, error, by, scores)
        self._pull_rows(splats, by)

    def _pull_splats(
        self, splats: _Splats, colors: wp.array, picture: wp.array, by_picture: wp.array,
        error: wp.array, by: list[wp.array], scores: wp.array,
    ) -> None:  # fmt: skip
        wp.launch(
            kernels.pull, dim=splats.threads, block_dim=kernels.TILE**2, device=self._device,
            inputs=[splats.ranges, splats.list, splats.centers, splats.conics, splats.opacities,
                    colors, splats.camera, splats.limits, splats.columns, picture, by_picture,
                    error],
            outputs=[*by, scores],
        )  # fmt: skip

    def _pull_rows(self, splats: _Splats, by: list[wp.array]) -> None:
        inputs = splats.inputs(self._rows)
        wp.launch(
            kernels.project, dim=len(self._rows), inputs=inputs, outputs=splats.outputs,
            adj_inputs=[self._by_rows, *inputs[1:]], adj_outputs=[*by, None, None], adjoint=True,
            device=self._device,
        )  # fmt: skip

    def _regularise(self, moment: Moment) -> None:
        count = len(self._rows)
        flat = self._surface and moment.flat
        weights = [
            engine.OPACITY_WEIGHT / count,
            engine.SCALE_WEIGHT / (3 * count) / self._extent,
            engine.FLAT_WEIGHT / count / self._extent if flat else 0.0,
        ]
        self._launch(kernels.regularise, count, [self._rows, *weights], [self._by_rows])

    def _lay_flat(self, splats: _Splats, transmittance: wp.array) -> None:
        """Add the derivatives by how well depths and normals agree."""
        count, camera = len(self._rows), splats.camera
        planes = self._zeros(count, wp.vec3)
        inputs = [self._rows, camera, splats.depths]
        self._launch(kernels.find_planes, count, inputs, [planes])
        colors, splats.colors = splats.colors, planes
        picture, transmittance = self._draw(splats, wp.vec3(0.0, 0.0, 0.0))
        splats.colors = colors
        shape = (camera.height, camera.width)
        share = engine.ALONG_WEIGHT / (camera.height * camera.width)
        by_picture, loss = self._zeros(shape, wp.vec3), self._zeros(1, float)
        by_loss = wp.ones_like(loss)
        wp.launch(
            kernels.agree, dim=shape, inputs=[picture, transmittance, camera, share],
            outputs=[loss], adj_inputs=[by_picture, None, camera, None], adj_outputs=[by_loss],
            adjoint=True, device=self._device,
        )  # fmt: skip
        by_centers, by_conics, by_opacities, by_planes = by = splats.derivatives()
        nobody = self._zeros(count, float)
        self._pull_splats(splats, planes, picture, by_picture, transmittance, by, nobody)
        self._pull_rows(splats, [by_centers, by_conics, by_opacities, self._zeros(count, wp.vec3)])
        wp.launch(
            kernels.find_planes, dim=count, inputs=inputs, outputs=[planes],
            adj_inputs=[self._by_rows, camera, None], adj_outputs=[by_planes], adjoint=True,
            device=self._device,
        )  # fmt: skip

    def _adam(self, splats: _Splats, moment: Moment) -> None:
        step = self._state.iteration + 1
        corrections = [1 - _BETA1**step, float(np.sqrt(1 - _BETA2**step))]
        self._launch(
            kernels.adam, (len(self._rows), moment.columns),
            [self._by_rows, splats.depths, self._array(moment.rates, float), *corrections, _BETA1,
             _BETA2, _EPSILON],
            [self._rows, self._first, self._second],
        )  # fmt: skip


class _Splats:
    """Gaussians in one picture, and which of them each tile shows, nearest first."""

    def __init__(self, camera: Any, limits: Any, degree: int, count: int, device: Any) -> None:
        self.camera, self.limits, self.degree = camera, limits, degree
        self._device = device
        self.centers = self._zeros(count, wp.vec2)
        self.conics = self._zeros(count, wp.vec3)
        self.opacities = self._zeros(count, float)
        self.colors = self._zeros(count, wp.vec3)
        self.reaches = self._zeros(count, wp.vec2)
        self.depths = self._zeros(count, float)
        self.columns = -(-camera.width // kernels.TILE)
        self.lines = -(-camera.height // kernels.TILE)

    @property
    def threads(self) -> int:
        """One for each pixel of each tile."""
        return int(self.columns * self.lines * kernels.TILE**2)

    def inputs(self, rows: wp.array) -> list[Any]:
        """Of :func:`kernels.project`."""
        return [rows, self.degree, self.camera, self.limits]

    @property
    def outputs(self) -> list[wp.array]:
        """Of :func:`kernels.project`."""
        return [
            self.centers, self.conics, self.opacities, self.colors, self.reaches, self.depths,
        ]  # fmt: skip

    def derivatives(self) -> list[wp.array]:
        """Places for those by centres, conics, opacities and colours."""
        of = (self.centers, self.conics, self.opacities, self.colors)
        return [wp.zeros_like(array) for array in of]

    def list_tiles(self) -> None:
        """Sort what is seen into the tiles, by depth."""
        count = len(self.depths)
        counts, ends = self._zeros(count, int), self._zeros(count, int)
        seen = [self.centers, self.reaches, self.depths, self.columns, self.lines]
        self._launch(kernels.count_tiles, count, seen, [counts])
        wp.utils.array_scan(counts, ends, inclusive=True)
        total = int(ends[count - 1 :].numpy()[0]) if count else 0
        # The sort needs as much room again.
        keys, self.list = (
            self._zeros(max(1, 2 * total), wp.int64),
            self._zeros(max(1, 2 * total), int),
        )
        self.ranges = self._zeros((self.columns * self.lines, 2), int)
        if total == 0:
            return
        self._launch(kernels.list_tiles, count, [*seen, ends], [keys, self.list])
        wp.utils.radix_sort_pairs(keys, self.list, total)
        self._launch(kernels.find_ranges, total, [keys, total], [self.ranges])

    def _zeros(self, shape: Any, kind: Any) -> wp.array:
        return wp.zeros(shape, dtype=kind, device=self._device)

    def _launch(self, kernel: Any, shape: Any, inputs: list[Any], outputs: list[Any]) -> None:
        wp.launch(kernel, dim=shape, inputs=inputs, outputs=outputs, device=self._device)


def _limits(extent: float, alpha_min: float, transmittance_min: float) -> Any:
    limits = kernels.Limits()
    limits.alpha_min, limits.transmittance_min = alpha_min, transmittance_min
    limits.near, limits.blur = NEAR * extent, BLUR
    return limits


def _camera(view: View) -> Any:
    camera = kernels.Camera()
    camera.fx, camera.fy = float(view.K[0, 0]), float(view.K[1, 1])
    camera.cx, camera.cy = float(view.K[0, 2]), float(view.K[1, 2])
    camera.R = wp.mat33(np.asarray(view.R, np.float64).ravel().tolist())
    camera.t = wp.vec3(*np.asarray(view.t, np.float64).tolist())
    camera.width, camera.height = view.width, view.height
    return camera

"""A network that tells what stands out in a single photo, run by onnxruntime.

The network that comes with Gypsum is U²-Net-p (Qin et al., "U²-Net: Going Deeper with Nested
U-Structure for Salient Object Detection", Pattern Recognition 2020; Apache-2.0). Any other ONNX
file of the same kind can take its place, like U²-Net or an export of BiRefNet: one input of
(1, 3, height, width) in RGB, scaled to ImageNet's mean and deviation, and as its last or only
answer of interest one map in (0, 1), or before the sigmoid.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

#: The network that comes with Gypsum.
MODEL = Path(__file__).parent / "models" / "u2netp.onnx"

#: Side for networks that take any; U²-Net's own.
_SIDE = 320
#: A network that asks for more is none of this kind.
_SIDE_MOST = 4096
#: ImageNet's, which these networks are trained with.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
#: Of the part that is looked at again: percent of the pixels that stand out far from the others on
#: each side, the margin as a share of the subject and of the photo, and the share of the photo from
#: which on nothing is to be gained.
_STRAY, _MARGIN, _MARGIN_LEAST, _CLOSER = 0.5, 0.2, 0.03, 0.9


def check_model(path: Path) -> str:
    """Hash of a network's file, which must be one. Raises `InputError`."""
    SaliencyNetwork(path)
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


class SaliencyNetwork:
    """A loaded network; several threads may call it."""

    def __init__(self, path: Path = MODEL, threads: int = 1) -> None:
        """Raises `InputError` when the file holds no network of this kind."""
        self._session = _load(path, threads)
        try:
            (asked,) = self._session.get_inputs()
            batch, channels, height, width = asked.shape
        except ValueError as error:
            raise _unfit(path, "it does not take one picture") from error
        if channels not in (3, None) and not isinstance(channels, str):
            raise _unfit(path, f"it takes pictures of {channels} channels instead of 3")
        if isinstance(batch, int) and batch != 1:
            raise _unfit(path, f"it takes {batch} pictures at once")
        self._path, self._input = path, asked.name
        self._width, self._height = _side(path, width), _side(path, height)
        # U²-Net's first answer is the joint one; BiRefNet's last is the finest, and mostly the
        # only one that its exports have.
        self._output = self._session.get_outputs()[0].name

    def __call__(self, picture: UInt8) -> Float32:
        """How much each pixel of (height, width, 3) sRGB stands out, 0 to 1, at the network's own
        size."""
        import onnxruntime

        size = (self._width, self._height)
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small = (small / max(float(small.max()), 1.0) - _MEAN) / _DEVIATION
        tensor = np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)
        try:
            (answer,) = self._session.run([self._output], {self._input: tensor})
        except (onnxruntime.capi.onnxruntime_pybind11_state.OnnxRuntimeException, RuntimeError,
                ValueError) as error:  # fmt: skip
            raise _unfit(self._path, "it can't be run on a photo") from error
        values = np.asarray(answer, np.float32)
        if values.size != values.shape[-1] * values.shape[-2] or not np.isfinite(values).all():
            raise _unfit(self._path, "its answer is not one map")
        return _stretched(values.reshape(values.shape[-2:]))


def look_twice(network: SaliencyNetwork, picture: UInt8) -> Float32:
    """How much each pixel of (height, width, 3) sRGB stands out, 0 to 1, at the picture's size.

    What stands out is looked at again from closer, which finds more of thin parts and of small
    objects; both answers count alike.
    """
    height, width = picture.shape[:2]
    values = cv2.resize(network(picture), (width, height), interpolation=cv2.INTER_LINEAR)
    part = _subject(values)
    if part is not None:
        closer = picture[part]
        again = cv2.resize(network(closer), closer.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        values[part] = (values[part] + again) / 2
    return np.asarray(values, np.float32)


def _subject(values: Float32) -> tuple[slice, slice] | None:
    """Rows and columns of what stands out, with a margin; None when that is nothing, or all."""
    rows, columns = np.nonzero(values > 0.5)
    if not len(rows):
        return None
    part, share = [], 1.0
    for numbers, length in zip((rows, columns), values.shape, strict=True):
        low, high = np.percentile(numbers, (_STRAY, 100 - _STRAY))
        margin = _MARGIN * (high - low) + _MARGIN_LEAST * length
        side = slice(max(0, int(low - margin)), min(length, int(high + margin) + 1))
        share *= (side.stop - side.start) / length
        part.append(side)
    return (part[0], part[1]) if share < _CLOSER else None


def _load(path: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise InputError(f"The network {path} can't be read ({error.strerror}).") from error
    except Exception as error:  # onnxruntime raises many kinds on what is no ONNX file.
        raise _unfit(path, "it is no ONNX file that can be loaded") from error


def _unfit(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is no saliency network like U²-Net or BiRefNet as an ONNX file: {reason}."
    )


def _side(path: Path, declared: object) -> int:
    if not isinstance(declared, int):  # A name or None: any size.
        return _SIDE
    if not 32 <= declared <= _SIDE_MOST:
        raise _unfit(path, f"it takes pictures {declared} pixels wide or high")
    return declared


def _stretched(values: Float32) -> Float32:
    """To 0 … 1, as U²-Net's authors do; through the sigmoid first where that is still to come."""
    if values.min() < -0.01 or values.max() > 1.01:
        values = (1 / (1 + np.exp(-np.clip(values, -30, 30)))).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if high - low < 0.05:  # Nothing stands out; stretching would make something of noise.
        return np.zeros_like(values)
    return ((values - low) / (high - low)).astype(np.float32)

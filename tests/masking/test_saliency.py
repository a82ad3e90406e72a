"""The network that comes with Gypsum sees what stands out; other files are refused in words."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from gypsum.errors import InputError
from gypsum.masking import MODEL, SaliencyNetwork, check_model
from gypsum.masking.saliency import look_twice


def test_the_network_is_the_one_it_should_be() -> None:
    assert sha256(MODEL.read_bytes()).hexdigest().startswith("309c8469")
    assert (MODEL.parent / "LICENSE").exists()


def test_a_vase_stands_out() -> None:
    picture = np.full((300, 400, 3), (215, 210, 200), np.uint8)
    truth = np.zeros((300, 400), np.uint8)
    cv2.ellipse(truth, (200, 170), (60, 90), 0, 0, 360, 255, -1)
    picture[truth > 0] = (120, 40, 30)
    values = cv2.resize(SaliencyNetwork()(picture), (400, 300))
    assert values.min() >= 0
    assert values.max() <= 1
    found = values > 0.5
    assert np.count_nonzero(found & (truth > 0)) > 0.9 * np.count_nonzero(found | (truth > 0))


def test_no_network(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    with pytest.raises(InputError, match="can't be read"):
        check_model(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="no saliency network"):
        check_model(path)


class Stub:
    """A network that answers what it is told for a photo and for a part of it."""

    def __init__(self, whole: np.ndarray, part: float) -> None:
        self.whole, self.part, self.asked = whole, part, []

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        self.asked.append(picture.shape[:2])
        return self.whole if len(self.asked) == 1 else np.full((32, 32), self.part, np.float32)


def test_a_small_subject_is_looked_at_again() -> None:
    whole = np.zeros((100, 100), np.float32)
    whole[40:60, 40:60] = 1
    network = Stub(whole, 0.5)
    found = look_twice(network, np.zeros((300, 300, 3), np.uint8))
    (_, (height, width)) = network.asked
    assert 60 < height < 120
    assert 60 < width < 120
    assert found[150, 150] == pytest.approx(0.75, abs=0.01)
    assert found[10, 10] == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_and_everything_are_looked_at_once(value: float) -> None:
    network = Stub(np.full((100, 100), value, np.float32), 0.5)
    assert (look_twice(network, np.zeros((300, 400, 3), np.uint8)) == value).all()
    assert len(network.asked) == 1

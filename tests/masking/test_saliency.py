"""The network that comes with Gypsum sees what stands out; other files are refused in words."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from gypsum.errors import InputError
from gypsum.masking import MODEL, SaliencyNetwork, check_model


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

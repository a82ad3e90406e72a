"""Which device makes the depth maps, as far as it can be told without a card."""

import ctypes
from pathlib import Path

import pytest

from gypsum.errors import ResourceError
from gypsum.options import Device
from gypsum.workspace import devices


class Driver:
    """Stands in for ``libcuda``."""

    def __init__(self, cards: int, status: int = 0) -> None:
        self.cards, self.status = cards, status

    def cuInit(self, _: int) -> int:
        return self.status

    def cuDeviceGetCount(self, count: object) -> int:
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int))[0] = self.cards
        return 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(devices, "_installed", lambda _: True)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(2))
    return monkeypatch


@pytest.mark.usefixtures("machine")
def test_a_card_is_taken_when_it_is_there() -> None:
    assert devices.choose_device(Device.AUTO) is Device.CUDA
    assert devices.choose_device(Device.CUDA) is Device.CUDA
    assert devices.choose_device(Device.CPU) is Device.CPU


@pytest.mark.parametrize("driver", [Driver(0), Driver(2, status=100), None])
def test_without_a_card_auto_takes_the_processor(
    machine: pytest.MonkeyPatch, driver: Driver | None
) -> None:
    def load(_: str) -> Driver:
        if driver is None:
            raise OSError
        return driver

    machine.setattr(ctypes, "CDLL", load)
    assert devices.choose_device(Device.AUTO) is Device.CPU
    with pytest.raises(ResourceError, match="no NVIDIA graphics card") as error:
        devices.choose_device(Device.CUDA)
    assert str(error.value).count(".") == 1


def test_without_the_package_cuda_says_what_to_install(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(devices, "_installed", lambda _: False)
    assert devices.choose_device(Device.AUTO) is Device.CPU
    with pytest.raises(ResourceError, match="pycolmap-cuda12 is not installed"):
        devices.choose_device(Device.CUDA)


def test_the_package_is_told_by_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is called pycolmap in both; only the distributions' names differ."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(1))
    for name, device in (("pycolmap", Device.CPU), ("pycolmap_cuda12", Device.CUDA)):
        folder = tmp_path / name
        (folder / f"{name}-4.2.1.dist-info").mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 4.2.1\n"
        (folder / f"{name}-4.2.1.dist-info" / "METADATA").write_text(metadata)
        with monkeypatch.context() as patch:
            patch.setattr("sys.path", [str(folder)])
            assert devices.choose_device(Device.AUTO) is device


def test_this_machine_is_asked_without_fail() -> None:
    assert devices._cards() >= 0
    assert devices._installed(devices.DEPTH_PACKAGE) in (True, False)

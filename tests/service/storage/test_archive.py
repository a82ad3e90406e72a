"""Folders as archives: all comes back, nothing leads out."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gypsum.errors import InputError
from gypsum.service.storage.archive import pack, unpack


def test_a_stage_comes_back(tmp_path: Path) -> None:
    stage = tmp_path / "stages" / "depth"
    (stage / "maps").mkdir(parents=True)
    (stage / "maps" / ("långt " * 30 + ".bin")).write_bytes(os.urandom(3_000_001))
    (stage / "record.json").write_bytes(b"{}")
    (stage / "a.json").write_bytes(b"")
    (stage / "images").symlink_to("../undistort/images")
    os.utime(stage / "a.json", ns=(1_700_000_000_123_456_700,) * 2)
    archive = tmp_path / "depth.tar"
    archive.write_bytes(b"".join(pack(stage, last=("record.json", "none"))))
    with tarfile.open(archive) as tar:
        assert tar.getnames()[-1] == "depth/record.json"
    unpack(archive, tmp_path / "other")
    back = tmp_path / "other" / "depth"
    assert (back / "images").readlink() == Path("../undistort/images")
    for path in stage.rglob("*"):
        if path.is_file():
            twin = back / path.relative_to(stage)
            assert twin.read_bytes() == path.read_bytes()
            assert abs(twin.stat().st_mtime_ns - path.stat().st_mtime_ns) < 1000


def hostile(name: str, **values: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        for field, value in values.items():
            setattr(info, field, value)
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        hostile("../out"),
        hostile("/etc/out"),
        hostile("a/link", type=tarfile.SYMTYPE, linkname="/etc"),
        hostile("a/link", type=tarfile.SYMTYPE, linkname="../../out"),
        hostile("a/device", type=tarfile.CHRTYPE),
        hostile("a/hard", type=tarfile.LNKTYPE, linkname="../../x"),
    ],
)
def test_nothing_leads_out(archive: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(archive)
    with pytest.raises(InputError):
        unpack(path, tmp_path / "in")
    assert not (tmp_path / "out").exists()


@given(st.binary(max_size=2000))
def test_damage_is_said(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    path.write_bytes(b"not a tar " + content)
    with pytest.raises(InputError):
        unpack(path, path.parent / "in")

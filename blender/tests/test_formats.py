# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Gypsum writes, read by the add-on to the same numbers."""

from __future__ import annotations

import struct
import subprocess
import zipfile
from pathlib import Path

import bpy
import numpy as np
import pytest
import zstandard
from addon import files, objects
from addon.files.pictures import read_webp
from support import GYPSUM_PYTHON

WRITE = """
import sys
import numpy as np
from pathlib import Path
from gypsum.formats.source import Source
from gypsum.formats.splats import sog, spz
from gypsum.formats.ply.splats import read_splats
folder = Path(sys.argv[1])
splats = read_splats(folder / "a.ply")
for name, module in (("sog", sog), ("spz", spz)):
    path = folder / f"a.{name}"
    path.write_bytes(module.encode(path, splats))
    read = module.decode(Source(path))
    np.savez(folder / name, **{key: getattr(read, key) for key in (
        "means", "log_scales", "quaternions", "opacities", "harmonics")})
"""


@pytest.mark.parametrize("degree", [0, 3])
def test_what_gypsum_writes_is_read_to_the_same_numbers(
    tmp_path: Path, make_splats, degree: int
) -> None:
    if not GYPSUM_PYTHON:
        pytest.skip("GYPSUM_PYTHON names no Python in which Gypsum is installed")
    files.write(tmp_path / "a.ply", make_splats(3000, degree))
    subprocess.run([GYPSUM_PYTHON, "-c", WRITE, str(tmp_path)], check=True)
    for kind in ("sog", "spz"):
        bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / f"a.{kind}"))
        read = objects.splats_of(bpy.context.active_object.data)
        wanted = np.load(tmp_path / f"{kind}.npz")
        for name in wanted:
            assert np.allclose(getattr(read, name), wanted[name], rtol=0, atol=1e-6), name


def _version_4(splats_path: Path, out: Path, degree: int) -> None:
    """Version 3's sections as the streams of version 4."""
    import gzip

    data = gzip.decompress(splats_path.read_bytes())
    magic, _, count, _, bits, flags, _ = struct.unpack_from("<IIIBBBB", data)
    rest = 3 * ((degree + 1) ** 2 - 1)
    sizes = [count * size for size in (9, 1, 3, 3, 4, rest) if size]
    at, packed = 16, []
    for size in sizes:
        packed.append(zstandard.ZstdCompressor().compress(data[at : at + size]))
        at += size
    head = struct.pack("<IIIBBBBI12x", magic, 4, count, degree, bits, flags, len(sizes), 32)
    table = b"".join(
        struct.pack("<QQ", len(part), size) for part, size in zip(packed, sizes, strict=True)
    )
    out.write_bytes(head + table + b"".join(packed))


@pytest.mark.parametrize("degree", [0, 2])
def test_spz_of_version_4(tmp_path: Path, make_splats, degree: int) -> None:
    files.write(tmp_path / "a.spz", make_splats(400, degree))
    _version_4(tmp_path / "a.spz", tmp_path / "b.spz", degree)
    first, second = files.read(tmp_path / "a.spz"), files.read(tmp_path / "b.spz")
    assert np.array_equal(first.means, second.means)
    assert np.array_equal(first.quaternions, second.quaternions)
    assert np.array_equal(first.harmonics, second.harmonics)
    data = (tmp_path / "b.spz").read_bytes()
    (tmp_path / "c.spz").write_bytes(data[:-100])
    with pytest.raises(RuntimeError, match=r"cut off|damaged"):
        bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "c.spz"))


def test_spz_with_extensions(tmp_path: Path, make_splats) -> None:
    import gzip

    files.write(tmp_path / "a.spz", make_splats(50))
    data = bytearray(gzip.decompress((tmp_path / "a.spz").read_bytes()))
    data[14] |= 2
    data[16:16] = struct.pack("<III", 1, 7, 5) + b"12345"
    (tmp_path / "b.spz").write_bytes(gzip.compress(bytes(data)))
    first, second = files.read(tmp_path / "a.spz"), files.read(tmp_path / "b.spz")
    assert np.array_equal(first.harmonics, second.harmonics)


@pytest.mark.parametrize("meta", [b"{}", b"no", b'{"version": 1}', b'{"version": 2, "count": 3}'])
def test_bad_sog_is_told_in_a_sentence(tmp_path: Path, meta: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.sog", "w") as archive:
        archive.writestr("meta.json", meta)
    with pytest.raises(RuntimeError, match=r"SOG"):
        bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "a.sog"))
    (tmp_path / "b.sog").write_bytes(b"PK no zip")
    with pytest.raises(RuntimeError, match=r"no SOG"):
        bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "b.sog"))


def test_pictures_that_are_none() -> None:
    from addon.splats import SplatError

    with pytest.raises(SplatError, match="can't be read"):
        read_webp(b"RIFF nothing WEBP")


def test_dropped_files_go_to_the_importer(tmp_path: Path, make_splats) -> None:
    """As Blender calls it for files that are dropped into the view."""
    handler = bpy.types.GYPSUM_FH_splats
    assert handler.bl_import_operator == "import_scene.gypsum_splats"
    assert set(handler.bl_file_extensions.split(";")) == {".ply", ".spz", ".sog", ".splat"}
    for name in ("a.ply", "b.spz"):
        files.write(tmp_path / name, make_splats(20))
    dropped = [{"name": "a.ply"}, {"name": "b.spz"}]
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.import_scene.gypsum_splats("INVOKE_DEFAULT", directory=str(tmp_path), files=dropped)
    bpy.ops.ed.undo_push(message="dropped")
    assert {"a", "b"} == set(bpy.data.objects.keys())
    bpy.ops.ed.undo()
    assert not bpy.data.objects

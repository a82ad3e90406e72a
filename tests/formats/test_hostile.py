"""Damaged and malicious files: one sentence, in little time and memory, and no reaching around."""

from __future__ import annotations

import json
import random
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.errors import InputError
from gypsum.formats import FORMATS, read_model, source, write_model, xyz
from gypsum.formats.options import Compression, WriteOptions
from gypsum.scene import Material, Mesh, TexturedMesh

from .models import material, picture

MUTATIONS = 120

CASES = {
    # Of LAZ, tests of point clouds do the same; each file takes a process.
    **{name: WriteOptions() for name in FORMATS if name not in ("usdz", "laz")},
    "draco.glb": WriteOptions(compression=Compression.DRACO),
    "meshopt.glb": WriteOptions(compression=Compression.MESHOPT),
}


@pytest.fixture(scope="module")
def model() -> TexturedMesh:
    rng = np.random.default_rng(0)
    return TexturedMesh(
        Mesh(
            rng.normal(size=(40, 3)).astype(np.float32),
            rng.integers(0, 40, (60, 3), dtype=np.int32),
        ),
        rng.random((50, 2), dtype=np.float32),
        rng.integers(0, 50, (60, 3), dtype=np.int32),
        (material(0, "all", "one two"), material(1, "plain", "b")),
        rng.integers(0, 2, 60, dtype=np.int32),
    )


@pytest.fixture(autouse=True)
def _few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xyz, "POINTS", 100)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, removed, doubled or cut off; numbers replaced by others."""
    result = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        reach = len(result) if chance.random() < 0.6 else min(len(result), 2500)
        at = chance.randrange(max(reach, 1))
        match chance.randrange(6):
            case 0 | 1:
                result[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                result[at : at + 4] = chance.choice([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4)])
            case 3:
                del result[at : at + chance.randrange(1, 30)]
            case 4:
                result[at:at] = result[max(at - 20, 0) : at]
            case 5 if chance.random() < 0.3:
                del result[at:]
    return bytes(result)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_mutated_files_are_read_or_explained(name: str, model: TexturedMesh, tmp_path: Path):
    kind = name.rpartition(".")[2]
    data = write_model(tmp_path / f"model.{kind}", model, kind, CASES[name])[0].read_bytes()
    path, chance = tmp_path / f"mutated.{kind}", random.Random(0)
    refused: list[str] = []
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(data, chance))
        try:
            read_model(path)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > MUTATIONS // 10
    for sentence in refused:
        assert re.fullmatch(r"mutated\.[^\n]*\.", sentence)


@pytest.mark.parametrize("damage", ["nonsense", "cut off", "scene", "compressed", "empty"])
def test_damaged_packages_are_explained(damage: str, model: TexturedMesh, tmp_path: Path):
    path = tmp_path / "model.usdz"
    data = bytearray(write_model(path, model, "usdz")[0].read_bytes())
    if damage == "nonsense":
        data = bytearray(b"no zip at all")
    elif damage == "cut off":
        del data[len(data) // 2 :]
    elif damage == "scene":
        start = data.index(b"PXR-USDC")
        data[start + 88 : start + 2000] = bytes(b ^ 0xFF for b in data[start + 88 : start + 2000])
    path.write_bytes(data)
    if damage in ("compressed", "empty"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            if damage == "compressed":
                archive.writestr("model.usda", "#usda 1.0\n" + " " * 100_000)
    with pytest.raises(InputError, match=r"^model\.usdz [^\n]*\.$"):
        read_model(path)


@pytest.mark.parametrize("name", ["a.glb", "a.fbx", "a.ply", "a.stl", "a.obj", "a.xyz", "a.usdz"])
@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"hello\n" * 50])
def test_other_files_are_explained(name: str, content: bytes, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        read_model(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(InputError, match="No such file"):
        read_model(tmp_path / "a.glb")
    with pytest.raises(InputError, match=r"only .* are read"):
        read_model(tmp_path / "a.blend")


def wall(path: Path, texture: str) -> None:
    """An OBJ whose material names a texture."""
    path.with_suffix(".mtl").write_text(f"newmtl m\nmap_Kd {texture}\n")
    path.write_text(
        f"mtllib {path.stem}.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
        "usemtl m\nf 1/1 2/2 3/3\n"
    )


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "C:\\pictures\\secret.png", "inner/../../secret.png"]
)
def test_textures_come_from_the_models_own_folder_only(name: str, tmp_path: Path):
    Image.fromarray(picture(0, 4, 4, 3)).save(tmp_path / "secret.png")
    (tmp_path / "models").mkdir()
    wall(tmp_path / "models" / "wall.obj", name)
    warnings: list[str] = []
    read_model(tmp_path / "models" / "wall.obj", warn=warnings.append)
    assert len(warnings) == 1
    assert "not beside it" in warnings[0]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path):
    Image.fromarray(picture(0, 4, 4, 3)).save(tmp_path / "secret.png")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link.png").symlink_to(tmp_path / "secret.png")
    wall(tmp_path / "models" / "wall.obj", "link.png")
    warnings: list[str] = []
    read_model(tmp_path / "models" / "wall.obj", warn=warnings.append)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "name", ["skin.png", "-bm 1.0 maps/skin.png", "C:\\work\\skin.png", "D:/x y/maps/skin.png"]
)
def test_textures_are_found_by_name_where_they_are_beside_the_model(name: str, tmp_path: Path):
    (tmp_path / "maps").mkdir()
    for path in ("skin.png", "maps/skin.png"):
        Image.fromarray(picture(0, 4, 4, 3)).save(tmp_path / path)
    wall(tmp_path / "wall.obj", name)
    model = read_model(tmp_path / "wall.obj", warn=pytest.fail)
    assert isinstance(model, TexturedMesh)
    np.testing.assert_array_equal(model.materials[0].base_color, picture(0, 4, 4, 3))


def test_a_scene_reaches_no_file_elsewhere(tmp_path: Path):
    (tmp_path / "secret.usda").write_text('#usda 1.0\ndef Mesh "m" {}\n')
    (tmp_path / "models").mkdir()
    scene = '#usda 1.0\ndef "a" (references = @../secret.usda@</m>) {}\n'
    (tmp_path / "models" / "a.usda").write_text(scene)
    with pytest.raises(InputError, match="outside of its folder"):
        read_model(tmp_path / "models" / "a.usda")


def test_huge_textures_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source, "MOST_TEXELS", 15)
    Image.fromarray(picture(0, 4, 4, 3)).save(tmp_path / "skin.png")
    wall(tmp_path / "wall.obj", "skin.png")
    warnings: list[str] = []
    read_model(tmp_path / "wall.obj", warn=warnings.append)
    assert warnings == ["wall.obj has a texture of 4x4, too large to read."]


def test_numbers_that_promise_too_much_are_refused_at_once(tmp_path: Path):
    ply, stl, glb = (tmp_path / f"a.{name}" for name in ("ply", "stl", "glb"))
    ply.write_text(
        "ply\nformat ascii 1.0\nelement vertex 99999999999\nproperty float x\nend_header\n"
    )
    stl.write_bytes(bytes(80) + struct.pack("<I", 0xFFFFFFFF) + bytes(50))
    document = {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "count": 2_000_000_000, "type": "VEC3"}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    glb.write_bytes(
        struct.pack("<4sII", b"glTF", 2, 20 + len(text))
        + struct.pack("<I4s", len(text), b"JSON")
        + text
    )
    for path in (ply, stl, glb):
        with pytest.raises(InputError):
            read_model(path)


def test_nodes_inside_of_themselves_end(tmp_path: Path):
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1, 1]}, {"children": [0, 0]}],
    }
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    with pytest.raises(InputError, match="too many nodes"):
        read_model(tmp_path / "a.gltf")


def test_unknown_required_extensions_are_named(tmp_path: Path):
    document = {"asset": {"version": "2.0"}, "extensionsRequired": ["EXT_magic"]}
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    with pytest.raises(InputError, match="EXT_magic"):
        read_model(tmp_path / "a.gltf")


def test_missing_textures_are_a_warning_and_the_shape_is_read(tmp_path: Path):
    faces = np.array([[0, 1, 2]], np.int32)
    mesh = Mesh(np.eye(3, dtype=np.float32), faces)
    model = TexturedMesh.of_one(
        mesh, np.eye(3, 2, dtype=np.float32), faces, Material("m", picture(0, 8, 8, 3))
    )
    path, texture, *_ = write_model(tmp_path / "model.gltf", model, "gltf")
    for file in (texture, *_):
        if file.suffix == ".png":
            file.write_bytes(b"damaged")
    warnings: list[str] = []
    read = read_model(path, warn=warnings.append)
    assert warnings == ["model.gltf has a texture model_texture.png that can't be read."]
    assert not isinstance(read, TexturedMesh)


def test_a_missing_usd_library_is_explained(
    model: TexturedMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gypsum.formats.usd.installed.find_spec", lambda _: None)
    (tmp_path / "a.usdz").write_bytes(b"")
    with pytest.raises(InputError, match="usd-core"):
        read_model(tmp_path / "a.usdz")
    with pytest.raises(InputError, match="usd-core"):
        write_model(tmp_path / "b.usdz", model, "usdz")

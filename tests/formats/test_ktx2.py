"""KTX2 textures: blocks that independent decoders understand, in a container as glTF wants it."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from gypsum.errors import InputError
from gypsum.formats import ktx2, read_model, write_model
from gypsum.formats.options import WriteOptions
from gypsum.native import _uastc
from gypsum.options import TextureFormat
from gypsum.pipelines.convert import convert
from gypsum.scene import Material, Mesh, TexturedMesh

basisu = pytest.importorskip("opengl_basisu", reason="no wheels of opengl-basisu for this system")


def photo(height: int = 96, width: int = 128) -> np.ndarray:
    """Like a photo: smooth light, an edge, fine texture and a little noise."""
    y, x = np.mgrid[:height, :width] / width
    random = np.random.default_rng(0)
    light = 100 + 60 * np.sin(3 * x)[..., None] * [1, 0.8, 0.5]
    light += 30 * np.cos(4 * y)[..., None] * [1, 0.7, 0.9]
    light[(x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06] *= [0.4, 0.7, 0.9]
    light += 6 * np.sin(90 * x + 70 * y)[..., None] + random.normal(0, 1.5, (height, width, 1))
    return np.rint(np.clip(light, 0, 255)).astype(np.uint8)


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((one.astype(float) - two) ** 2).mean(), 1e-9)))


def test_an_independent_decoder_sees_the_picture():
    picture = photo()
    assert psnr(ktx2.decode(ktx2.encode(picture, True)), picture) > 42


@pytest.mark.parametrize("kind", ["noise", "primaries", "ramps", "two colours", "grey"])
def test_every_kind_of_block_is_understood(kind: str):
    """What has one line of colours or two per block comes out nearly as it was."""
    random = np.random.default_rng(1)
    if kind == "noise":
        picture, least = random.integers(0, 256, (64, 64, 3)), 15.0
    elif kind == "primaries":
        colors = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)])
        picture, least = np.kron(colors[random.integers(0, 8, (16, 16))], np.ones((4, 4, 1))), 90.0
    elif kind == "ramps":
        ends = random.integers(0, 256, (2, 16, 16, 1, 1, 3))
        share = random.integers(0, 16, (16, 16, 4, 4, 1)) / 15
        blocks = ends[0] * (1 - share) + ends[1] * share
        picture, least = blocks.transpose(0, 2, 1, 3, 4).reshape(64, 64, 3), 43.0
    elif kind == "two colours":
        ends = random.integers(0, 256, (2, 16, 16, 1, 1, 3))
        side = random.integers(0, 2, (16, 16, 4, 4, 1))
        blocks = np.where(side, ends[0], ends[1])
        picture, least = blocks.transpose(0, 2, 1, 3, 4).reshape(64, 64, 3), 43.0
    else:
        picture, least = np.repeat(random.integers(100, 130, (64, 64, 1)), 3, axis=2), 45.0
    picture = np.rint(picture).astype(np.uint8)
    assert psnr(ktx2.decode(ktx2.encode(picture, True)), picture) > least


def test_hard_edges_take_two_lines():
    """A block of four colours, two by two on both sides of an edge, is more than one line."""
    picture = np.zeros((64, 64, 3), np.uint8)
    stripe = np.arange(64) % 4 < 2
    picture[:, stripe] = [200, 40, 40]
    picture[:, ~stripe] = [30, 60, 220]
    picture[::2] = picture[::2] // 2 + 20
    assert psnr(ktx2.decode(ktx2.encode(picture, True)), picture) > 38


def test_other_blocks_are_made_of_it_too():
    """A graphics card gets BC7, ASTC or ETC1: every target has blocks for the whole picture."""
    texture = basisu.open(ktx2.encode(photo(64, 64), True))
    for target in ("bc1", "bc7", "etc1", "etc2", "astc_4x4"):
        assert texture.transcode(target).data.shape[:2] == (16, 16)


def test_the_container_says_what_is_in_it():
    for srgb in (True, False):
        data = ktx2.encode(photo(64, 128), srgb)
        texture = basisu.open(data)
        assert (texture.width, texture.height, texture.levels) == (128, 64, 8)
        assert texture.srgb is srgb
        assert not texture.has_alpha
    offset, length = struct.unpack_from("<2I", data, 48)
    assert length == 44 == struct.unpack_from("<I", data, offset)[0]
    levels = [struct.unpack_from("<3Q", data, 80 + 24 * i) for i in range(8)]
    assert [size for _, _, size in levels] == [
        16 * max(1, (128 >> i) // 4) * max(1, (64 >> i) // 4) for i in range(8)
    ]
    # The smallest comes first, and they fill the file to its end.
    assert [level[0] for level in levels] == sorted((level[0] for level in levels), reverse=True)
    assert levels[0][0] + levels[0][1] == len(data)


def test_small_levels_are_means_of_light():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    picture = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    for srgb, mean in ((True, 188), (False, 128)):
        texture = basisu.open(ktx2.encode(picture, srgb))
        for level in range(1, texture.levels):
            found = texture.transcode("rgba8", level=level).data[..., :3].astype(int)
            assert np.abs(found - mean).max() <= 1


def test_sides_become_multiples_of_four():
    texture = basisu.open(ktx2.encode(photo(33, 50), True))
    assert (texture.width, texture.height) == (52, 36)
    assert (
        ktx2.decode(ktx2.encode(np.full((1, 1), 77, np.uint8), False)).tolist()
        == [[[77] * 3] * 4] * 4
    )


def test_the_number_of_threads_changes_nothing():
    picture = photo()
    np.testing.assert_array_equal(_uastc.encode(picture, 1), _uastc.encode(picture, 3))


def quad(**maps: np.ndarray) -> TexturedMesh:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    material = Material("m", photo(64, 64), **maps)
    return TexturedMesh.of_one(Mesh(vertices, faces), vertices[:, :2].copy(), faces, material)


@pytest.mark.parametrize("name", ["glb", "gltf"])
def test_round_trip_through_gltf(name: str, tmp_path: Path):
    normal = np.full((64, 64, 3), (128, 128, 255), np.uint8)
    rough = photo(64, 64)[..., 0].copy()
    model = quad(normal=normal, roughness=rough, occlusion=255 - rough)
    path = tmp_path / f"model.{name}"
    files = write_model(path, model, name, WriteOptions(TextureFormat.KTX2))
    text = b"".join(file.read_bytes() for file in files)
    assert text.count(b"KHR_texture_basisu") == 2 + 3
    warnings: list[str] = []
    again = read_model(path, warn=warnings.append)
    assert warnings == []
    assert isinstance(again, TexturedMesh)
    (material,) = again.materials
    assert psnr(material.base_color, photo(64, 64)) > 40
    assert psnr(material.normal, normal) > 50
    assert psnr(material.roughness, rough) > 38
    assert psnr(material.occlusion, 255 - rough) > 38
    if name == "gltf":
        assert (tmp_path / "model_texture.ktx2").is_file()
        document = json.loads(path.read_text())
        assert document["images"][0]["mimeType"] == "image/ktx2"
        assert "source" not in document["textures"][0]


def test_formats_that_do_not_know_it_take_another(tmp_path: Path):
    for name in ("usdz", "fbx"):
        path = write_model(tmp_path / f"a.{name}", quad(), name, WriteOptions(TextureFormat.KTX2))[
            0
        ]
        assert read_model(path).materials[0].base_color.shape == (64, 64, 3)
    source = write_model(tmp_path / "a.glb", quad(), "glb")[0]
    with pytest.raises(InputError, match="KTX2 textures are only for GLB and glTF"):
        convert(source, tmp_path / "b.obj", texture_format="ktx2")


def test_what_can_not_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_model(tmp_path / "a.glb", quad(), "glb", WriteOptions(TextureFormat.KTX2))[0]
    whole = path.read_bytes()
    start = whole.index(ktx2.IDENTIFIER)
    path.write_bytes(whole[: start + 100] + bytes(len(whole) - start - 100))
    warnings: list[str] = []
    read_model(path, warn=warnings.append)
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    path.write_bytes(whole)
    monkeypatch.setitem(sys.modules, "opengl_basisu", None)
    warnings.clear()
    read_model(path, warn=warnings.append)
    assert len(warnings) == 1
    assert "no reader on this system" in warnings[0]


def test_damaged_textures_do_no_harm():
    data = ktx2.encode(photo(32, 32), True)
    random = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 6)):
            broken[place] = random.integers(0, 256)
        if random.random() < 0.3:
            del broken[random.integers(12, len(broken)) :]
        try:
            ktx2.decode(bytes(broken))
        except ktx2.KTX2Error:
            continue

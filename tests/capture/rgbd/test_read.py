"""Captures with depth, written as each app writes them, and read back; and damaged ones."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.capture.rgbd import is_rgbd, read_rgbd
from gypsum.capture.rgbd.found import FLIP
from gypsum.errors import InputError
from gypsum.native import _lzfse
from gypsum.scene import Capture, read_frames

Float64 = NDArray[np.float64]

COUNT, WIDTH, HEIGHT = 3, 96, 72
DEPTH = (48, 36)
FOCAL = 80.0


def depth_of(number: int) -> NDArray[np.uint16]:
    """(h, w) millimetres."""
    rows, columns = np.mgrid[: DEPTH[1], : DEPTH[0]]
    depth = (1500 + 10 * rows + 3 * columns + 50 * number).astype(np.uint16)
    depth[:3, :3] = 0
    return depth


def pose_of(number: int) -> Float64:
    """Camera-to-world, OpenCV camera axes, the app's world axes."""
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.1, 0.2 * number, -0.3]))[0]
    pose[:3, 3] = (0.1 * number, 1.2, -0.4)
    return pose


def arkit(pose: Float64) -> Float64:
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ FLIP
    return turned


def xyzw(pose: Float64) -> list[float]:
    turn, _ = cv2.Rodrigues(pose[:3, :3])
    angle = float(np.linalg.norm(turn))
    return [*(np.sin(angle / 2) * turn[:, 0] / angle), float(np.cos(angle / 2))]


def save(path: Path, pixels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture(number: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(number)
    small = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def sure() -> NDArray[np.uint8]:
    level = np.full(DEPTH[::-1], 2, np.uint8)
    level[:, :10] = 1
    level[:, :5] = 0
    return level


def camera() -> list[list[float]]:
    return [[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]


def scanner_app(folder: Path) -> None:
    for n in range(COUNT):
        values = {
            "intrinsics": np.ravel(camera()).tolist(),
            "cameraPoseARFrame": arkit(pose_of(n)).ravel().tolist(),
            "projectionMatrix": [
                2 * FOCAL / WIDTH, 0, 0, 0, 0, 2 * FOCAL / HEIGHT, 0, 0, 0, 0, -1, 0, 0, 0, -1, 0,
            ],
            "time": 10.0 + n,
        }  # fmt: skip
        folder.mkdir(exist_ok=True, parents=True)
        (folder / f"frame_{n:05d}.json").write_text(json.dumps(values))
        save(folder / f"depth_{n:05d}.png", depth_of(n))
        save(folder / f"conf_{n:05d}.png", sure())
        save(folder / f"frame_{n:05d}.jpg", picture(n))


def stray(folder: Path) -> None:
    lines = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    folder.mkdir(exist_ok=True, parents=True)
    clip = cv2.VideoWriter(
        str(folder / "rgb.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (WIDTH, HEIGHT)
    )
    for n in range(COUNT):
        pose = pose_of(n)
        row = [10.0 + n, f"{n:06d}", *pose[:3, 3], *xyzw(pose)]
        lines.append(", ".join(map(str, row)))
        save(folder / "depth" / f"{n:06d}.png", depth_of(n))
        save(folder / "confidence" / f"{n:06d}.png", sure())
        clip.write(np.ascontiguousarray(picture(n)[..., ::-1]))
    clip.release()
    (folder / "odometry.csv").write_text("\n".join(lines))
    (folder / "camera_matrix.csv").write_text(
        "\n".join(", ".join(map(str, row)) for row in camera())
    )


def lzfse_of(data: bytes) -> bytes:
    """As LZFSE stores what it can't make smaller."""
    return b"bvx-" + struct.pack("<I", len(data)) + data + b"bvx$"


def record3d(folder: Path) -> None:
    poses = [[*xyzw(arkit(pose_of(n))), *pose_of(n)[:3, 3]] for n in range(COUNT)]
    data = {
        "w": WIDTH, "h": HEIGHT, "dw": DEPTH[0], "dh": DEPTH[1],
        "K": np.transpose(camera()).ravel().tolist(), "poses": poses,
    }  # fmt: skip
    (folder / "rgbd").mkdir(exist_ok=True, parents=True)
    (folder / "metadata").write_text(json.dumps(data))
    for n in range(COUNT):
        metres = (depth_of(n) / 1000).astype("<f4")
        metres[metres == 0] = np.nan
        (folder / "rgbd" / f"{n}.depth").write_bytes(lzfse_of(metres.tobytes()))
        (folder / "rgbd" / f"{n}.conf").write_bytes(lzfse_of(sure().tobytes()))
        save(folder / "rgbd" / f"{n}.jpg", picture(n))


def polycam(folder: Path) -> None:
    keyframes = folder / "keyframes"
    for n in range(COUNT):
        pose = arkit(pose_of(n))
        values = {f"t_{i}{j}": pose[i, j] for i in range(3) for j in range(4)}
        values |= {"fx": FOCAL, "fy": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2}
        values |= {"width": WIDTH, "height": HEIGHT}
        save(keyframes / "depth" / f"10{n}.png", depth_of(n))
        save(keyframes / "confidence" / f"10{n}.png", (sure().astype(int) * 255 // 2).astype("u1"))
        save(keyframes / "images" / f"10{n}.jpg", picture(n))
        (keyframes / "cameras").mkdir(exist_ok=True)
        (keyframes / "cameras" / f"10{n}.json").write_text(json.dumps(values))


def arkitscenes(folder: Path) -> None:
    lines = []
    for n in range(COUNT):
        name = f"4711_{20 + n}.500"
        pose = np.linalg.inv(pose_of(n))
        turn, _ = cv2.Rodrigues(pose[:3, :3])
        lines.append(" ".join(map(str, [20.51 + n, *turn[:, 0], *pose[:3, 3]])))
        save(folder / "lowres_depth" / f"{name}.png", depth_of(n))
        save(folder / "confidence" / f"{name}.png", sure())
        save(folder / "lowres_wide" / f"{name}.png", picture(n))
        place = folder / "lowres_wide_intrinsics"
        place.mkdir(exist_ok=True)
        (place / f"{name}.pincam").write_text(
            f"{WIDTH} {HEIGHT} {FOCAL} {FOCAL} {WIDTH / 2} {HEIGHT / 2}"
        )
    (folder / "lowres_wide.traj").write_text("\n".join(lines))


def tum(folder: Path) -> None:
    color, depth, truth = ["# color"], ["# depth"], ["# timestamp tx ty tz qx qy qz qw"]
    for n in range(COUNT):
        save(folder / "rgb" / f"{n}.png", picture(n))
        save(folder / "depth" / f"{n}.png", (depth_of(n) * 5).astype(np.uint16))
        color.append(f"{n}.001 rgb/{n}.png")
        depth.append(f"{n}.015 depth/{n}.png")
        pose = pose_of(n)
        truth.append(" ".join(map(str, [n + 0.003, *pose[:3, 3], *xyzw(pose)])))
    (folder / "rgb.txt").write_text("\n".join(color))
    (folder / "depth.txt").write_text("\n".join(depth))
    (folder / "groundtruth.txt").write_text("\n".join(truth))
    (folder / "camera.txt").write_text(f"{FOCAL} {FOCAL} {WIDTH / 2 - 0.5} {HEIGHT / 2 - 0.5}")


def redwood(folder: Path) -> None:
    lines = []
    for n in range(COUNT):
        save(folder / "color" / f"{n:05d}.jpg", picture(n))
        save(folder / "depth" / f"{n:05d}.png", depth_of(n))
        lines += [f"{n} {n} {n + 1}", *(" ".join(map(str, row)) for row in pose_of(n))]
    (folder / "trajectory.log").write_text("\n".join(lines))
    values = {
        "width": WIDTH, "height": HEIGHT,
        "intrinsic_matrix": [FOCAL, 0, 0, 0, FOCAL, 0, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5, 1],
    }  # fmt: skip
    (folder / "camera_intrinsic.json").write_text(json.dumps(values))


def plain(folder: Path) -> None:
    frames = []
    for n in range(COUNT):
        save(folder / "depth" / f"{n}.png", depth_of(n))
        save(folder / "color" / f"{n}.jpg", picture(n))
        frames.append(
            {"color": f"color/{n}.jpg", "depth": f"depth/{n}.png", "K": camera(),
             "camera_to_world": pose_of(n).tolist()}
        )  # fmt: skip
    (folder / "frames.json").write_text(json.dumps({"up": "z", "frames": frames}))


Writer = Callable[[Path], None]
Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
Y_DOWN = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
APPS: list[tuple[Writer, str, Float64, bool]] = [
    (scanner_app, "3D Scanner App", Y_UP, True),
    (stray, "Stray Scanner", Y_UP, True),
    (record3d, "Record3D", Y_UP, True),
    (polycam, "Polycam", Y_UP, True),
    (arkitscenes, "ARKitScenes", np.eye(3), True),
    (tum, "TUM RGB-D", np.eye(3), False),
    (redwood, "Redwood and Open3D", Y_DOWN, False),
    (plain, "frames.json", np.eye(3), False),
]


@pytest.mark.parametrize(("write", "name", "up", "confidence"), APPS, ids=[a[1] for a in APPS])
def test_every_app_gives_the_same_frames(
    tmp_path: Path, write: Writer, name: str, up: Float64, confidence: bool
) -> None:
    source = tmp_path / "scan"
    write(source)
    assert is_rgbd([source])
    capture = read_rgbd([source], tmp_path / "out")
    assert capture.app == name
    assert not capture.skipped
    frames = read_frames(tmp_path / "out")
    assert len(frames) == COUNT
    for n, frame in enumerate(frames):
        assert (frame.width, frame.height) == (WIDTH, HEIGHT)
        assert np.allclose(frame.K, camera(), atol=1e-6)
        assert frame.R is not None
        assert np.allclose(frame.center, up @ pose_of(n)[:3, 3], atol=1e-6)
        assert np.allclose(frame.R.T, up @ pose_of(n)[:3, :3], atol=1e-6)
        assert np.abs(frame.read_depth() - depth_of(n) / 1000).max() < 2e-4
        expected = sure() / 2 if confidence else np.ones(DEPTH[::-1])
        assert np.abs(frame.read_confidence(DEPTH[::-1]) - expected).max() < 0.01
        assert frame.color is not None
        with Image.open(frame.color) as image:
            seen = np.asarray(image.convert("RGB")).astype(float)
        assert np.abs(seen - picture(n)).mean() < 12
    assert len(Capture.read(tmp_path / "out").photos) == COUNT


def test_zips_and_folders_around_are_opened(tmp_path: Path) -> None:
    source = tmp_path / "scan"
    record3d(source)
    path = tmp_path / "scan.r3d"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*")):
            archive.write(file, file.relative_to(source))
    assert is_rgbd([path])
    assert len(read_rgbd([path], tmp_path / "a").frames) == COUNT
    around = tmp_path / "around"
    stray(around / "exports" / "one")
    assert len(read_rgbd([around], tmp_path / "b").frames) == COUNT
    assert not (tmp_path / "a" / "unpacked").exists()


def test_frames_are_spread_over_the_way(tmp_path: Path) -> None:
    source = tmp_path / "scan"
    scanner_app(source)
    assert [f.name for f in read_rgbd([source], tmp_path / "out", frames=2).frames] == [
        "00000",
        "00002",
    ]


def test_what_it_made_it_reads_again(tmp_path: Path) -> None:
    scanner_app(tmp_path / "scan")
    first = read_rgbd([tmp_path / "scan"], tmp_path / "a").frames
    second = read_rgbd([tmp_path / "a"], tmp_path / "b").frames
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.R is not None
        assert np.allclose(one.R, other.R)
        assert np.array_equal(one.read_depth(), other.read_depth())
        assert np.array_equal(one.read_confidence(DEPTH[::-1]), other.read_confidence(DEPTH[::-1]))


def test_damaged_frames_are_left_out_by_name(tmp_path: Path) -> None:
    source = tmp_path / "scan"
    scanner_app(source)
    depth = source / "depth_00001.png"
    depth.write_bytes(depth.read_bytes()[:60])
    capture = read_rgbd([source], tmp_path / "out")
    assert [frame.name for frame in capture.frames] == ["00000", "00002"]
    (skipped,) = capture.skipped
    assert skipped.name == "frame 00001"
    assert "damaged" in skipped.reason


def test_a_frame_with_a_bad_camera_is_left_out_by_name(tmp_path: Path) -> None:
    plain(tmp_path / "scan")
    file = tmp_path / "scan" / "frames.json"
    data = json.loads(file.read_text())
    data["frames"][1]["K"] = [[1, 2], [3]]
    data["frames"][2]["camera_to_world"] = [[float("nan")] * 4] * 4
    file.write_text(json.dumps(data))
    capture = read_rgbd([tmp_path / "scan"], tmp_path / "out")
    (skipped,) = capture.skipped
    assert skipped.name == "frame 00001"
    assert "intrinsics" in skipped.reason
    assert [frame.R is None for frame in capture.frames] == [False, True]


def test_errors_in_zips_name_the_zip(tmp_path: Path) -> None:
    path = tmp_path / "room.r3d"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata", "{")
        archive.writestr("rgbd/0.depth", b"x")
    with pytest.raises(InputError, match=r"metadata in .*room\.r3d is not JSON") as caught:
        read_rgbd([path], tmp_path / "out")
    assert "unpacked" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda f: (f / "frames.json").write_text("{"), "not JSON"),
        (lambda f: (f / "frames.json").write_text('{"frames": 3}'), "no list"),
        (lambda f: (f / "frames.json").write_text('{"frames": [], "up": "x"}'), '"up"'),
        (lambda f: (f / "frames.json").write_text('{"frames": []}'), "no usable depth"),
        (lambda f: (f / "depth" / "1.png").unlink(), "no file"),
        (lambda f: [save(p, picture(0)) for p in (f / "depth").iterdir()], "8 bits"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, spoil: Callable[[Path], object], match: str) -> None:
    plain(tmp_path / "scan")
    spoil(tmp_path / "scan")
    with pytest.raises(InputError, match=match):
        read_rgbd([tmp_path / "scan"], tmp_path / "out")


def test_a_zip_does_not_lead_out(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("frames.json", "{}")
        archive.writestr("../evil.txt", "x")
    with pytest.raises(InputError, match="leads out"):
        read_rgbd([path], tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "evil.txt").exists()


def test_zips_whose_files_can_not_be_are_damaged(tmp_path: Path) -> None:
    """A name that no file system takes, a file that is a folder, and one before the zip's start."""
    names = {"long": ["a" * 300], "both": ["a", "a/b"], "before": ["a", "b"]}
    for case, files in names.items():
        path = tmp_path / f"{case}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in files:
                archive.writestr(name, "x")
        if case == "before":
            data = path.read_bytes()
            # The directory's end says that it begins later: all before it moves below zero.
            at = data.rindex(b"PK\5\6") + 16
            path.write_bytes(data[:at] + struct.pack("<I", len(data)) + data[at + 4 :])
        with pytest.raises(InputError, match=rf"{case}\.zip"):
            read_rgbd([path], tmp_path / f"out-{case}")


def test_mutants_of_poses_and_metadata_end_in_sentences(tmp_path: Path) -> None:
    """Numbers that are none, cut lines, huge sizes: an `InputError` or fewer frames."""
    rng = np.random.default_rng(3)
    for turn, (write, file) in enumerate(
        [(stray, "odometry.csv"), (record3d, "metadata"), (tum, "depth.txt"),
         (scanner_app, "frame_00001.json"), (redwood, "trajectory.log")] * 3
    ):  # fmt: skip
        source = tmp_path / f"scan{turn}"
        write(source)
        data = bytearray((source / file).read_bytes())
        for _ in range(6):
            data[rng.integers(len(data))] = rng.integers(32, 127)
        (source / file).write_bytes(bytes(data[: rng.integers(len(data) // 2, len(data))]))
        try:
            capture = read_rgbd([source], tmp_path / "out")
        except InputError:
            continue
        assert 2 <= len(capture.frames) <= COUNT


def test_lzfse_unpacks_what_was_packed_and_refuses_the_rest() -> None:
    data = bytes(range(256)) * 4
    assert _lzfse.decompress(lzfse_of(data), len(data)) == data
    # Packed by Apple's own library: 2 twenty thousand times, 0 ten thousand times, 1 the rest.
    packed = bytes.fromhex(APPLE)
    expected = b"\2" * 20000 + bytes(10000) + b"\1" * 19152
    assert _lzfse.decompress(packed, len(expected)) == expected
    for size in (0, len(expected) - 1, len(expected) + 1):
        with pytest.raises(ValueError, match=r"\w"):
            _lzfse.decompress(packed, size)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(packed[: rng.integers(4, len(packed) + 1)])
        for _ in range(rng.integers(1, 5)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        try:
            assert len(_lzfse.decompress(bytes(damaged), len(expected))) == len(expected)
        except ValueError:
            continue


APPLE = (
    "6276783200c000000800200000180010b003051c702c004085000000387ca00fdfc101050000002800000000"
    "7d11be9b1b00000000000000000000000000000078b41ebd4703000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000dce1ffffffffffffdfffffffffece3fffdffffffc7cbfcfffffffffffffb7fff"
    "a7ff0f62767824"
)

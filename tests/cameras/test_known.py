"""Cameras from other programs' files, and points triangulated from their poses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gypsum.cameras import EstimatedCameras, estimate_cameras, match_features
from gypsum.cameras.known import (
    KnownCameras,
    KnownPhoto,
    Pose,
    assign,
    check_names,
    match_names,
    pairs_by_pose,
    read_known_cameras,
)
from gypsum.errors import InputError, ReconstructionError
from gypsum.scene import Camera, Photo, SparseModel
from gypsum.scene.sparse import quaternion

from .scenes import FOCAL, HEIGHT, WIDTH, Ring, capture_of, ring, write_features, write_photos

PARAMS = np.array([FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, 0.01, -0.02, 0.001, -0.001])


@pytest.fixture(scope="module")
def scene() -> Ring:
    return ring()


def model_of(scene: Ring, params: np.ndarray = PARAMS) -> SparseModel:
    photos = {
        i + 1: Photo(i + 1, name, 1, R, -R @ c, np.empty((0, 2)), np.empty(0, np.int64))
        for i, (name, R, c) in enumerate(zip(scene.names, scene.R, scene.centers, strict=True))
    }
    nothing = np.empty((0, 3))
    camera = Camera(1, "OPENCV", WIDTH, HEIGHT, params)
    return SparseModel(
        {1: camera}, photos, np.empty(0, np.int64), nothing, nothing.astype(np.uint8), np.empty(0)
    )


def write_text(model: SparseModel, folder: Path) -> None:
    folder.mkdir()
    cameras = "".join(
        f"{c.id} {c.model} {c.width} {c.height} {' '.join(map(repr, c.params.tolist()))}\n"
        for c in model.cameras.values()
    )
    photos = "".join(
        f"{p.id} {' '.join(map(repr, [*quaternion(p.R).tolist(), *p.t.tolist()]))} "
        f"{p.camera_id} {p.name}\n1.0 2.0 -1\n"
        for p in model.photos.values()
    )
    (folder / "cameras.txt").write_text("# cameras\n" + cameras)
    (folder / "images.txt").write_text("# photos\n" + photos)


def transforms(model: SparseModel) -> dict[str, Any]:
    """As Nerfstudio writes it: camera to world, Y up and looking along -Z."""
    fx, fy, cx, cy, k1, k2, p1, p2 = next(iter(model.cameras.values())).params.tolist()
    frames = []
    for photo in model.photos.values():
        matrix = np.eye(4)
        matrix[:3, :3] = photo.R.T @ np.diag([1, -1, -1])
        matrix[:3, 3] = photo.center
        frames.append({"file_path": f"./images/{photo.name}", "transform_matrix": matrix.tolist()})
    shared = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "k1": k1, "k2": k2, "p1": p1, "p2": p2}
    return {**shared, "w": WIDTH, "h": HEIGHT, "camera_model": "OPENCV", "frames": frames}


@pytest.mark.parametrize("form", ["binary", "text", "around", "json", "folder with json"])
def test_every_form_gives_the_same_cameras(scene: Ring, tmp_path: Path, form: str) -> None:
    model = model_of(scene)
    path = tmp_path / "known"
    if form == "binary":
        model.write(path)
    elif form == "text":
        write_text(model, path)
    elif form == "around":
        model.write(path / "sparse" / "0")
    else:
        path.mkdir()
        (path / "transforms.json").write_text(json.dumps(transforms(model)))
        path = path / "transforms.json" if form == "json" else path
    known = read_known_cameras(path)
    assert known.has_poses
    given = assign(known, capture_of(scene.names).photos)
    for name, camera, pose in zip(scene.names, given.cameras, given.poses, strict=True):
        photo = next(p for p in model.photos.values() if p.name == name)
        assert camera is not None
        assert pose is not None
        np.testing.assert_allclose(camera.params, PARAMS)
        np.testing.assert_allclose(pose.R, photo.R, atol=1e-12)
        np.testing.assert_allclose(pose.t, photo.t, atol=1e-12)
    assert len({id(camera) for camera in given.cameras}) == 1
    again = KnownCameras.from_json(json.loads(json.dumps(known.as_json())))
    assert again.as_json() == known.as_json()


@pytest.mark.parametrize(
    ("data", "params"),
    [
        ({"width": 640, "height": 480, "fx": 600}, [600, 600, 320, 240]),
        ({"w": 640, "h": 480, "fl_x": 600, "fl_y": 610, "cx": 1, "cy": 2}, [600, 610, 1, 2]),
        ({"w": 640, "h": 480, "camera_angle_x": 2 * np.arctan(0.5)}, [640, 640, 320, 240]),
        (
            {"width": 640, "height": 480, "fx": 600, "k1": 0.1, "p2": 0.2},
            [600, 600, 320, 240, 0.1, 0, 0, 0.2],
        ),
    ],
)
def test_intrinsics_alone(tmp_path: Path, data: dict[str, float], params: list[float]) -> None:
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(data))
    known = read_known_cameras(path)
    assert not known.has_poses
    given = assign(known, capture_of(["a.jpg", "b.jpg"]).photos)
    for camera in given.cameras:
        assert camera is not None
        np.testing.assert_allclose(camera.params, params)
    assert given.poses == [None, None]


def test_intrinsics_of_smaller_photos_are_scaled(tmp_path: Path) -> None:
    (tmp_path / "cameras.txt").write_text("1 SIMPLE_RADIAL 1280 960 1200 640 480 0.05\n")
    known = read_known_cameras(tmp_path / "cameras.txt")
    (camera,) = assign(known, capture_of(["a.jpg"]).photos).cameras
    assert camera is not None
    np.testing.assert_allclose(camera.params, [600, 320, 240, 0.05])
    assert assign(known, capture_of(["a.jpg"], width=480, height=640).photos).cameras == [None]


def test_photos_of_another_shape_are_refused() -> None:
    known = KnownCameras(
        {1: Camera(1, "PINHOLE", 480, 640, np.array([600.0, 600, 240, 320]))},
        {"a.jpg": KnownPhoto(1, None)},
    )
    with pytest.raises(InputError, match=r"640x480 pixels.*480x640.*turned by 90"):
        assign(known, capture_of(["a.jpg"]).photos)


@pytest.mark.parametrize(
    ("file", "here", "same"),
    [
        ("./images/a.JPG", "a.jpg", True),
        ("images/a.png", "photos/a.jpg", True),
        ("x/a.jpg", "b.jpg", False),
    ],
)
def test_names(file: str, here: str, same: bool) -> None:
    known = KnownCameras({}, {file: KnownPhoto(1, None)})
    assert (match_names(known, [here])[0] is not None) is same


def test_names_that_mean_several_photos_match_by_their_folders() -> None:
    one, two = KnownPhoto(1, None), KnownPhoto(2, None)
    known = KnownCameras({}, {"left/a.jpg": one, "right/a.jpg": two})
    assert match_names(known, ["right/a.jpg", "left/a.jpg"]) == [two, one]
    assert match_names(known, ["a.jpg"]) == [None]


def test_frames_of_clips_go_by_the_names_they_got() -> None:
    pose = Pose(np.eye(3), np.zeros(3))
    cameras = {1: Camera(1, "PINHOLE", 640, 480, np.array([600.0, 600, 320, 240]))}
    known = KnownCameras(cameras, {"my clip_000012.jpg": KnownPhoto(1, pose)})
    (photo,) = capture_of(["my clip_000012.jpg"]).photos
    frame = replace(photo, source="my clip.mp4#12", clip="my clip.mp4", frame=12)
    assert assign(known, [frame]).poses == [pose]
    check_names(Path("sparse"), known, [], ["walk/my clip.mp4"])
    with pytest.raises(InputError, match=r"sparse knows no frame of b\.mp4: .*as b_000123\.jpg"):
        check_names(Path("sparse"), known, ["my clip_000012.jpg"], ["b.mp4"])
    check_names(Path("camera.json"), KnownCameras(cameras, {}), [], ["b.mp4"])


def test_a_file_about_other_photos() -> None:
    known = KnownCameras({}, {"x.jpg": KnownPhoto(1, None)})
    with pytest.raises(InputError, match=r"none of the photos: it has x\.jpg, you gave a\.jpg"):
        check_names(Path("cameras.json"), known, ["photos/a.jpg"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "line 1 is no JSON"),
        ("a.json", "[]", "no object"),
        ("a.json", '{"w": 10}', "lacks h"),
        ("a.json", '{"w": 10, "h": 9, "fx": -3}', "makes no sense"),
        ("a.json", '{"w": 10, "h": 9, "fx": 3, "camera_model": "FISHEYE"}', "undistort"),
        ("a.json", '{"w": 10, "h": 9, "fx": 3, "frames": [{"file_path": "a", '
         '"transform_matrix": [[1, 0], [0, 1]]}]}', "four rows"),
        ("a.json", '{"w": 10, "h": 9, "fx": 3, "frames": [{"file_path": "a.jpg", '
         '"transform_matrix": [[2,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]}', r"pose of a\.jpg"),
        ("cameras.txt", "1 FOV 10 10 1 2 3 4 5", "undistort"),
        ("cameras.txt", "1 PINHOLE 10 ten", "damaged"),
        ("cameras.txt", "# none", "no camera"),
        ("cameras.bin", "xx", "damaged"),
        ("photo.jpg", "", "is no file of cameras"),
    ],
)  # fmt: skip
def test_broken_files_are_explained(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        read_known_cameras(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_cut_off_models_and_empty_folders(scene: Ring, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no cameras"):
        read_known_cameras(tmp_path)
    with pytest.raises(InputError, match="no file or folder"):
        read_known_cameras(tmp_path / "nothing")
    model_of(scene).write(tmp_path / "model")
    images = tmp_path / "model" / "images.bin"
    images.write_bytes(images.read_bytes()[:700])
    with pytest.raises(InputError, match="cut off or damaged"):
        read_known_cameras(tmp_path / "model")


def test_pairs_are_photos_that_look_the_same_way() -> None:
    scene = ring(count=40)
    poses = [Pose(R, -R @ c) for R, c in zip(scene.R, scene.centers, strict=True)]
    pairs = pairs_by_pose([*poses[:-1], None])
    assert (0, 1) in pairs
    assert (0, 20) not in pairs
    assert all(39 not in pair for pair in pairs)
    assert len(pairs) < 39 * 20


def run(scene: Ring, folder: Path, known: KnownCameras) -> EstimatedCameras:
    capture = capture_of(scene.names)
    write_features(scene, folder / "features")
    write_photos(scene.names, folder / "photos")
    match_features(capture, folder / "features", folder / "matches", known=known, threads=2)
    return estimate_cameras(
        capture, folder / "photos", folder / "matches", folder / "out", known=known, threads=2
    )


def pinhole(scene: Ring, names: list[str]) -> KnownCameras:
    params = np.array([FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2])
    poses = {
        name: KnownPhoto(1, Pose(R, -R @ c))
        for name, R, c in zip(scene.names, scene.R, scene.centers, strict=True)
        if name in names
    }
    return KnownCameras({1: Camera(1, "PINHOLE", WIDTH, HEIGHT, params)}, poses)


def test_given_poses_stay_and_points_are_found(scene: Ring, tmp_path: Path) -> None:
    found = run(scene, tmp_path, pinhole(scene, scene.names[:-1]))
    assert found.facts["unregistered"] == {
        scene.names[-1]: "has no pose among the cameras that were given"
    }
    for photo in found.model.photos.values():
        row = scene.names.index(photo.name)
        np.testing.assert_allclose(photo.R, scene.R[row], atol=1e-12)
        np.testing.assert_allclose(photo.center, scene.centers[row], atol=1e-12)
    # Every point is one of the scene's, in its own frame.
    distance = np.linalg.norm(found.model.points[:, None] - scene.points, axis=2).min(axis=1)
    assert len(found.model.points) > 0.8 * len(scene.points)
    assert np.median(distance) < 0.003
    assert found.facts["up"] == found.facts["scale"] == "given"
    assert found.facts["metric"] is False
    assert json.loads(json.dumps(found.facts)) == found.facts


def test_poses_of_another_convention_are_noticed(scene: Ring, tmp_path: Path) -> None:
    right = pinhole(scene, scene.names)
    flip = np.diag([1.0, -1.0, -1.0])
    wrong = {
        name: KnownPhoto(1, Pose(flip @ photo.pose.R, flip @ photo.pose.t))
        for name, photo in right.photos.items()
        if photo.pose is not None
    }
    with pytest.raises(ReconstructionError, match="don't fit the photos"):
        run(scene, tmp_path, KnownCameras(right.cameras, wrong))


def test_given_intrinsics_stay(scene: Ring, tmp_path: Path) -> None:
    params = np.array([FOCAL, FOCAL * 1.001, WIDTH / 2 + 1, HEIGHT / 2 - 1])
    known = KnownCameras({4: Camera(4, "PINHOLE", WIDTH, HEIGHT, params)})
    found = run(scene, tmp_path, known)
    (camera,) = found.model.cameras.values()
    assert camera.model == "PINHOLE"
    np.testing.assert_array_equal(camera.params, params)
    assert len(found.model.photos) == len(scene.names)
    assert found.facts["principal_point"] == "given"

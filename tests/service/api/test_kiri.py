"""The calls that a program made for KIRI Engine sends, as its documentation shows them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import pytest
from tests.service.api.pictures import picture
from tests.service.api.test_scans import finish
from tests.service.conftest import Client, RunningService

OPEN = "/api/v1/open"


@pytest.fixture(scope="module")
def program(service: RunningService, ada: Client) -> httpx.Client:
    """A program with a key: it knows nothing of this service but the address."""
    made = ada.post("/api/v1/keys", json={"name": "shop", "scopes": ["scans:read", "scans:write"]})
    assert made.status_code == 201, made.text
    key = made.json()["key"]
    return httpx.Client(
        base_url=service.url, timeout=30, headers={"Authorization": f"Bearer {key}"}
    )


def send(program: httpx.Client, kind: str, count: int = 3, **fields: str) -> httpx.Response:
    files = [
        ("imagesFiles", (f"image_{n}.jpg", picture(number=n), "image/jpeg")) for n in range(count)
    ]
    return program.post(f"{OPEN}/{kind}/image", files=files, data=fields)


def stored(service: RunningService, serialize: str) -> tuple[Any, ...]:
    return service.execute(
        "select mode, options, state, title from scans where id = %s", [serialize]
    )[0]


def test_photos_are_taken_and_the_scan_begins(
    program: httpx.Client, service: RunningService
) -> None:
    answer = send(
        program, "photo", modelQuality="2", textureQuality="1", isMask="1", textureSmoothing="1",
        fileFormat="GLB",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["code"], body["ok"], body["data"]["calculateType"]) == (0, True, 1)
    serialize = body["data"]["serialize"]
    assert len(serialize) == 32
    mode, options, state, title = stored(service, serialize)
    assert (mode, state) == ("photo", "queued")
    assert title.startswith("Photo Scan")
    assert options == {
        "quality": "draft", "faces": 50_000, "texture": "2k", "texture_smoothing": "on",
        "mask": "auto", "format": ["glb"],
    }  # fmt: skip
    files = service.execute(
        "select name, state from files where scan_id = %s order by name", [serialize]
    )
    assert files == [(f"image_{n}.jpg", "ready") for n in range(3)]


@pytest.mark.parametrize(
    ("kind", "fields", "mode", "number", "expected"),
    [
        ("photo", {}, "photo", 1, {"format": ["obj"], "faces": 200_000, "texture": "4k"}),
        ("featureless", {"fileFormat": "usdz"}, "featureless", 2, {"format": ["usdz"]}),
        ("3dgs", {"isMesh": "0"}, "splat", 3, {"format": ["ply"], "mask": "off"}),
        (
            "3dgs",
            {"isMesh": "1", "isMask": "1", "fileFormat": "fbx"},
            "splat",
            3,
            {"format": ["ply", "fbx"], "mask": "auto"},
        ),
    ],
)
def test_kinds_of_scans(
    program: httpx.Client,
    service: RunningService,
    kind: str,
    fields: dict[str, str],
    mode: str,
    number: int,
    expected: dict[str, Any],
) -> None:
    body = send(program, kind, **fields).json()
    assert body["ok"], body
    assert body["data"]["calculateType"] == number
    found, options, _, _ = stored(service, body["data"]["serialize"])
    assert found == mode
    assert expected.items() <= options.items()


def test_statuses_are_theirs(program: httpx.Client, service: RunningService) -> None:
    serialize = send(program, "photo").json()["data"]["serialize"]

    def status() -> int:
        answer = program.get(f"{OPEN}/model/getStatus", params={"serialize": serialize})
        assert answer.status_code == 200
        body = answer.json()
        assert body["data"]["serialize"] == serialize
        return int(body["data"]["status"])

    for state, number in {"draft": -1, "queued": 3, "running": 0, "failed": 1}.items():
        service.execute("update scans set state = %s where id = %s", [state, serialize])
        assert status() == number
    service.execute("update scans set state = 'done' where id = %s", [serialize])
    assert status() == 4
    finish(service, serialize, {"model:vase.glb": b"glTF"})
    assert status() == 2


def test_the_link_brings_a_zip_without_a_key(
    program: httpx.Client, service: RunningService
) -> None:
    serialize = send(program, "photo").json()["data"]["serialize"]
    asked = {"serialize": serialize}
    early = program.get(f"{OPEN}/model/getModelZip", params=asked).json()
    assert (early["ok"], early["data"]["modelUrl"]) == (False, None)
    finish(service, serialize, {"model:vase.glb": b"glTF", "report:report.html": b"<p>"})
    url = program.get(f"{OPEN}/model/getModelZip", params=asked).json()["data"]["modelUrl"]
    path = url.removeprefix(service.settings.url)
    answer = httpx.get(service.url + path)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["vase.glb"]
        assert archive.read("vase.glb") == b"glTF"
    assert httpx.get(service.url + path[:-2] + "AA").status_code == 404


def test_balance_is_what_may_be_kept(program: httpx.Client, service: RunningService) -> None:
    before = program.get(f"{OPEN}/balance").json()["data"]["balance"]
    send(program, "photo")
    after = program.get(f"{OPEN}/balance").json()["data"]["balance"]
    assert after == before - 1 < service.settings.user_scans


@pytest.mark.parametrize(
    ("files", "fields", "words"),
    [
        ([], {}, "no files in imagesFiles"),
        ([("imagesFiles", ("a.jpg", b"<html>", "image/jpeg"))], {}, "a.jpg"),
        ([("imagesFiles", ("a.exe", b"MZ", "image/jpeg"))], {}, "a.exe"),
        ([("imagesFiles", ("a.jpg", b"", "image/jpeg"))], {}, "a.jpg is empty"),
        ([("imagesFiles", ("a.jpg", picture(), "image/jpeg"))], {"modelQuality": "7"}, "modelQ"),
        ([("imagesFiles", ("a.jpg", picture(), "image/jpeg"))], {"fileFormat": "exe"}, "fileF"),
    ],
)
def test_what_is_refused_leaves_nothing(
    program: httpx.Client,
    service: RunningService,
    files: list[Any],
    fields: dict[str, str],
    words: str,
) -> None:
    before = service.execute("select count(*) from scans")
    answer = program.post(f"{OPEN}/photo/image", files=files or {"x": b"y"}, data=fields)
    assert answer.status_code == 422
    body = answer.json()
    assert body["ok"] is False
    assert body["code"] != 0
    assert words in body["msg"]
    assert service.execute("select count(*) from scans") == before
    assert list(service.settings.uploads.iterdir()) == []


def test_others_and_strangers_see_nothing(
    program: httpx.Client, service: RunningService, grace: Client
) -> None:
    serialize = send(program, "photo").json()["data"]["serialize"]
    for call in ("getStatus", "getModelZip"):
        path = f"{OPEN}/model/{call}?serialize={serialize}"
        assert grace.get(path).status_code == 404
        stranger = httpx.get(service.url + path)
        assert stranger.status_code == 401
        assert stranger.json()["ok"] is False
        assert program.get(f"{OPEN}/model/{call}?serialize=x").status_code == 422
    assert httpx.post(f"{service.url}{OPEN}/photo/image").status_code == 401
    assert httpx.get(f"{service.url}{OPEN}/balance").status_code == 401

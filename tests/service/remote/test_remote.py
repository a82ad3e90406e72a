"""The client of a service: uploads that go on, scans that are waited for, errors in words."""

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.service.api.pictures import picture
from tests.service.api.test_scans import finish
from tests.service.conftest import Client, RunningService
from typer.testing import CliRunner

from gypsum.errors import InputError
from gypsum.remote import Remote, ServiceError, connection, scanning, uploads

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def key(ada: Client) -> str:
    scopes = ["scans:read", "scans:write"]
    return str(ada.post("/api/v1/keys", json={"name": "client", "scopes": scopes}).json()["key"])


@pytest.fixture
def remote(service: RunningService, key: str) -> Remote:
    return Remote(service.url, key)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(picture(number=number, size=(300, 200)))
    (folder / "notes.txt").write_text("not a photo")
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PAUSE", 0.01)
    monkeypatch.setattr(scanning, "_EVERY", 0.05)


def test_the_calls_are_those_of_the_service() -> None:
    spec = importlib.util.spec_from_file_location("client", ROOT / "scripts" / "python_client.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    text = writer.formatted(writer.written(writer.described()))
    assert text == writer.TARGET.read_text(), "run scripts/python_client.py"


def test_from_photos_to_models(
    remote: Remote, service: RunningService, photos: Path, tmp_path: Path
) -> None:
    files = remote.check_files([photos], "photo")
    assert [file.name for file in files] == ["0.jpg", "1.jpg", "2.jpg"]
    scan = remote.begin("A vase", "photo", {"quality": "draft", "format": ["glb"]})
    told: list[tuple[str, float]] = []
    remote.send(scan, files, lambda what, done, _: told.append((what, done)))
    assert told[-1] == ("Uploading 3 files", 1.0)
    remote.start(scan)
    remote.start(scan)  # once is enough
    assert remote.api.get_scan(scan)["state"] == "queued"
    worker = threading.Thread(
        target=lambda: (
            time.sleep(0.3),
            finish(service, scan, {"model:vase.glb": b"glTF", "report:report.html": b"<p>"}),
        )
    )
    worker.start()
    assert remote.wait(scan)["state"] == "done"
    worker.join()
    paths = remote.fetch(scan, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in paths} == {
        "vase.glb": b"glTF",
        "report.html": b"<p>",
    }


class Torn(httpx.BaseTransport):
    """A line that breaks in the middle of every second piece, whose first half arrives."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self._count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            self._count += 1
            if self._count % 2:
                half = request.read()[: len(request.content) // 2]
                headers = {**request.headers, "content-length": str(len(half))}
                sent = httpx.Request(request.method, request.url, headers=headers, content=half)
                self._inner.handle_request(sent).read()
                raise httpx.ReadError("the line broke", request=request)
        return self._inner.handle_request(request)


def test_an_upload_goes_on_where_the_line_broke(
    service: RunningService, key: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_PIECE", 500)
    monkeypatch.setattr(uploads, "_AT_ONCE", 1)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    torn = Remote(service.url, key, httpx.Client(transport=Torn()))
    scan = torn.begin("A vase", "photo", {})
    seen: list[float] = []
    torn.send(scan, sorted(photos.glob("*.jpg")), lambda _, done, __: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    items = torn.api.list_files(scan)["items"]
    assert [item["state"] for item in items] == ["ready"] * 3
    stored = [service.stored(item["id"]) for item in sorted(items, key=lambda item: item["name"])]
    assert stored == [path.read_bytes() for path in sorted(photos.glob("*.jpg"))]


def test_what_is_there_is_not_sent_again(remote: Remote, photos: Path) -> None:
    files = remote.check_files([photos], "photo")
    scan = remote.begin("A vase", "photo", {})
    remote.send(scan, files[:2])
    remote.send(scan, files)
    assert sorted(f["name"] for f in remote.api.list_files(scan)["items"]) == [
        "0.jpg", "1.jpg", "2.jpg",
    ]  # fmt: skip


def test_errors_are_sentences(
    remote: Remote, service: RunningService, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="does not exist"):
        remote.check_files([tmp_path / "nowhere"], "photo")
    with pytest.raises(InputError, match=r"notes\.txt is no file"):
        remote.check_files([photos / "notes.txt"], "photo")
    with pytest.raises(InputError, match="makes no sonar scans"):
        remote.check_files([photos], "sonar")
    with pytest.raises(ServiceError, match="no option cameras"):
        remote.begin("A vase", "photo", {"cameras": "/etc/passwd"})
    with pytest.raises(ServiceError, match="does not know this API key"):
        Remote(service.url, "gyp_wrong").api.list_scans()
    with pytest.raises(ServiceError, match="can't be reached"):
        Remote("http://127.0.0.1:9", "gyp_x").api.list_scans()
    (photos / "bad.jpg").write_bytes(b"<html>")
    scan = remote.begin("A vase", "photo", {})
    with pytest.raises(InputError, match=r"bad\.jpg"):
        remote.send(scan, [photos / "bad.jpg"])
    service.execute(
        "update scans set state = 'failed', message = 'The photos are blurred.' where id = %s",
        [scan],
    )
    with pytest.raises(ServiceError, match="photos are blurred"):
        remote.wait(scan)


def test_the_command_line(
    service: RunningService, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gypsum.cli.app import app

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    run = CliRunner().invoke
    without = run(app, ["remote", "list"])
    assert without.exit_code == 2
    assert run(app, ["remote", "login", service.url, "--key", key]).exit_code == 0
    kept = tmp_path / "gypsum" / "remote.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    scan = Remote(service.url, key).begin("A very special vase", "photo", {})
    listed = run(app, ["remote", "list"])
    assert "very special vase" in " ".join(listed.output.split())
    assert run(app, ["remote", "delete", scan]).exit_code == 0
    assert run(app, ["remote", "fetch", scan]).exit_code == 3

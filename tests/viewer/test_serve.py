"""The viewer's server: the page, the model, and nothing else for no one else."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from gypsum.errors import InputError, ResourceError
from gypsum.formats import read_asset
from gypsum.scene import Mesh, PointCloud, Splats
from gypsum.viewer import Server, prepare

from . import models


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(*prepare(models.file("mesh", tmp_path), tmp_path)) as running:
        yield running


def ask(
    server: Server, path: str, host: str | None = None, method: str = "GET"
) -> http.client.HTTPResponse:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.netloc, timeout=10)
    headers = {} if host is None else {"Host": host}
    connection.request(method, path, headers=headers)
    return connection.getresponse()


@pytest.mark.parametrize("kind", ["splats", "mesh", "points"])
def test_all_kinds_come_with_y_up_and_where_they_are(kind: str, tmp_path: Path) -> None:
    shown, content = prepare(models.file(kind, tmp_path), tmp_path)
    assert shown.kind == kind
    assert shown.content == content.name
    assert shown.name.startswith("some ")
    assert np.linalg.norm(shown.center) < 0.1
    assert 0.9 < shown.radius < 1.8
    # glTF has Y up; of PLY it has to be told.
    read = read_asset(content, up_axis=None if kind == "mesh" else "y")
    expected = {"splats": Splats, "mesh": Mesh, "points": PointCloud}[kind]
    assert isinstance(read, expected)
    if isinstance(read, PointCloud):
        assert (read.colors[read.points[:, 2] > 0.1] == (230, 0, 0)).all()
    elif isinstance(read, Splats):
        assert (read.harmonics[read.means[:, 2] > 0.1, 0, 0] > 1).all()


def test_more_points_than_a_card_can_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gypsum.viewer.content.MOST_POINTS", 5000)
    shown, content = prepare(models.file("points", tmp_path), tmp_path)
    assert shown.text == "20,000 points"
    assert shown.warnings == ("Of 20,000 points 5,000 are shown.",)
    read = read_asset(content)
    assert isinstance(read, PointCloud)
    assert len(read.points) == 5000


def test_damaged_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a.spz").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"a\.spz is no SPZ file"):
        prepare(tmp_path / "a.spz", tmp_path)


def test_the_page_and_what_it_needs(server: Server) -> None:
    path = urlsplit(server.url).path
    page = ask(server, path).read().decode()
    assert "http" not in page.replace("http-equiv", "")
    for name in ("viewer.css", "viewer.js", "libraries.js", "icon.svg", "LICENSES.txt"):
        answer = ask(server, path + name)
        assert answer.status == 200
        assert len(answer.read()) == int(answer.headers["Content-Length"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
    facts = json.loads(ask(server, path + "facts.json").read())
    assert facts["text"] == "12 triangles"
    assert ask(server, path + facts["content"]).read()[:4] == b"glTF"
    head = ask(server, path + facts["content"], method="HEAD")
    assert head.read() == b""
    assert int(head.headers["Content-Length"]) > 100


@pytest.mark.parametrize(
    "path", ["/", "/facts.json", "/wrong/facts.json", "{word}", "{word}/../../etc/passwd",
             "{word}/%2e%2e/secret", "{word}/serve.py", "*", "{word}//index.html"],
)  # fmt: skip
def test_nothing_else_is_there(path: str, server: Server) -> None:
    word = urlsplit(server.url).path.rstrip("/")
    assert ask(server, path.format(word=word)).status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "evil.example:80"])
def test_pages_of_the_web_do_not_get_in_under_another_name(host: str, server: Server) -> None:
    assert ask(server, urlsplit(server.url).path, host).status == 404


def test_nothing_can_be_sent(server: Server) -> None:
    assert ask(server, urlsplit(server.url).path, method="POST").status == 501


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    place = urlsplit(server.url)
    assert place.hostname == "127.0.0.1"
    assert len(place.path) > 14


def test_a_port_in_use_is_explained(tmp_path: Path) -> None:
    shown = prepare(models.file("mesh", tmp_path), tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"Port {port} can't be used"):
            Server(*shown, port=port)

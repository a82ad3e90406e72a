"""Uploads: in pieces, after breaks, and hostile ones."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import socket
import struct
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.service.api.pictures import picture, png_that_says, zipped
from tests.service.conftest import OCTETS, TUS, Client, RunningService, serving

from gypsum.service.storage import Store


def test_a_file_in_pieces(service: RunningService, ada: Client) -> None:
    photo = picture(size=(600, 400)) + bytes(3_000_000)
    scan = ada.scan()
    made = ada.announce(scan, "IMG_0001.JPG", len(photo))
    assert made.status_code == 201
    assert made.headers["tus-resumable"] == "1.0.0"
    upload = made.headers["location"]
    offset = 0
    for size in (1, 999, 1_048_576, 5, len(photo)):
        sent = ada.append(upload, offset, photo[offset : offset + size])
        assert sent.status_code == 204, sent.text
        offset = min(offset + size, len(photo))
        assert sent.headers["upload-offset"] == str(offset)
        head = ada.head(upload, headers=TUS)
        assert head.headers["upload-offset"] == str(offset)
        assert head.headers["upload-length"] == str(len(photo))
        assert head.headers["cache-control"] == "no-store"
    file = ada.get(f"/api/v1/scans/{scan}/files").json()["items"][0]
    assert (file["state"], file["media_type"], file["name"]) == (
        "ready", "image/jpeg", "IMG_0001.JPG",
    )  # fmt: skip
    assert service.stored(file["id"]) == photo
    sha = service.execute("select sha256 from files where id = %s", [file["id"]])[0][0]
    assert sha == hashlib.sha256(photo).hexdigest()
    assert not list(service.settings.uploads.glob(file["id"]))


def test_many_files_at_once(service: RunningService, ada: Client) -> None:
    scan = ada.scan()
    photos = [picture(number=number) + bytes(number * 1000) for number in range(24)]

    def send(number: int) -> None:
        assert ada.upload(scan, f"{number}.jpg", photos[number])["state"] == "ready"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(len(photos))))
    for file in ada.get(f"/api/v1/scans/{scan}/files").json()["items"]:
        number = int(file["name"].split(".")[0])
        assert service.stored(file["id"]) == photos[number]


def test_wrong_offsets_change_nothing(ada: Client) -> None:
    scan = ada.scan()
    upload = ada.announce(scan, "a.jpg", 100).headers["location"]
    ada.append(upload, 0, b"\xff\xd8\xff" + bytes(7))
    for offset in (0, 9, 11, 99):
        refused = ada.append(upload, offset, b"xx")
        assert refused.status_code in (409, 413)
    assert ada.append(upload, 10, bytes(91)).status_code == 413
    assert ada.head(upload, headers=TUS).headers["upload-offset"] == "10"


def test_checksums(ada: Client) -> None:
    scan = ada.scan()
    data = picture()
    upload = ada.announce(scan, "a.jpg", len(data)).headers["location"]
    for algorithm in ("sha256", "sha1"):
        wrong = base64.b64encode(hashlib.new(algorithm, b"other").digest()).decode()
        refused = ada.append(upload, 0, data, **{"Upload-Checksum": f"{algorithm} {wrong}"})
        assert refused.status_code == 460
        assert ada.head(upload, headers=TUS).headers["upload-offset"] == "0"
    assert ada.append(upload, 0, data, **{"Upload-Checksum": "md5 AAAA"}).status_code == 400
    assert ada.append(upload, 0, data, **{"Upload-Checksum": "sha1 ???"}).status_code == 400
    right = base64.b64encode(hashlib.sha1(data).digest()).decode()
    accepted = ada.append(upload, 0, data, **{"Upload-Checksum": f"sha1 {right}"})
    assert accepted.status_code == 204


def raw_append(service: RunningService, ada: Client, upload: str, length: int) -> socket.socket:
    """A connection that promised ``length`` bytes."""
    parts = urlsplit(service.url)
    connection = socket.create_connection((parts.hostname, parts.port))
    cookie = "; ".join(f"{c.name}={c.value}" for c in ada.cookies.jar)
    connection.sendall(
        f"PATCH {upload} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n"
        f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {OCTETS}\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
    )
    return connection


def test_a_connection_that_breaks(service: RunningService, ada: Client) -> None:
    photo = picture() + bytes(2_500_000)
    scan = ada.scan()
    upload = ada.announce(scan, "a.jpg", len(photo)).headers["location"]
    connection = raw_append(service, ada, upload, len(photo))
    connection.sendall(photo[:1_700_000])
    connection.close()
    # Asking for the offset would cut the connection before all that was sent is read.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        file = ada.get(f"/api/v1/scans/{scan}/files").json()["items"][0]
        if file["offset"] == 1_700_000:
            break
        time.sleep(0.02)
    offset = int(ada.head(upload, headers=TUS).headers["upload-offset"])
    assert offset == 1_700_000, "what arrived stays"
    assert ada.append(upload, offset, photo[offset:]).status_code == 204
    file = ada.get(f"/api/v1/scans/{scan}/files").json()["items"][0]
    assert service.stored(file["id"]) == photo


def test_a_new_connection_takes_over_from_one_that_hangs(
    service: RunningService, ada: Client
) -> None:
    photo = picture() + bytes(100_000)
    scan = ada.scan()
    upload = ada.announce(scan, "a.jpg", len(photo)).headers["location"]
    hanging = raw_append(service, ada, upload, len(photo))
    hanging.sendall(photo[:50_000])
    time.sleep(0.3)
    began = time.monotonic()
    offset = int(ada.head(upload, headers=TUS).headers["upload-offset"])
    assert ada.append(upload, offset, photo[offset:]).status_code == 204
    assert time.monotonic() - began < 8
    hanging.close()
    file = ada.get(f"/api/v1/scans/{scan}/files").json()["items"][0]
    assert service.stored(file["id"]) == photo


def test_an_upload_goes_on_after_the_service_was_restarted(service: RunningService) -> None:
    photo = picture() + bytes(1000)
    with serving(service.settings) as first:
        person = first.person()
        scan = person.scan()
        upload = person.announce(scan, "a.jpg", len(photo)).headers["location"]
        person.append(upload, 0, photo[:500])
    with serving(service.settings) as second:
        again = second.client(cookies=dict(person.cookies))
        assert again.head(upload, headers=TUS).headers["upload-offset"] == "500"
        # Killed between the last byte and the file's place: the next question mends it.
        if service.settings.storage_url is None:
            with (service.settings.uploads / upload.rsplit("/", 1)[1]).open("ab") as file:
                file.write(photo[500:])
        else:  # See test_pieces.py.
            again.append(upload, 500, photo[500:])
        assert again.head(upload, headers=TUS).headers["upload-offset"] == str(len(photo))
        item = again.get(f"/api/v1/scans/{scan}/files").json()["items"][0]
        assert item["state"] == "ready"
        assert service.stored(item["id"]) == photo


def test_giving_up(service: RunningService, ada: Client) -> None:
    scan = ada.scan()
    upload = ada.announce(scan, "a.jpg", 100).headers["location"]
    ada.append(upload, 0, b"\xff\xd8\xff")
    assert ada.delete(upload, headers=TUS).status_code == 204
    assert ada.head(upload, headers=TUS).status_code == 404
    assert not (service.settings.uploads / upload.rsplit("/", 1)[1]).exists()
    file = ada.upload(scan, "b.jpg", picture())
    store, key = Store.open(service.settings), f"scans/{scan}/input/{file['id']}"
    assert asyncio.run(store.exists(key))
    assert ada.delete(f"/api/v1/scans/{scan}/files/{file['id']}").status_code == 204
    assert not asyncio.run(store.exists(key))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 412),
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({**TUS}, 422),
        ({**TUS, "Upload-Length": "-1"}, 422),
        ({**TUS, "Upload-Length": "1e3"}, 422),
        ({**TUS, "Upload-Length": "٣"}, 422),
        ({**TUS, "Upload-Length": "9" * 30}, 422),
        ({**TUS, "Upload-Length": "0", "Upload-Metadata": "filename YS5qcGc="}, 422),
        ({**TUS, "Upload-Length": "10"}, 422),
        ({**TUS, "Upload-Length": "10", "Upload-Metadata": "filename !!!"}, 422),
        ({**TUS, "Upload-Length": "10", "Upload-Metadata": "filename /w=="}, 422),
        ({**TUS, "Upload-Length": "10", "Upload-Metadata": "filename Li4="}, 422),
        ({**TUS, "Upload-Length": str(10**15), "Upload-Metadata": "filename YS5qcGc="}, 413),
        ({**TUS, "Upload-Defer-Length": "1", "Upload-Metadata": "filename YS5qcGc="}, 422),
    ],
)
def test_announcements_that_are_refused(ada: Client, headers: dict[str, str], status: int) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    answer = ada.post(f"/api/v1/scans/{ada.scan()}/uploads", headers=encoded)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("a\0b\n.jpg", "a_b_.jpg"),
        ("<script>alert(1)</script>.jpg", "script>.jpg"),
        ("\u202egpj.jpg", "_gpj.jpg"),
        ("x" * 500 + ".jpg", "x" * 196 + ".jpg"),
        ("Фото.jpg", "Фото.jpg"),
    ],
)
def test_names_are_only_shown(service: RunningService, ada: Client, name: str, shown: str) -> None:
    scan = ada.scan()
    file = ada.upload(scan, name, picture())
    assert file["name"] == shown
    assert service.stored(file["id"]) == picture()  # under its id


def lying_zip(claimed: int) -> bytes:
    """A zip whose table says that its one file unpacks to ``claimed`` bytes."""
    data = bytearray(zipped({"a.jpg": bytes(1000)}))
    at = data.index(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, claimed)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.jpg", b"#!/bin/sh\nrm -rf /", "does not hold what its name says"),
        ("a.png", picture("JPEG")[:2] + bytes(50), "does not hold"),
        ("a.mp4", picture(), "does not hold"),
        ("a.jpg", b"<html><script>alert(1)</script>", "does not hold"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "damaged"),
        ("a.png", png_that_says(60_000, 60_000), "3,600 megapixels"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged"),
        ("a.zip", b"PK\3\4" + bytes(100), "not a zip"),
        ("a.zip", zipped({"a.jpg": bytes(100_000_000)}), "times its size"),
        ("a.zip", lying_zip(4_000_000_000), "times its size"),
        ("a.zip", zipped({f"{n}.jpg": b"" for n in range(20_001)}), "20,001 files"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP9 " + bytes(30), "damaged"),
    ],
)
def test_hostile_files_are_refused(
    service: RunningService, ada: Client, name: str, data: bytes, reason: str
) -> None:
    file = ada.upload(ada.scan(), name, data)
    assert file["state"] == "refused"
    assert reason in file["problem"], file["problem"]
    assert str(service.settings.data) not in file["problem"]
    assert service.stored(file["id"]) is None
    assert not (service.settings.uploads / file["id"]).exists()


def test_protected_zips_are_refused(ada: Client) -> None:
    data = bytearray(zipped({"a.jpg": picture()}))
    data[data.index(b"PK\1\2") + 8] |= 1
    file = ada.upload(ada.scan(), "a.zip", bytes(data))
    assert "password" in file["problem"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", picture()),
        ("a.png", picture("PNG")),
        ("a.webp", picture("WEBP")),
        ("a.tiff", picture("TIFF")),
        ("a.zip", zipped({"a.jpg": picture()}, zipfile.ZIP_STORED)),
        ("a.mov", b"\0\0\0\x14ftypqt  " + bytes(50)),
        ("a.mkv", b"\x1a\x45\xdf\xa3" + bytes(50)),
    ],
)
def test_usual_files_are_taken(ada: Client, name: str, data: bytes) -> None:
    assert ada.upload(ada.scan(), name, data)["state"] == "ready"


@pytest.mark.parametrize("name", ["a.exe", "a", "a.html", "a.svg", "a.jpg.sh", "a.las"])
def test_other_kinds_are_refused_before_a_byte_is_sent(ada: Client, name: str) -> None:
    refused = ada.announce(ada.scan(), name, 10)
    assert refused.status_code == 422
    assert ".jpg" in refused.json()["detail"]
    assert ("LiDAR" in refused.json()["detail"]) == (name == "a.las")


@pytest.mark.parametrize(
    ("name", "data", "state"),
    [
        ("a.las", b"LASF" + bytes(400), "ready"),
        ("a.ply", b"ply\nformat ascii 1.0\n", "ready"),
        ("a.xyz", b"1 2 3\n4 5 6\n", "ready"),
        ("a.xyz", bytes(range(256)), "refused"),
        ("a.e57", b"ASTM-E57" + bytes(40), "ready"),
        ("a.las", b"#!/bin/sh", "refused"),
    ],
)
def test_point_clouds(ada: Client, name: str, data: bytes, state: str) -> None:
    assert ada.upload(ada.scan(mode="lidar"), name, data)["state"] == state


def test_limits_of_a_scan(service: RunningService) -> None:
    changes = {"scan_files": 2, "scan_bytes": 1000, "file_bytes": 800, "unpacked_bytes": 50_000}
    with serving(service.settings.model_copy(update=changes)) as running:
        person = running.person()
        scan = person.scan()
        assert person.announce(scan, "a.jpg", 801).status_code == 413
        assert person.announce(scan, "a.jpg", 600).status_code == 201
        assert person.announce(scan, "b.jpg", 600).status_code == 413
        assert person.announce(scan, "b.jpg", 100).status_code == 201
        assert person.announce(scan, "c.jpg", 1).status_code == 409
        other = person.scan()
        file = person.upload(other, "big.zip", zipped({"a.jpg": bytes(60_000)}))
        assert "unpack" in file["problem"]


def test_quotas_hold_against_many_at_once(service: RunningService) -> None:
    person = service.person()
    service.execute("update users set quota_bytes = 1000 where email = %s", [person.email])
    scan = person.scan()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: person.announce(scan, f"{n}.jpg", 300), range(16)))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [413] * 13


def test_stale_uploads_are_swept(tmp_path: Path) -> None:
    from gypsum.service.uploads import Uploads

    uploads = Uploads(tmp_path)
    old, new = uuid.uuid4(), uuid.uuid4()
    for upload in (old, new):
        uploads.path(upload).write_bytes(b"x")
    (tmp_path / "not ours").write_bytes(b"x")
    long_ago = time.time() - 3 * 86_400
    os.utime(uploads.path(old), (long_ago, long_ago))
    os.utime(tmp_path / "not ours", (long_ago, long_ago))
    assert uploads.stale(2) == [old]


def mutated(random_: random.Random, data: bytes) -> bytes:
    """The bytes with something wrong."""
    changed = bytearray(data)
    for _ in range(random_.choice([1, 1, 2, 8, 64])):
        if not changed:
            break
        at = random_.randrange(len(changed))
        match random_.randrange(5):
            case 0:
                changed[at] = random_.randrange(256)
            case 1:
                del changed[at : at + random_.randrange(1, 40)]
            case 2:
                changed[at:at] = random_.randbytes(random_.randrange(1, 40))
            case 3:
                changed[at : at + 4] = random_.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
            case 4:
                del changed[at:]
    return bytes(changed)


#: By hand, 2,000 and more: GYPSUM_MUTATIONS=2500.
MUTATIONS = int(os.environ.get("GYPSUM_MUTATIONS", "150"))


def test_mutated_files_never_break_the_service(service: RunningService) -> None:
    """Every one is taken or refused with a sentence; nothing of it stays where it should not."""
    random_ = random.Random(7)
    kinds = [
        ("a.jpg", picture()),
        ("a.png", picture("PNG")),
        ("a.webp", picture("WEBP")),
        ("a.tiff", picture("TIFF")),
        ("a.zip", zipped({"a.jpg": picture(), "b/c.png": picture("PNG")})),
        ("a.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(200)),
    ]
    person = service.person()
    scan = person.scan()
    states = []
    for number in range(MUTATIONS):
        if number % 500 == 499:
            scan = person.scan()
        name, data = kinds[number % len(kinds)]
        changed = mutated(random_, data)
        if not changed:
            continue
        made = person.announce(scan, name, len(changed))
        assert made.status_code == 201, made.text
        sent = person.append(made.headers["location"], 0, changed)
        assert sent.status_code == 204, sent.text
        file = made.headers["location"].rsplit("/", 1)[1]
        state, problem = service.execute("select state, problem from files where id = %s", [file])[
            0
        ]
        assert state == "ready" or problem.endswith(".")
        assert (state == "ready") == (service.stored(file) is not None)
        assert not (service.settings.uploads / file).exists()
        states.append(state)
    assert {"ready", "refused"} <= set(states)


def test_mutated_requests_never_break_the_service(service: RunningService) -> None:
    """Raw bytes: broken heads, wrong lengths, two lengths, rubbish."""
    random_ = random.Random(11)
    person = service.person()
    scan = person.scan()
    upload = person.announce(scan, "a.jpg", 50).headers["location"]
    cookie = "; ".join(f"{c.name}={c.value}" for c in person.cookies.jar)
    request = (
        f"PATCH {upload} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n"
        f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nUpload-Checksum: sha1 AAAA\r\n"
        f"Content-Type: {OCTETS}\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789"
    ).encode()
    parts = urlsplit(service.url)
    for _ in range(MUTATIONS):
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
            connection.settimeout(0.5)
            connection.sendall(mutated(random_, request))
            connection.shutdown(socket.SHUT_WR)
            try:
                answer = connection.recv(100)
            except (TimeoutError, ConnectionResetError):
                answer = b""
        assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert person.get("/api/v1/me").status_code == 200
    assert int(person.head(upload, headers=TUS).headers["upload-offset"]) <= 50

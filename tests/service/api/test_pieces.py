"""Uploads whose pieces come to two machines that share a database and a bucket, no disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from tests.service.api.pictures import picture
from tests.service.api.test_uploads import raw_append
from tests.service.conftest import TUS, Client, RunningService, fresh_bucket, serving

from gypsum.service.api import arrivals
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store

PHOTO = picture(size=(600, 400)) + bytes(200_000)


@dataclass
class Pair:
    """Two machines, a person in a browser at each, and a scan of theirs."""

    one: RunningService
    two: RunningService
    ada_at_one: Client
    ada_at_two: Client
    scan: str

    def announce(self) -> str:
        made = self.ada_at_one.announce(self.scan, "a.jpg", len(PHOTO))
        assert made.status_code == 201, made.text
        return str(made.headers["location"])

    def file(self, upload: str) -> dict[str, object]:
        items = self.ada_at_two.get(f"/api/v1/scans/{self.scan}/files").json()["items"]
        return next((item for item in items if item["upload_url"] == upload), {})

    def stored(self) -> list[str]:
        """What is in the bucket of the scan's pieces."""

        async def listed() -> list[str]:
            store = Store.open(self.one.settings)
            return [key async for key, _ in store.list(f"scans/{self.scan}/pieces/")]

        return asyncio.run(listed())

    def left(self) -> list[str]:
        """What is on the two disks."""
        return [
            path.name for machine in (self.one, self.two)
            for path in machine.settings.uploads.iterdir()
        ]  # fmt: skip


@pytest.fixture(scope="module")
def machines(
    settings: ServiceSettings, s3_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, RunningService]]:
    both = {"storage_url": fresh_bucket(s3_server), "secret": "of both " * 8}
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    given = [settings.model_copy(update={**both, "data": folder}) for folder in folders]
    with serving(given[0]) as one, serving(given[1]) as two:
        yield one, two


@pytest.fixture
def pair(machines: tuple[RunningService, RunningService]) -> Pair:
    one, two = machines
    person = one.person()
    other = two.client(cookies=dict(person.cookies))
    return Pair(one, two, person, other, person.scan())


def offset(client: Client, upload: str) -> int:
    return int(client.head(upload, headers=TUS).headers["upload-offset"])


def test_pieces_go_to_either_machine(pair: Pair) -> None:
    upload = pair.announce()
    edges = [0, 1, 70_000, 70_001, 150_000, len(PHOTO)]
    for number, (start, end) in enumerate(pairwise(edges)):
        here, there = (pair.ada_at_one, pair.ada_at_two)[:: 1 if number % 2 else -1]
        sent = here.append(upload, start, PHOTO[start:end])
        assert sent.status_code == 204, sent.text
        assert offset(there, upload) == offset(here, upload) == end
    file = pair.file(upload)
    assert (file["state"], file["offset"]) == ("ready", len(PHOTO))
    assert pair.two.stored(str(file["id"])) == PHOTO
    assert pair.stored() == pair.left() == []
    assert pair.two.execute("select 1 from pieces where file_id = %s", [file["id"]]) == []


def test_who_was_sent_less_is_told_where_to_go_on(pair: Pair) -> None:
    upload = pair.announce()
    assert pair.ada_at_one.append(upload, 0, PHOTO[:50_000]).status_code == 204
    for start in (0, 49_999, 50_001):
        refused = pair.ada_at_two.append(upload, start, PHOTO[start:90_000])
        assert refused.status_code == 409
        assert refused.headers["upload-offset"] == "50000"
    assert len(pair.stored()) == 1
    assert pair.file(upload)["offset"] == 50_000


def test_the_other_machine_goes_on_where_a_connection_broke(pair: Pair) -> None:
    upload = pair.announce()
    connection = raw_append(pair.one, pair.ada_at_one, upload, len(PHOTO))
    connection.sendall(PHOTO[:120_000])
    connection.close()
    deadline = time.monotonic() + 30
    while offset(pair.ada_at_two, upload) != 120_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert pair.ada_at_two.append(upload, 120_000, PHOTO[120_000:]).status_code == 204
    assert pair.one.stored(str(pair.file(upload)["id"])) == PHOTO


@pytest.mark.parametrize("rest", [PHOTO[60_000:], b""], ids=["all came", "nothing more came"])
def test_of_two_machines_at_the_same_bytes_the_first_counts(pair: Pair, rest: bytes) -> None:
    upload = pair.announce()
    slow = raw_append(pair.one, pair.ada_at_one, upload, len(PHOTO))
    slow.sendall(PHOTO[:60_000])
    time.sleep(0.2)
    # The first machine still waits for that connection; its client asks the other one.
    assert offset(pair.ada_at_two, upload) == 0
    assert pair.ada_at_two.append(upload, 0, PHOTO[:90_000]).status_code == 204
    slow.sendall(rest)
    if rest:
        answer = slow.recv(1000)
        assert b" 409 " in answer.split(b"\r\n")[0], answer
    slow.close()
    assert offset(pair.ada_at_one, upload) == 90_000
    assert pair.ada_at_one.append(upload, 90_000, PHOTO[90_000:]).status_code == 204
    assert pair.one.stored(str(pair.file(upload)["id"])) == PHOTO
    assert pair.stored() == pair.left() == []


def test_damaged_bytes_leave_nothing(pair: Pair) -> None:
    upload = pair.announce()
    pair.ada_at_one.append(upload, 0, PHOTO[:1000])
    refused = pair.ada_at_two.append(upload, 1000, PHOTO[1000:], **{"Upload-Checksum": "sha1 AAAA"})
    assert refused.status_code == 460
    assert offset(pair.ada_at_one, upload) == 1000
    assert pair.left() == []


def test_the_last_piece_survives_the_end_of_a_machine(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = pair.announce()
    pair.ada_at_one.append(upload, 0, PHOTO[:1000])

    async def fails(*_: object) -> None:
        raise OSError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(arrivals.pieces, "join", fails)
        assert pair.ada_at_one.append(upload, 1000, PHOTO[1000:]).status_code >= 500
    assert pair.file(upload)["state"] == "uploading"
    assert offset(pair.ada_at_two, upload) == len(PHOTO)
    assert pair.file(upload)["state"] == "ready"
    assert pair.one.stored(str(pair.file(upload)["id"])) == PHOTO


def test_giving_up_at_the_other_machine(pair: Pair) -> None:
    upload = pair.announce()
    pair.ada_at_one.append(upload, 0, PHOTO[:1000])
    assert len(pair.stored()) == 1
    assert pair.ada_at_two.delete(upload, headers=TUS).status_code == 204
    assert pair.ada_at_one.head(upload, headers=TUS).status_code == 404
    assert pair.stored() == pair.left() == []


def test_what_nobody_goes_on_with_is_swept(pair: Pair) -> None:
    uploads = [pair.announce() for _ in range(3)]
    abandoned, resumed, new = (upload.rpartition("/")[2] for upload in uploads)
    for upload in uploads:
        pair.ada_at_one.append(upload, 0, PHOTO[:1000])
    pair.one.execute(
        "update files set created_at = now() - interval '3 days' where id = any(%s::uuid[])",
        [[abandoned, resumed]],
    )
    pair.one.execute(
        "update pieces set created_at = now() - interval '3 days' where file_id = %s", [abandoned]
    )
    with serving(pair.one.settings):  # sweeps first of all
        deadline = time.monotonic() + 20
        while pair.file(uploads[0]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [pair.file(upload)["id"] for upload in uploads[1:]] == [resumed, new]

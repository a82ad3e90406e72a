"""Objects in a folder and in a bucket: whole or not at all, in pieces, by safe keys."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

pytest.importorskip("obstore")

from gypsum.errors import InputError
from gypsum.service.storage import MissingObjectError, StorageError, Store


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Store(f"file://{tmp_path}/objects")
    server = request.getfixturevalue("s3_server")
    bucket = f"b{uuid4().hex}"
    urllib.request.urlopen(
        urllib.request.Request(f"{server}/{bucket}", method="PUT"), timeout=5
    ).close()
    return Store(f"s3://{bucket}/gypsum?endpoint={server}")


def test_what_was_put_is_got(store: Store, tmp_path: Path) -> None:
    async def work() -> None:
        content = os.urandom(20_000_000)
        (tmp_path / "file").write_bytes(content)
        await store.put("scans/a/file", tmp_path / "file")
        await store.put("scans/a/bytes", b"few")
        await store.put("scans/a/empty", b"")
        await store.put(
            "scans/a/pieces", (content[i : i + 999_983] for i in range(0, 20_000_000, 999_983))
        )
        assert await store.size("scans/a/file") == len(content)
        assert await store.read("scans/a/pieces") == content
        assert await store.read("scans/a/empty") == b""
        assert [c async for c in store.stream("scans/a/bytes", 1, 2)] == [b"e"]
        middle = b"".join([c async for c in store.stream("scans/a/file", 7, 9_000_001)])
        assert middle == content[7:9_000_001]
        await store.get("scans/a/file", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == content

    asyncio.run(work())


def test_listing_and_deleting(store: Store) -> None:
    async def work() -> None:
        for key in ("scans/a/1", "scans/a/b/2", "scans/ab/3"):
            await store.put(key, key.encode())
        assert sorted([key async for key, _ in store.list("scans/a/")]) == [
            "scans/a/1",
            "scans/a/b/2",
        ]
        assert sorted(await store.folders("scans/")) == ["a", "ab"]
        assert await store.delete_prefix("scans/a/") == 2
        assert [key async for key, _ in store.list("scans/")] == ["scans/ab/3"]
        await store.delete("scans/a/1")
        with pytest.raises(MissingObjectError):
            await store.size("scans/a/1")
        assert not await store.exists("scans/a/1")

    asyncio.run(work())


def test_an_object_that_broke_off_does_not_appear(store: Store) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(10_000_000)
        raise OSError("the disk was taken away")

    async def work() -> None:
        await store.put("scans/a/whole", b"before")
        with pytest.raises((OSError, StorageError)):
            await store.put("scans/a/whole", pieces())
        assert await store.read("scans/a/whole") == b"before"

    asyncio.run(work())


def test_keys_are_never_paths(store: Store) -> None:
    for key in ("../a", "/etc/passwd", "a/../../b", "a//b", "a/.hidden", "", "ä"):
        with pytest.raises(ValueError, match="no key"):
            asyncio.run(store.put(key, b""))


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}")
    staged = tmp_path / "scans" / "object#1"
    staged.parent.mkdir()
    staged.write_bytes(b"half")
    assert asyncio.run(store.remove_unfinished(60)) == 0
    os.utime(staged, (0, 0))
    assert asyncio.run(store.remove_unfinished(60)) == 1
    assert not staged.exists()


@pytest.mark.parametrize("url", ["ftp://host/a", "s3://", "file://relative"])
def test_what_is_no_storage_is_said(url: str) -> None:
    with pytest.raises(InputError, match="is no storage"):
        Store(url)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A file of 400 MB goes up and down again in much less memory."""
    script = f"""
import asyncio, resource
from pathlib import Path
from gypsum.service.storage import Store
big, store = Path({str(tmp_path / "big")!r}), Store("file://{tmp_path}/objects")
with big.open("wb") as file:
    file.truncate(400_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
async def work():
    await store.put("a", big)
    await store.get("a", big)
asyncio.run(work())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150_000

"""Objects by key, in a folder or in a bucket that speaks S3.

An object appears whole or not at all, on both. Memory is bounded whatever an object's size: bytes
go through in pieces.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from obstore import exceptions, store

from gypsum.errors import InputError, ResourceError

#: Bytes of a piece on the way up: S3's parts are 5 MiB at least, and 10,000 at most (80 GB here).
_PIECE = 8 * 2**20
#: Pieces on the way at once.
_PIECES = 4
#: Bytes of a piece on the way down.
_CHUNK = 2**20

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
"""Keys are names of ours, never of users."""
_STAGED = re.compile(r"#\d+$")
"""How the local store calls a file until it is complete."""


class StorageError(ResourceError):
    """The storage can't be reached, or is full."""


class MissingObjectError(StorageError):
    """There is no such object."""


class Located(Protocol):
    """Settings that say where objects are."""

    @property
    def storage(self) -> str:
        """``file:///folder`` or ``s3://bucket/prefix?endpoint=https://host&region=eu-1``."""


class Store:
    """Objects by key; see the module."""

    def __init__(self, url: str) -> None:
        """``url`` as in `Located`; credentials of S3 come from ``AWS_ACCESS_KEY_ID`` and such."""
        self.url = url
        self._folder, self._objects = _opened(url)

    @classmethod
    def open(cls, settings: Located) -> Store:
        """The store that the settings name."""
        return cls(settings.storage)

    @property
    def shared(self) -> bool:
        """Whether other machines reach it as well."""
        return self._folder is None

    async def put(self, key: str, content: Path | bytes | Iterator[bytes]) -> None:
        """Store a file, bytes, or pieces as they come; replaces what was there."""
        _check(key)
        with _explained(key):
            await self._objects.put_async(key, content, chunk_size=_PIECE, max_concurrency=_PIECES)

    async def adopt(self, key: str, path: Path) -> None:
        """Store a file that nobody needs any more: it is moved where that is possible."""
        _check(key)
        if self._folder is None or not await asyncio.to_thread(_move, path, self._folder / key):
            await self.put(key, path)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def get(self, key: str, path: Path) -> None:
        """Fetch an object to a file, which appears whole or not at all."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as file:
                async for chunk in self.stream(key):
                    await asyncio.to_thread(file.write, chunk)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    async def read(self, key: str) -> bytes:
        """A small object's bytes."""
        return b"".join([chunk async for chunk in self.stream(key)])

    async def stream(
        self, key: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """An object's bytes from ``start`` to before ``end`` (None: to its end), in pieces."""
        _check(key)
        with _explained(key):
            size = (await self._objects.head_async(key))["size"]
            end = size if end is None else min(end, size)
            # In pieces of our own: the local store reads a whole range into memory, and a piece
            # that a broken connection lost is asked for again without the others.
            while start < end:
                upto = min(start + _PIECE, end)
                piece = memoryview(await self._objects.get_range_async(key, start=start, end=upto))
                for at in range(0, len(piece), _CHUNK):
                    yield bytes(piece[at : at + _CHUNK])
                start = upto

    async def size(self, key: str) -> int:
        """Bytes of an object. Raises `MissingObjectError`."""
        _check(key)
        with _explained(key):
            return int((await self._objects.head_async(key))["size"])

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            await self.size(key)
        except MissingObjectError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Remove an object; none there is as good."""
        _check(key)
        try:
            with _explained(key):
                await self._objects.delete_async(key)
        except MissingObjectError:
            return

    async def delete_prefix(self, prefix: str) -> int:
        """Remove all objects below ``prefix``, which ends with a slash; returns how many."""
        if not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} is no folder")
        keys = [key async for key, _ in self.list(prefix)]
        for key in keys:
            await self.delete(key)
        return len(keys)

    async def list(self, prefix: str) -> AsyncIterator[tuple[str, float]]:
        """Keys below ``prefix`` and when they were stored, seconds since 1970."""
        _check(prefix)
        with _explained(prefix):
            listing = self._objects.list(prefix.rstrip("/"), chunk_size=1000)
            async for batch in listing:
                for item in batch:
                    yield item["path"], item["last_modified"].timestamp()

    async def folders(self, prefix: str) -> Sequence[str]:
        """Names of the folders directly in ``prefix``, which ends with a slash."""
        _check(prefix)
        with _explained(prefix):
            found = await self._objects.list_with_delimiter_async(prefix.rstrip("/"))
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"]]

    async def remove_unfinished(self, seconds: float) -> int:
        """Remove what writers that were killed began more than ``seconds`` ago; returns how many.

        A bucket does this by a rule of its own for unfinished multipart uploads.
        """
        if self._folder is None:
            return 0
        return await asyncio.to_thread(_remove_staged, self._folder, time.time() - seconds)


def _move(path: Path, target: Path) -> bool:
    """Rename a file; False where it lies on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise StorageError(f"The storage can't take a file ({error.strerror}).") from error
        return False
    return True


def _opened(url: str) -> tuple[Path | None, store.LocalStore | store.S3Store]:
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/"):
        folder = Path(unquote(parts.path))
        try:
            return folder, store.LocalStore(folder, mkdir=True, automatic_cleanup=True)
        except (exceptions.BaseError, OSError) as error:
            raise StorageError(f"The storage {folder} can't be made or opened.") from error
    if parts.scheme == "s3" and parts.netloc:
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint = asked.get("endpoint")
        bucket = store.S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            region=asked.get("region", os.environ.get("AWS_REGION", "us-east-1")),
            endpoint=endpoint,
            client_options={"allow_http": bool(endpoint and endpoint.startswith("http://"))},
        )
        return None, bucket
    raise InputError(
        f"{url} is no storage: write file:///folder or s3://bucket?endpoint=https://host."
    )


def _check(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of an object")


@contextmanager
def _explained(key: str) -> Iterator[None]:
    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError):
        raise MissingObjectError(f"The storage has no {key}.") from None
    except exceptions.BaseError as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise StorageError(f"The storage failed at {key}: {reason}") from error


def _remove_staged(folder: Path, before: float) -> int:
    removed = 0
    for parent, _, names in os.walk(folder):
        for name in filter(_STAGED.search, names):
            path = Path(parent, name)
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                removed += 1
    return removed

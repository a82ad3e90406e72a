"""Retention: what is too old or nobody's goes, what is somebody's stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from gypsum.service.jobs import metrics_text
from gypsum.service.jobs.attempt import Workshop
from gypsum.service.jobs.stages import restore_stages, stage_object, store_stage
from gypsum.service.jobs.tasks import tidy_scan
from gypsum.service.jobs.upkeep import keep_up

AtDesk = Callable[[Callable[[Any], Any]], Any]


class OldStore:
    """The desk's store, whose objects were all stored long ago."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def list(self, prefix: str) -> Any:
        async for key, _ in self._store.list(prefix):
            yield key, 0.0


async def stored(desk: Any) -> set[str]:
    return {key async for key, _ in desk.store.list("scans/")}


async def with_result(desk: Any, scan: Any, key: str) -> None:
    await desk.store.put(key, b"model")
    await desk.execute(
        "insert into results (scan_id, revision, kind, name, bytes, media_type, object_key) "
        "values (%s, 1, 'model', 'a.glb', 5, 'model/gltf-binary', %s)",
        scan,
        key,
    )


def test_what_nobody_names_goes(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        await desk.store.delete_prefix("scans/")
        scan = await desk.scan(await desk.user(), "done")
        await desk.upload(scan, "a.jpg", b"1")
        await with_result(desk, scan, f"scans/{scan}/results/kept")
        await desk.store.put(stage_object(scan, "depth", "abc"), b"tar")
        await desk.store.put(f"scans/{scan}/pieces/1/2", b"of an upload under way")
        await desk.execute(
            "insert into pieces (file_id, start, object_key) select id, 0, %s from files",
            f"scans/{scan}/pieces/1/2",
        )
        kept = await stored(desk)
        for orphan in (
            f"scans/{scan}/results/lost",
            f"scans/{scan}/pieces/1/lost",
            f"scans/{uuid4()}/input/lost",
            "scans/odd/x",
        ):
            await desk.store.put(orphan, b"?")
        # What was stored a moment ago may be on its way to a record.
        done = await keep_up(desk.pool, desk.store, desk.settings)
        assert done["objects"] == 0
        done = await keep_up(desk.pool, OldStore(desk.store), desk.settings)
        assert done["objects"] == 4
        assert await stored(desk) == kept

    at_desk(work)


def test_drafts_and_stages_age(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        user = await desk.user()
        draft, fresh, old = [await desk.scan(user) for _ in range(3)]
        await desk.execute(
            "update scans set created_at = now() - interval '9 days' where id in (%s, %s)",
            draft,
            fresh,
        )
        await desk.upload(fresh, "today.jpg", b"1")  # somebody is at work on it
        await desk.execute(
            "update scans set state = 'done', finished_at = now() - interval '15 days' "
            "where id = %s",
            old,
        )
        await desk.store.put(stage_object(old, "depth", "abc"), b"tar")
        done = await keep_up(desk.pool, desk.store, desk.settings)
        assert (done["scans"], done["stages"]) == (1, 1)
        left = {row["id"] for row in await desk.rows("select id from scans")}
        assert left == {fresh, old}
        strict = desk.settings.model_copy(update={"retention_days": 10})
        await keep_up(desk.pool, desk.store, strict)
        assert {row["id"] for row in await desk.rows("select id from scans")} == {fresh}

    at_desk(work)


def test_deleted_accounts_go_with_all_they_have(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        user, other = await desk.user(), await desk.user()
        for owner in (user, other):
            await desk.scan(owner)
        await desk.execute("update users set deleted_at = now() where id = %s", user)
        await keep_up(desk.pool, desk.store, desk.settings)
        assert [row["id"] for row in await desk.rows("select id from users")] == [other]
        assert len(await desk.rows("select id from scans")) == 1
        assert len(await desk.rows("select 1 from procrastinate_jobs where task_name='erase'")) == 2

    at_desk(work)


def test_tidying_keeps_what_the_last_revision_needs(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user(), "done")
        await with_result(desk, scan, f"scans/{scan}/results/kept")
        await desk.store.put(f"scans/{scan}/results/lost", b"of a lost attempt")
        keep, drop = stage_object(scan, "mesh", "new"), stage_object(scan, "mesh", "old")
        for key in (keep, drop):
            await desk.store.put(key, b"tar")
        shop: Any = Workshop("w", desk.pool, desk.store, desk.settings, Path("/"), asyncio.Event())
        await desk.execute("update scans set state = 'running' where id = %s", scan)
        assert await tidy_scan(shop, str(scan), [keep]) == 0  # its files may be on their way
        await desk.execute("update scans set state = 'done' where id = %s", scan)
        assert await tidy_scan(shop, str(scan), [keep]) == 2
        found = {key async for key, _ in desk.store.list(f"scans/{scan}/")}
        assert found == {keep, f"scans/{scan}/results/kept"}

    at_desk(work)


def test_stages_come_back_by_their_keys(at_desk: AtDesk, tmp_path: Path) -> None:
    async def work(desk: Any) -> None:
        scan = uuid4()
        for stage in ("photos", "depth"):
            folder = tmp_path / "one" / "stages" / stage
            folder.mkdir(parents=True)
            (folder / "content").write_bytes(os.urandom(100_000))
            (folder / "record.json").write_text("{}")
            await store_stage(desk.store, scan, tmp_path / "one", stage, f"key-{stage}")
        await desk.store.put(stage_object(scan, "surface", "key-surface"), b"no archive at all")
        keys = {"photos": "key-photos", "depth": "another", "surface": "key-surface"}
        assert await restore_stages(desk.store, scan, tmp_path / "two", keys) == ["photos"]
        stages = tmp_path / "two" / "stages"
        assert [path.name for path in stages.iterdir()] == ["photos"]
        assert (stages / "photos" / "content").read_bytes() == (
            tmp_path / "one" / "stages" / "photos" / "content"
        ).read_bytes()

    at_desk(work)


def test_a_storage_that_is_away_costs_time_only(tmp_path: Path) -> None:
    from gypsum.service.storage import StorageError

    async def put(*_: Any) -> None:
        raise StorageError("away")

    store: Any = SimpleNamespace(put=put)
    (tmp_path / "stages" / "photos").mkdir(parents=True)
    asyncio.run(store_stage(store, uuid4(), tmp_path, "photos", "key"))


def test_numbers_are_those_of_the_records(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        user = await desk.user()
        await desk.start(await desk.scan(user))
        await desk.scan(user, "failed")
        await desk.execute(
            "insert into workers (name, needs, concurrency, version) values ('w', '{cpu}', 1, '1')"
        )
        async with desk.pool.connection() as connection:
            lines = (await metrics_text(connection)).splitlines()
        assert 'gypsum_scans{state="queued"} 1.0' in lines
        assert 'gypsum_scans{state="failed"} 1.0' in lines
        assert 'gypsum_queue_depth{needs="cpu"} 1.0' in lines
        assert "gypsum_workers 1.0" in lines

    at_desk(work)

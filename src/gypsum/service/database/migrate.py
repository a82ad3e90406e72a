"""Brings a database to the tables that this version of the service works with."""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg

log = logging.getLogger(__name__)

#: Of the lock that lets one process migrate at a time; any number that nothing else uses.
_LOCK = 0x67797073756D
#: Who a migration comes from: this package, or the job engine, which brings its own.
_OURS, _JOBS = "gypsum", "procrastinate"


def migrate(url: str) -> list[str]:
    """Apply what is missing, each file in a transaction of its own; the names of those applied.

    May be called by several processes at once: they wait for each other.
    """
    applied = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            "create table if not exists migrations (source text, name text, "
            "at timestamptz not null default now(), primary key (source, name))"
        )
        for source, scripts in ((_JOBS, _jobs_scripts(connection)), (_OURS, _our_scripts())):
            for name, script in scripts:
                if not _known(connection, source, name):
                    log.info("migrating the database: %s %s", source, name)
                    _apply(connection, source, name, script)
                    applied.append(f"{source}/{name}")
    return applied


def _our_scripts() -> list[tuple[str, str]]:
    folder = resources.files("gypsum.service.database") / "migrations"
    files = sorted((file for file in folder.iterdir()), key=lambda file: file.name)
    return [(file.name, file.read_text("utf-8")) for file in files if file.name.endswith(".sql")]


def _jobs_scripts(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """The job engine's whole schema for an empty database, else what its later versions changed.

    The schema is that of the installed version: what it has in migrations is in it already.
    """
    from procrastinate.schema import SchemaManager

    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    scripts = [(file.name, file.read_text("utf-8")) for file in files]
    if _known(connection, _JOBS, "schema"):
        return scripts
    with connection.transaction():
        _record(connection, _JOBS, *(name for name, _ in scripts))
    return [("schema", SchemaManager.get_schema())]


def _known(connection: psycopg.Connection[Any], source: str, name: str) -> bool:
    found = connection.execute(
        "select 1 from migrations where source = %s and name = %s", [source, name]
    )
    return found.fetchone() is not None


def _apply(connection: psycopg.Connection[Any], source: str, name: str, script: str) -> None:
    with connection.transaction():
        # Without parameters a script may hold several statements, and its % are its own.
        connection.execute(script.encode())
        _record(connection, source, name)


def _record(connection: psycopg.Connection[Any], source: str, *names: str) -> None:
    for name in names:
        connection.execute(
            "insert into migrations (source, name) values (%s, %s) on conflict do nothing",
            [source, name],
        )

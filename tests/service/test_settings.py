"""Settings: declared once, read from flags and the environment, written down."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gypsum.errors import InputError
from gypsum.service.settings import (
    ServiceSettings,
    as_environment,
    reference,
    service_settings,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_flags_win_over_variables(tmp_path: Path) -> None:
    environment = {"GYPSUM_PORT": "9000", "GYPSUM_HOST": "0.0.0.0", "GYPSUM_USER_BYTES": "2GiB"}
    settings = service_settings({"port": 9001, "data": tmp_path}, environment)
    assert (settings.port, settings.host, settings.user_bytes) == (9001, "0.0.0.0", 2 << 30)


def test_the_usual_name_of_a_database() -> None:
    usual = {"DATABASE_URL": "postgresql://a/b"}
    assert service_settings({}, usual).database_url == "postgresql://a/b"
    own = {**usual, "GYPSUM_DATABASE_URL": "postgresql://c/d"}
    assert service_settings({}, own).database_url == "postgresql://c/d"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("port", "70000"),
        ("file_bytes", "0"),
        ("database_url", "mysql://a/b"),
        ("storage_url", "ftp://a/b"),
        ("public_url", "scan.example.org"),
        ("smtp_url", "localhost:25"),
    ],
)
def test_what_can_not_be_set(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"The setting {name} .*\\.$"):
        service_settings({}, {f"GYPSUM_{name.upper()}": value})


def test_children_get_the_same_settings(tmp_path: Path) -> None:
    given = {
        "data": tmp_path,
        "closed": True,
        "scan_memory": "3GiB",
        "database_url": "postgresql://a/b",
        "secret": "abc",
    }
    settings = service_settings(given, {})
    assert service_settings({}, as_environment(settings)) == settings


def test_the_address_for_users() -> None:
    assert service_settings({"host": "0.0.0.0"}, {}).url == "http://localhost:8000"
    assert service_settings({"host": "fd00::1"}, {}).url == "http://[fd00::1]:8000"
    public = service_settings({"public_url": "https://scan.example.org/"}, {})
    assert (public.url, public.secure) == ("https://scan.example.org", True)


def test_one_secret_for_processes_that_start_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [ServiceSettings(data=tmp_path / "data") for _ in range(16)]
        keys = set(pool.map(lambda settings: settings.signing_key, made))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    files = list((tmp_path / "data").iterdir())
    assert [file.name for file in files] == ["secret"]
    if os.name == "posix":
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_every_setting_is_written_down() -> None:
    assert reference() in (DOCS / "service.md").read_text("utf-8")


@pytest.mark.parametrize("name", ServiceSettings.model_fields)
def test_every_setting_has_one_line_of_help(name: str) -> None:
    text = ServiceSettings.model_fields[name].description
    assert text
    assert "\n" not in text
    assert text.endswith(".")

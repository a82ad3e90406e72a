"""What ``make web`` built: of these sources, small, and fit for a strict policy."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

BUILT = CHECKOUT / "src" / "gypsum" / "service" / "page"
WEB = CHECKOUT / "web"
SOURCES = ("build.mjs", "package-lock.json", "package.json", "index.html", "src", "public")

#: Bytes over the wire before the first page shows.
SHELL_MOST = 60_000


def files_in(path: Path) -> list[Path]:
    """In the order in which ``build.mjs`` reads them."""
    if path.is_file():
        return [path]
    return [found for each in sorted(path.iterdir()) for found in files_in(each)]


def test_the_page_was_built_of_these_sources() -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(WEB).as_posix()}\n"
        for name in SOURCES
        for path in files_in(WEB / name)
    ]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    built = (BUILT / "SOURCES.sha256").read_text().strip()
    assert built == digest, "the page is older than its sources: run make web"


def test_the_page_runs_no_text_of_its_own_and_asks_nobody_else() -> None:
    page = (BUILT / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    for script in re.findall(r"<script[^>]*>(.*?)</script>", page):
        assert script == ""
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith("/")
        assert (BUILT / address.lstrip("/")).is_file()


def test_the_shell_is_small_and_three_comes_later() -> None:
    page = (BUILT / "index.html").read_text()
    shell = re.findall(r'(?:src|href)="/(assets/[^"]*)"', page)
    assert len(shell) == 3
    # What a script imports at once counts as well; import() does not.
    waiting, seen = list(shell), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        text = (BUILT / name).read_text()
        waiting += [f"assets/{found}" for found in re.findall(r'from"\./([^"]+)"', text)]
    assert sum(len(gzip.compress((BUILT / name).read_bytes())) for name in seen) < SHELL_MOST


def test_it_can_be_installed() -> None:
    manifest = json.loads((BUILT / "manifest.webmanifest").read_text())
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert (BUILT / icon["src"].lstrip("/")).is_file()
    assert "/api/" in (BUILT / "sw.js").read_text()


def test_libraries_are_named_with_their_licences() -> None:
    licences = (BUILT / "LICENSES.txt").read_text()
    for name, version in json.loads((WEB / "package.json").read_text())["dependencies"].items():
        assert f"{name} {version}\n" in licences
    assert "GNU" not in licences


def test_the_types_are_those_of_the_api() -> None:
    pytest.importorskip("fastapi", reason="needs gypsum[server]")
    source = CHECKOUT / "scripts" / "web_types.py"
    spec = importlib.util.spec_from_file_location("web_types", source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wanted = module.written(module.described())
    assert module.TARGET.read_text() == wanted, "run python scripts/web_types.py and make web"


def test_viewer_and_page_have_the_same_libraries() -> None:
    script = (CHECKOUT / "scripts" / "viewer_libraries.sh").read_text()
    versions = json.loads((WEB / "package.json").read_text())["dependencies"]
    assert f"THREE={versions['three']} SPARK={versions['@sparkjsdev/spark']}" in script

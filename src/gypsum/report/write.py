"""Writing ``report.json`` and ``report.html``."""

from __future__ import annotations

from pathlib import Path

from gypsum.formats.atomic import atomic_write
from gypsum.report.coverage import Coverage
from gypsum.report.page import render_page
from gypsum.report.schema import ReportData


def write_report(
    workspace: Path,
    data: ReportData,
    previews: Path | None = None,
    coverage: Coverage | None = None,
) -> list[Path]:
    """Write ``report.json`` and ``report.html`` into ``workspace``; returns the two paths.

    The pictures are taken from ``previews``, by default the folder of that name in the workspace;
    ``coverage`` is drawn beside the cameras.
    """
    folder = previews or workspace / "previews"
    pages = {
        workspace / "report.json": data.model_dump_json(indent=1) + "\n",
        workspace / "report.html": render_page(data, folder, coverage),
    }
    for path, text in pages.items():
        with atomic_write(path) as file:
            file.write(text.encode())
    return list(pages)

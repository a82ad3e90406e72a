"""``gypsum stages``: what a workspace holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gypsum.cli.display import duration
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import fields, format_bytes
from gypsum.workspace import Step

#: Options with which one may ask what would run again.
_WHAT_IF = ("quality", "faces", "texture", "format", "refine", "watertight", "until", "json")


@with_options({name: fields()[name] for name in _WHAT_IF})
def stages(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A scan's workspace.", show_default=False)
    ],
    **options: Any,
) -> None:
    """Show what a workspace holds, how long each stage took, and what would run again and why.

    With options, it tells what another scan with them would run again.
    """
    as_json = bool(options.pop("json"))
    with explained(lambda: folder / "logs"):
        from gypsum.pipelines.scan import inspect_workspace

        steps = inspect_workspace(folder, **options)
        if as_json:
            print(json.dumps([_row(step) for step in steps], ensure_ascii=False))
        else:
            _print(steps)


def _row(step: Step) -> dict[str, Any]:
    record = step.record
    return {
        "stage": step.stage.name,
        "label": step.stage.label,
        "kept": step.kept,
        "reason": step.reason,
        "seconds": record.seconds if record else None,
        "cpu_seconds": record.cpu_seconds if record else None,
        "peak_bytes": record.peak_bytes if record else None,
    }


def _print(steps: list[Step]) -> None:
    table = Table(box=None, pad_edge=False)
    for name, side in (("Stage", "left"), ("", "left"), ("Time", "right"), ("Memory", "right")):
        table.add_column(name, justify="right" if side == "right" else "left")
    table.add_column("Next run")
    for step in steps:
        record = step.record
        table.add_row(
            step.stage.name,
            step.stage.label,
            duration(record.seconds) if record else "",
            format_bytes(record.peak_bytes) if record else "",
            "kept" if step.kept else f"runs: {step.reason}",
        )
    # A pipe has no width to fit into, and needs no padding.
    console = Console(width=None if sys.stdout.isatty() else 300)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())

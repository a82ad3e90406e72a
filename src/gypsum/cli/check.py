"""``gypsum check``: whether photos will make a good model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gypsum.cli.display import bar, duration
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import CheckOptions, fields, format_bytes
from gypsum.workspace.events import Event, StageProgress, StageStarted

if TYPE_CHECKING:
    from gypsum.pipelines.check import CheckResult

#: Exit status when something speaks against a scan of the photos.
NOT_USABLE = 4


@with_options({**CheckOptions.model_fields, "json": fields()["json"]})
def check(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="Folders, photos, clips or zip files, as for a scan.",
            show_default=False,
        ),
    ],
    **options: Any,
) -> None:
    """Tell whether photos will make a good model, and what to do if not.

    Exit status: 0 when they will, 4 when something speaks against it, 2 when they can't be read.

    Example: gypsum check photos/ -o check.html
    """
    as_json = bool(options.pop("json"))
    usable = True
    with explained(lambda: None):
        from gypsum.pipelines.check import check as run
        from gypsum.pipelines.check import to_json

        with bar("Checking the photos") as progress:

            def listen(event: Event) -> None:
                if isinstance(event, StageProgress):
                    progress(event.overall, event.doing)
                elif isinstance(event, StageStarted):
                    progress(0.0, event.label)

            result = run(inputs, progress=listen, **options)
        usable = result.usable
        if as_json:
            print(to_json(result))
        else:
            _print(result)
    if not usable:
        sys.exit(NOT_USABLE)


def _print(result: CheckResult) -> None:
    """The verdict, every figure beside its limit, what to do, and what a scan would take."""
    from gypsum.pipelines.check import figure

    if not result.photos:
        print(result.reason)
        return
    wide = max(len(measure.what) for measure in result.measures)
    print(f"{len(result.photos)} photos, checked in {duration(result.seconds)}.\n")
    for measure in result.measures:
        value, limit = (figure(v, measure.unit) for v in (measure.value, measure.limit))
        mark = "" if measure.good else "  <-- beyond the limit"
        print(f"  {measure.what:<{wide}}  {value:>14}  limit: {measure.bound} {limit}{mark}")
    print()
    for finding in result.findings:
        print(f"{finding.severity.value.capitalize()}: {finding.what}\n  {finding.do}")
        if 0 < len(finding.photos) < len(result.photos):
            print(f"  {_few(finding.photos)}")
    for file in result.skipped:
        print(f"Left out: {file.name} {file.reason}.")
    print(f"\n{result.reason}")
    costs = (
        f"{one.quality} {duration(one.seconds)} and {format_bytes(one.memory)}"
        for one in result.estimates
    )
    print(f"A scan here takes about: {'; '.join(costs)}.")
    if result.sheet is not None:
        print(f"Contact sheet: {result.sheet}")


def _few(names: tuple[str, ...], most: int = 12) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest

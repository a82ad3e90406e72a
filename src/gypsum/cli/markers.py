"""``gypsum markers``: a sheet of markers to print."""

from __future__ import annotations

from typing import Any

from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import MarkersOptions


@with_options(MarkersOptions.model_fields)
def markers(**options: Any) -> None:
    """Make a sheet of AprilTags to print and lay beside the object: they tell its size.

    Example: gypsum markers -o markers.pdf --size 5cm
    """
    with explained(lambda: None):
        from gypsum.formats.markers import lay_out, write_sheet
        from gypsum.options import markers_options

        asked = markers_options(options)
        sheet = lay_out(asked.size, asked.page, first=asked.first, count=asked.count)
        write_sheet(asked.output, sheet)
        millimetres = f"{1000 * asked.size:g}mm"
        print(f"{asked.output} has {len(sheet.names)} markers of {millimetres}. Print it at 100 %,")
        print(f"lay markers beside the object, and scan with --marker-size {millimetres}.")

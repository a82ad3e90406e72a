"""The command line: one file per command; each parses, calls the API and prints."""

from __future__ import annotations

import sys

from gypsum.cli.reporting import INTERRUPTED


def main() -> None:
    """Run ``gypsum``."""
    try:
        from gypsum.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


__all__ = ["main"]

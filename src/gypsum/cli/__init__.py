"""The command line: one file per command; each parses, calls the API and prints."""

from __future__ import annotations

import signal
import sys

from gypsum.cli.reporting import INTERRUPTED


def main() -> None:
    """Run ``gypsum``."""
    # Started in the background by a script, a program ignores Ctrl-C unless it says otherwise.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        from gypsum.cli.app import app
        from gypsum.cli.parameters import join_words

        app(join_words(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


__all__ = ["main"]

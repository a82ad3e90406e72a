"""How a command ends: exit codes, and one sentence instead of a stack trace."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gypsum.errors import GypsumError

#: Exit status after Ctrl-C, as shells have it.
INTERRUPTED = 130

#: Exit status after a defect of ours.
_DEFECT = 3


@contextmanager
def explained(
    log_folder: Callable[[], Path | None], failed: Callable[[str, int], None] | None = None
) -> Iterator[None]:
    """Turn whatever ends a command into a sentence on standard error and an exit status.

    Args:
        log_folder: where a stack trace may be left.
        failed: told the sentence and the exit status too.
    """
    try:
        yield
    except KeyboardInterrupt:
        message, status = (
            "Stopped. Nothing that was complete is lost: run the same command again to go on.",
            INTERRUPTED,
        )
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except GypsumError as error:
        message, status = str(error), error.exit_code
    except Exception as error:
        log = _write_trace(log_folder())
        message, status = f"Gypsum failed ({type(error).__name__}); details are in {log}.", _DEFECT
    else:
        return
    print(f"gypsum: {message}", file=sys.stderr, flush=True)
    if failed is not None:
        failed(message, status)
    sys.exit(status)


def _write_trace(folder: Path | None) -> Path:
    trace = traceback.format_exc()
    try:
        if folder is not None and folder.is_dir():
            path = folder / "gypsum.log"
            path.write_text(trace, "utf-8")
            return path
    except OSError:
        pass  # the folder may be what failed: leave the trace in the system's temporary folder
    with tempfile.NamedTemporaryFile("w", suffix=".log", prefix="gypsum-", delete=False) as file:
        file.write(trace)
        return Path(file.name)

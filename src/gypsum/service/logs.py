"""Logs of the service: a line of JSON each, for people with jq and for collectors of logs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

#: Loggers that tell of each step of theirs.
_TALKATIVE = ("procrastinate", "psycopg", "psycopg.pool")


class JsonLines(logging.Formatter):
    """``{"at": …, "level": …, "logger": …, "message": …}``, with the trace of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send all logs of this process to standard error, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

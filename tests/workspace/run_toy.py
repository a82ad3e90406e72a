"""Runs the toy chain as a program of its own, so that tests can kill it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import toy_stages

from gypsum.errors import GypsumError
from gypsum.workspace import Limits, Source, Workspace, run_pipeline

# As in a terminal, also where the tests run in the background, which ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

workspace, pipeline = Path(sys.argv[1]), sys.argv[2]
source = workspace.parent / "photo.txt"
chosen = toy_stages.CHAIN if pipeline == "chain" else toy_stages.one(pipeline)
try:
    run_pipeline(
        chosen,
        Workspace(workspace),
        Source("digest", (source,)),
        {**toy_stages.SETTINGS, **json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}")},
        Limits(1, 2**30),
        listener=lambda event: print(event.to_json(), flush=True),
    )
except GypsumError as error:
    sys.exit(str(error))

"""A training that was interrupted goes on from here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gypsum.formats.atomic import atomic_write
from gypsum.splats.exposure import Exposures
from gypsum.splats.state import State


def save(path: Path, state: State) -> None:
    """Write all that training goes on from."""
    rest = {
        "iteration": state.iteration,
        "seconds": state.seconds,
        "queue": state.queue,
        "begun_with": state.begun_with,
        "rng": state.rng.bit_generator.state,
    }
    exposures = state.exposures
    with atomic_write(path) as file:
        np.savez(
            file,
            rows=state.rows,
            first=state.first,
            second=state.second,
            scores=state.scores,
            exposure_maps=exposures.maps,
            exposure_first=exposures.first,
            exposure_second=exposures.second,
            exposure_steps=exposures.steps,
            rest=np.array(json.dumps(rest)),
        )


def load(path: Path) -> State:
    """Read what :func:`save` wrote."""
    with np.load(path, allow_pickle=False) as data:
        rest = json.loads(str(data["rest"]))
        rng = np.random.default_rng()
        rng.bit_generator.state = rest["rng"]
        exposures = Exposures(
            data["exposure_maps"],
            data["exposure_first"],
            data["exposure_second"],
            data["exposure_steps"],
        )
        return State(
            data["rows"],
            data["first"],
            data["second"],
            data["scores"],
            exposures,
            rng,
            rest["begun_with"],
            rest["iteration"],
            rest["seconds"],
            rest["queue"],
        )

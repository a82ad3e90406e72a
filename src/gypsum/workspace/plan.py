"""What runs again, and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gypsum.options import Settings
from gypsum.workspace.folder import StageRecord, Workspace
from gypsum.workspace.stage import Source, Stage


@dataclass(frozen=True)
class Step:
    """A stage with its place in a plan."""

    stage: Stage
    key: str
    ingredients: dict[str, Any]
    record: StageRecord | None
    """The result that is kept; None when the stage runs."""
    reason: str
    """Why it runs, a few words; empty when it is kept."""

    @property
    def kept(self) -> bool:
        """Whether an earlier result is used again."""
        return self.record is not None


def plan(
    stages: Iterable[Stage], workspace: Workspace, source: Source, settings: Settings
) -> list[Step]:
    """Compare what the workspace holds with what ``source`` and ``settings`` ask for."""
    steps: dict[str, Step] = {}
    for stage in stages:
        ingredients = _ingredients(stage, steps, source, settings)
        key = _hash(ingredients)
        record = workspace.record(stage.name)
        if record is not None and record.key == key:
            steps[stage.name] = Step(stage, key, ingredients, record, "")
        else:
            reason = _reason(stage, key, ingredients, workspace)
            steps[stage.name] = Step(stage, key, ingredients, None, reason)
    return list(steps.values())


def _ingredients(
    stage: Stage, steps: dict[str, Step], source: Source, settings: Settings
) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "version": stage.version,
        "settings": {name: settings[name] for name in stage.settings},
        "needs": {name: steps[name].key for name in stage.needs},
        "source": "" if stage.needs else source.digest,
    }


def _hash(ingredients: dict[str, Any]) -> str:
    text = json.dumps(ingredients, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _reason(
    stage: Stage,
    key: str,
    ingredients: dict[str, Any],
    workspace: Workspace,
) -> str:
    begun = workspace.begun(stage.name)
    if begun is None:
        return "not run yet"
    if begun.get("key") == key:
        record = workspace.last_record(stage.name)
        return f"its file {workspace.damage(record)} changed" if record else "was interrupted"
    return _difference(begun.get("ingredients", {}), ingredients)


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first ingredient that differs, in words."""
    if old.get("source") != new["source"]:
        return "the photos changed"
    if old.get("version") != new["version"]:
        return "made by another version of Gypsum"
    before, after = old.get("settings", {}), new["settings"]
    changes = [
        f"{name} changed {before.get(name)} → {after.get(name)}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if changes:
        return ", ".join(changes)
    needs = [name for name, key in new["needs"].items() if key != old.get("needs", {}).get(name)]
    return f"follows {needs[0]}" if needs else "its needs changed"

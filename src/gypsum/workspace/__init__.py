"""A scan's folder on disk and the runner that fills it stage by stage, with resume."""

from gypsum.workspace.events import Event, Listener
from gypsum.workspace.folder import StageRecord, Workspace
from gypsum.workspace.plan import Step, plan
from gypsum.workspace.run import Limits, run_pipeline
from gypsum.workspace.stage import Pipeline, Source, Stage, StageContext

__all__ = [
    "Event",
    "Limits",
    "Listener",
    "Pipeline",
    "Source",
    "Stage",
    "StageContext",
    "StageRecord",
    "Step",
    "Workspace",
    "plan",
    "run_pipeline",
]

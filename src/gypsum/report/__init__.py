"""What a scan tells about itself: numbers, pictures, and what to do better next time."""

from gypsum.report.facts import (
    describe_cameras,
    describe_machine,
    describe_surface,
    describe_versions,
    now,
)
from gypsum.report.schema import (
    Cameras,
    Dense,
    ExportedFile,
    LostPhoto,
    Machine,
    Photos,
    RegisteredPhoto,
    ReportData,
    StageTiming,
    Surface,
    Texture,
)
from gypsum.report.write import write_report

__all__ = [
    "Cameras",
    "Dense",
    "ExportedFile",
    "LostPhoto",
    "Machine",
    "Photos",
    "RegisteredPhoto",
    "ReportData",
    "StageTiming",
    "Surface",
    "Texture",
    "describe_cameras",
    "describe_machine",
    "describe_surface",
    "describe_versions",
    "now",
    "write_report",
]

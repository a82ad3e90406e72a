"""What a scan tells about itself: numbers, pictures, and what to do better next time."""

from gypsum.report.contact import Remark, Sheet, Tile, check_sheet, write_sheet
from gypsum.report.coverage import draw_coverage, find_coverage
from gypsum.report.evidence import draw_evidence
from gypsum.report.facts import (
    describe_cameras,
    describe_frame,
    describe_machine,
    describe_surface,
    describe_versions,
    now,
)
from gypsum.report.outlines import draw_outlines, outline
from gypsum.report.previews import PreviewFacts, write_model_previews, write_previews
from gypsum.report.render import Eye, Renderer, Shading, on_backdrop, render
from gypsum.report.schema import (
    Cameras,
    Dense,
    ExportedFile,
    Featureless,
    LostPhoto,
    Machine,
    Photos,
    Points,
    Radiance,
    RegisteredPhoto,
    ReportData,
    Room,
    StageTiming,
    Surface,
    Terrain,
    Texture,
)
from gypsum.report.write import write_report

__all__ = [
    "Cameras",
    "Dense",
    "ExportedFile",
    "Eye",
    "Featureless",
    "LostPhoto",
    "Machine",
    "Photos",
    "Points",
    "PreviewFacts",
    "Radiance",
    "RegisteredPhoto",
    "Remark",
    "Renderer",
    "ReportData",
    "Room",
    "Shading",
    "Sheet",
    "StageTiming",
    "Surface",
    "Terrain",
    "Texture",
    "Tile",
    "check_sheet",
    "describe_cameras",
    "describe_frame",
    "describe_machine",
    "describe_surface",
    "describe_versions",
    "draw_coverage",
    "draw_evidence",
    "draw_outlines",
    "find_coverage",
    "now",
    "on_backdrop",
    "outline",
    "render",
    "write_model_previews",
    "write_previews",
    "write_report",
    "write_sheet",
]

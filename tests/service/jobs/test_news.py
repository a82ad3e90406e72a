"""What a scan's process says, as others hear it."""

from __future__ import annotations

from gypsum.service.jobs.news import News


def test_nobody_hears_where_files_lie() -> None:
    news = News()
    files = [{"name": "models/vase.glb", "path": "/data/scratch/one/scan.gypsum/models/vase.glb"}]
    news.hear({"event": "done", "workspace": "/data/x", "report": "/data/x/report.html",
               "files": files, "left": None, "message": "Done in 3 s / 4 s."})  # fmt: skip
    _, events = news.take()
    assert events == [
        (
            "done",
            {
                "report": "report.html",
                "files": [{"name": "models/vase.glb", "path": "vase.glb"}],
                "left": None,
                "message": "Done in 3 s / 4 s.",
            },
        )
    ]

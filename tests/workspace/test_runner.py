"""The runner on toy pipelines: what runs, what is kept, and what is said when something breaks."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy_stages
from toy_stages import CHAIN, SETTINGS, executions, one

from gypsum.errors import GypsumError, InputError, ReconstructionError, ResourceError
from gypsum.workspace import (
    Event,
    Limits,
    Pipeline,
    Source,
    StageRecord,
    Workspace,
    plan,
    run_pipeline,
)
from gypsum.workspace.events import StageFinished, StageProgress, Warned


class Bench:
    """A folder with a source file and a workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace(folder / "scan.gypsum")
        self.photo = folder / "photo.txt"
        self.photo.write_text("a photo")
        self.events: list[Event] = []

    @property
    def source(self) -> Source:
        return Source(self.photo.read_text(), (self.photo,))

    def run(
        self,
        pipeline: Pipeline = CHAIN,
        until: str | None = None,
        listener: Callable[[Event], None] | None = None,
        **settings: Any,
    ) -> list[StageRecord]:
        """Run; ``ran`` then tells what did."""
        self.events = []
        return run_pipeline(
            pipeline,
            self.workspace,
            self.source,
            {**SETTINGS, **settings},
            Limits(2, 3 * 2**30),
            until,
            listener or self.events.append,
        )

    def fails(self, kind: type[GypsumError], function: str) -> str:
        """The sentence with which a pipeline of one stage fails."""
        with pytest.raises(kind) as caught:
            self.run(one(function))
        message = str(caught.value)
        assert "\n" not in message
        assert "Traceback" not in message
        return message

    @property
    def ran(self) -> list[str]:
        return [e.stage for e in self.events if isinstance(e, StageFinished) and not e.kept]

    @property
    def kept(self) -> list[str]:
        return [e.stage for e in self.events if isinstance(e, StageFinished) and e.kept]

    def result(self, name: str) -> str:
        return (self.workspace.stage(name) / "result.txt").read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


ALL = ["photos", "depth", "mesh", "paint", "report"]


def test_a_second_run_keeps_everything(bench: Bench) -> None:
    first = bench.run()
    assert bench.ran == ALL
    assert bench.run() == first
    assert bench.kept == ALL
    assert executions(bench.folder) == ALL


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("depth_side", ["depth", "mesh", "paint", "report"]),
        ("faces", ["mesh", "paint", "report"]),
        ("texture", ["paint", "report"]),
    ],
)
def test_a_changed_setting_runs_only_what_depends_on_it(
    bench: Bench, setting: str, again: list[str]
) -> None:
    bench.run()
    before = {name: bench.result(name) for name in ALL}
    bench.run(**{setting: 7})
    assert bench.ran == again
    changed = [name for name in ALL if bench.result(name) != before[name]]
    assert changed == again
    bench.run()
    assert {name: bench.result(name) for name in ALL} == before


def test_other_photos_run_everything(bench: Bench) -> None:
    bench.run()
    bench.photo.write_text("another photo")
    bench.run()
    assert bench.ran == ALL


def test_until_stops_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.run(until="dense")
    assert bench.ran == ["photos", "depth", "report"]
    bench.run()
    assert bench.kept == ["photos", "depth"]
    assert bench.ran == ["mesh", "paint", "report"]


def test_a_lost_or_changed_file_is_made_again(bench: Bench) -> None:
    bench.run()
    result = bench.result("mesh")
    (bench.workspace.stage("mesh") / "part3.txt").unlink()
    bench.run()
    assert bench.ran == ["mesh"]
    assert bench.result("mesh") == result


def test_reasons_say_what_changed(bench: Bench) -> None:
    def reasons(source: Source, **settings: Any) -> dict[str, str]:
        steps = plan(CHAIN.stages, bench.workspace, source, {**SETTINGS, **settings})
        return {step.stage.name: step.reason for step in steps}

    assert reasons(bench.source)["depth"] == "not run yet"
    bench.run()
    assert set(reasons(bench.source).values()) == {""}
    changed = reasons(bench.source, faces=50)
    assert changed["depth"] == ""
    assert changed["mesh"] == "faces changed 1000 → 50"
    assert changed["paint"] == "follows mesh"
    assert reasons(Source("other", ()))["photos"] == "the photos changed"
    (bench.workspace.stage("mesh") / "record.json").unlink()
    assert reasons(bench.source)["mesh"] == "was interrupted"
    (bench.workspace.stage("depth") / "part1.txt").write_text("longer than before")
    assert reasons(bench.source)["depth"] == "its file part1.txt changed"


def test_a_record_tells_time_memory_and_files(bench: Bench) -> None:
    (record,) = bench.run(one("allocates"))
    assert 200 * 2**20 < record.peak_bytes < 400 * 2**20
    assert record.seconds > 0
    assert record.cpu_seconds > 0
    assert record.files == {"result.txt": 64}
    assert not record.continued


def test_peak_memory_is_the_stages_own(bench: Bench) -> None:
    block = bytearray(300 * 2**20)
    block[::4096] = bytes(len(block[::4096]))
    (record,) = bench.run(one("plain"))
    assert record.peak_bytes < 200 * 2**20
    del block


def test_limits_reach_the_stage(bench: Bench) -> None:
    (record,) = bench.run(one("tells_limits"))
    assert record.facts == {"threads": 2, "memory": 3 * 2**30, "omp": "2"}


def test_published_files_follow_the_results(bench: Bench) -> None:
    def listing() -> list[str]:
        models = bench.workspace.root / "models"
        return sorted(path.name for path in models.iterdir()) if models.exists() else []

    export = toy_stages.stage("x", "folder_output", settings=("names",), publishes=("models",))
    pipeline = Pipeline("p", (toy_stages.stage("photos", "first"), export))
    bench.run(pipeline, names=["a.glb", "b.obj"])
    assert listing() == ["a.glb", "b.obj"]
    bench.run(pipeline, names=["a.glb", "c.ply"])
    assert listing() == ["a.glb", "c.ply"]
    (bench.workspace.root / "models" / "a.glb").unlink()
    bench.run(pipeline, names=["a.glb", "c.ply"])
    assert listing() == ["a.glb", "c.ply"]
    bench.photo.write_text("other")
    bench.run(pipeline, until="photos", names=["a.glb"])
    assert listing() == []


def test_editing_a_published_file_leaves_the_result_alone(bench: Bench) -> None:
    bench.run()
    with (bench.workspace.root / "result.txt").open("r+") as file:
        file.write("edited")
    assert not bench.result("photos").startswith("edited")


def test_warnings_are_heard_again_when_the_stage_is_kept(bench: Bench) -> None:
    for _ in range(2):
        bench.run(one("warns"))
        (warning,) = [event for event in bench.events if isinstance(event, Warned)]
        assert "b.jpg" in warning.message


def test_progress_reaches_the_end_and_never_falls(bench: Bench) -> None:
    bench.run()
    for name in ALL[:4]:
        shares = [e.done for e in bench.events if isinstance(e, StageProgress) and e.stage == name]
        assert shares == sorted(shares)
    overall = [e.overall for e in bench.events if isinstance(e, StageProgress)]
    assert all(0 <= share <= 1 for share in overall)


def test_a_stage_may_print_anything(bench: Bench) -> None:
    bench.run(one("noisy"))
    log = bench.workspace.log("only").read_text()
    assert "fake" in log
    assert "to stderr" in log


def test_errors_for_people_keep_kind_and_words(bench: Bench) -> None:
    message = bench.fails(ReconstructionError, "refuses")
    assert message == "The photos do not overlap; take more of them."


def test_a_defect_is_a_sentence_and_the_rest_is_in_the_log(bench: Bench) -> None:
    message = bench.fails(ReconstructionError, "breaks")
    log = bench.workspace.log("only")
    assert "ValueError: unforeseen" in message
    assert str(log) in message
    assert "Traceback" in log.read_text()
    assert "the last words" in log.read_text()


@pytest.mark.parametrize(("function", "how"), [("segfaults", "Segm"), ("aborts", "Abort")])
def test_a_crash_is_a_sentence(bench: Bench, function: str, how: str) -> None:
    message = bench.fails(ReconstructionError, function)
    assert "crashed" in message
    assert how in message
    assert "same command" in message


def test_what_a_crash_left_is_not_trusted(bench: Bench) -> None:
    bench.fails(ReconstructionError, "segfaults")
    bench.run(one("plain"))
    assert not (bench.workspace.stage("only") / "half.txt").exists()


def test_what_a_kill_left_is_continued(bench: Bench) -> None:
    bench.fails(ResourceError, "killed")
    (record,) = bench.run(one("plain"))
    assert record.continued
    assert (bench.workspace.stage("only") / "half.txt").exists()


@pytest.mark.parametrize("function", ["killed", "exhausts_memory", "aborts_for_memory"])
def test_too_little_memory_is_a_sentence(bench: Bench, function: str) -> None:
    assert "not enough memory" in bench.fails(ResourceError, function)


def test_a_full_disk_is_a_sentence(bench: Bench) -> None:
    message = bench.fails(ResourceError, "fills_disk")
    assert "full" in message
    assert "same command" in message


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        bench = Bench(disk)
        assert "full" in bench.fails(ResourceError, "fills_real_disk")
        (bench.workspace.stage("only") / "big.bin").unlink()
        bench.run(one("plain"))
        assert bench.ran == ["only"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_stages_before_an_error_are_kept(bench: Bench) -> None:
    broken = Pipeline("p", (*CHAIN.stages[:2], toy_stages.stage("mesh", "refuses", "depth")))
    with pytest.raises(ReconstructionError):
        bench.run(broken)
    bench.run()
    assert bench.kept == ["photos", "depth"]


def test_two_runs_in_one_workspace_do_not_collide(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr("gypsum.workspace.folder.LOCK_PATIENCE", 0.2)
    bench.workspace.root.mkdir()
    with (bench.workspace.root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="in use by another run"):
            bench.run()
    bench.run()
    assert bench.ran == ALL


def test_an_exception_in_the_listener_stops_the_stage(bench: Bench) -> None:
    class CancelledError(Exception):
        pass

    def listener(event: Event) -> None:
        if isinstance(event, StageProgress) and event.doing == "hanging":
            raise CancelledError

    began = time.monotonic()
    with pytest.raises(CancelledError):
        bench.run(one("tells_pids"), listener=listener)
    assert time.monotonic() - began < 10
    pids = (bench.workspace.stage("only") / "pids.txt").read_text().split()
    # The stage's own process is waited for; one that it started was killed too, but takes a moment.
    while any(alive(int(pid)) for pid in pids) and time.monotonic() - began < 10:
        time.sleep(0.05)
    assert not any(alive(int(pid)) for pid in pids)


def test_runs_from_threads_at_the_same_time(tmp_path: Path) -> None:
    benches = []
    for i in range(3):
        (tmp_path / str(i)).mkdir()
        benches.append(Bench(tmp_path / str(i)))
    threads = [threading.Thread(target=bench.run) for bench in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bench.ran for bench in benches] == [ALL] * 3


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_text("a photo")
    program = [sys.executable, str(Path(__file__).parent / "run_toy.py"), str(tmp_path / "w")]
    subprocess.run([*program, "chain"], check=True, capture_output=True)
    assert executions(tmp_path) == ALL


def test_modules_in_the_current_folder_are_not_picked_up(bench: Bench, monkeypatch: Any) -> None:
    (bench.folder / "numpy.py").write_text("raise SystemExit('wrong numpy')")
    monkeypatch.chdir(bench.folder)
    bench.run(one("plain"))
    assert bench.ran == ["only"]


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_switched_off_stage_is_left_out_and_nothing_needs_it() -> None:
    pipeline = Pipeline(
        "p",
        (
            toy_stages.stage("photos", "first"),
            toy_stages.stage("polish", "first", "photos", when="polish"),
            toy_stages.stage("export", "first", "photos", "polish"),
        ),
    )
    assert pipeline.chosen({"polish": True}) == pipeline
    left = pipeline.chosen({"polish": False}).stages
    assert [stage.name for stage in left] == ["photos", "export"]
    assert left[1].needs == ("photos",)

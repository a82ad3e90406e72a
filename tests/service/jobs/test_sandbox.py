"""What a scan's processes can do, and that none outlives the scan."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gypsum.service.jobs import sandbox

#: Starts children that try to get away: in groups and sessions of their own, and told to stay.
FAMILY = """
import os, subprocess, sys, time
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
for new_session in (False, True):
    subprocess.Popen([sys.executable, "-c", code], start_new_session=new_session)
middle = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', " + repr(code) + \
    "], start_new_session=True)"
subprocess.run([sys.executable, "-c", middle])  # its child is nobody's now
print("ready", flush=True)
time.sleep(600)
"""


def place(tmp_path: Path, **options: Any) -> sandbox.Sandbox:
    folder = tmp_path / "scratch" / "scan"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return sandbox.Sandbox(folder, **options)


def run_inside(box: sandbox.Sandbox, code: str) -> str:
    """What a program prints in there."""
    command = box.command("unused")
    command[command.index("-m") :] = ["-c", code]
    done = subprocess.run(
        command, env=box.environment(), cwd=box.folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("wrapped", [True, False])
def test_none_gets_away(tmp_path: Path, wrapped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if wrapped and not sandbox.bubblewrap_works():
        pytest.skip("bubblewrap is missing or not allowed here")
    monkeypatch.setattr(sandbox, "bubblewrap_works", lambda: wrapped)
    box = place(tmp_path)

    async def work() -> None:
        command = box.command("unused")
        command[command.index("-m") :] = ["-c", FAMILY]
        process = await asyncio.create_subprocess_exec(
            *command, env=box.environment(), stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        assert len(list(sandbox.marked(box.folder))) >= 4
        await sandbox.end(process, box.folder)
        assert list(sandbox._running(box.folder)) == []

    asyncio.run(work())


def test_other_scans_processes_are_left_alone(tmp_path: Path) -> None:
    mine, other = tmp_path / "scan", tmp_path / "scan2"
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, sandbox.MARK: str(other)},
    ) as process:
        time.sleep(0.2)
        assert sandbox.end_marked(mine) == 0
        assert process.poll() is None
        assert sandbox.end_marked(tmp_path) == 1
        assert process.wait(10) == -signal.SIGKILL


@pytest.mark.skipif(not sandbox.bubblewrap_works(), reason="bubblewrap is missing or not allowed")
def test_inside_there_is_nothing_but_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the service")
    box = place(tmp_path, hidden=(tmp_path,))
    code = f"""
import json, os, socket
found = {{}}
def attempt(name, work):
    try:
        work()
        found[name] = True
    except OSError:
        found[name] = False
attempt("own", lambda: open("{box.folder}/made", "w").close())
attempt("temporary", lambda: open("/tmp/made", "w").close())
attempt("system", lambda: open("/etc/made", "w").close())
attempt("code", lambda: open({sandbox.__file__!r}, "a").close())
attempt("secret", lambda: open({str(secret)!r}).close())
attempt("network", lambda: socket.create_connection(("1.1.1.1", 53), 2))
found["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
found["passwords"] = "AWS_SECRET_ACCESS_KEY" in os.environ
print(json.dumps(found))
"""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    found = json.loads(run_inside(box, code))
    assert found.pop("processes") <= 3
    assert found == {
        "own": True,
        "temporary": True,
        "system": False,
        "code": False,
        "secret": False,
        "network": False,
        "passwords": False,
    }
    assert (box.folder / "made").exists()
    assert not Path("/tmp/made").exists()


def test_limits_hold() -> None:
    code = """
import resource, sys
from gypsum.service.jobs.sandbox import limit
limit(300_000_000)
try:
    bytearray(400_000_000)
except MemoryError:
    print("memory", resource.getrlimit(resource.RLIMIT_CORE)[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "memory 0\n"


def test_a_dead_workers_folder_is_cleaned(tmp_path: Path) -> None:
    from gypsum.service.jobs.worker import _own_folder

    scan = uuid4()
    code = f"""
import sys, os, subprocess, time
from pathlib import Path
from gypsum.service.jobs.worker import _own_folder
folder, _ = _own_folder(Path({str(tmp_path)!r}), "one")
(folder / "scan" / "big").mkdir(parents=True)
(folder / "{scan}.3").mkdir()
environment = {{**os.environ, "GYPSUM_SCRATCH": str(folder / "scan")}}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         env=environment, start_new_session=True, close_fds=True)
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        orphan = int(worker.stdout.readline())
        # While it lives, another takes another folder and leaves its alone.
        folder, dead = _own_folder(tmp_path, "one")
        assert (folder.name, dead) == ("one.1", [])
        assert (tmp_path / "one" / "scan" / "big").exists()
        worker.kill()
    folder, dead = _own_folder(tmp_path, "two")
    assert (folder.name, dead) == ("two", [(scan, 3)])
    assert not (tmp_path / "one").exists()
    assert not Path(f"/proc/{orphan}").exists() or "Z" in Path(f"/proc/{orphan}/stat").read_text()

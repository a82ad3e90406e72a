"""Someone in front of a browser: what the tests and ``make demo-web`` do with the page."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

#: OpenGL on the processor; the sandbox needs rights that containers don't have.
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
#: Seconds for whatever happens at once, on a machine that does other things as well; for a service
#: to start, and to end.
_SOON, _START, _END = 60, 150, 60
PASSWORD = "violet-harbour-candle-71"

#: What the browser says of requests that the page expects to fail: a guest asks who they are.
_EXPECTED = re.compile(r"the server responded with a status of 401")


@contextmanager
def service(data: Path, *options: str) -> Iterator[str]:
    """``gypsum serve`` with its database and a worker, and the address of its page."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "gypsum", "serve", "--data", str(data), "--port", str(port)]
    command += options
    log = data.with_suffix(".log")
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        ) as running,
    ):
        assert running.stdout
        with suppress(OSError):
            # Its scans give way to it and to all else; beside other tests they would take minutes.
            Path(f"/proc/{running.pid}/autogroup").write_text("-10")
        late = threading.Timer(_START, running.terminate)
        late.start()
        try:
            said = (re.search(r"http://\S+", line) for line in running.stdout)
            url = next((match[0] for match in said if match), None)
            if url is None:
                raise RuntimeError(f"gypsum serve did not start: {log.read_text()[-2000:]}")
            late.cancel()
            yield url
        finally:
            late.cancel()
            running.terminate()
            try:
                running.wait(_END)
            finally:
                running.kill()


class Visitor:
    """A page in a browser, and what went wrong in it."""

    def __init__(self, browser: Any, url: str, size: dict[str, int], **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(viewport=size, base_url=url, **options)
        self.context.set_default_timeout(_SOON * 1000)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._listen)
        self._asked: dict[Any, str] = {}
        self.page.on("request", lambda request: self._asked.update({request: request.url}))
        self.page.on("requestfinished", lambda request: self._asked.pop(request, None))
        self.page.on("requestfailed", lambda request: self._asked.pop(request, None))
        self.email = f"{uuid.uuid4().hex[:12]}@example.org"

    def _listen(self, message: Any) -> None:
        if message.type == "error" and not _EXPECTED.search(message.text):
            self.wrong.append(message.text)

    def sign_up(self, name: str = "Ada Lovelace") -> None:
        """From the welcome to an empty library."""
        page = self.page
        page.goto("/")
        page.get_by_role("link", name="Make an account").click()
        page.get_by_label("Name").fill(name)
        page.get_by_label("E-mail").fill(self.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Make the account").click()
        page.get_by_text("Your scans will be here").wait_for()

    def begin(self, mode: str) -> None:
        """A new scan, up to where its files are wanted."""
        page = self.page
        page.goto("/new")
        page.locator(f"input[value={mode}]").check()
        page.get_by_role("button", name="Next: photos").click()
        page.locator(".drop").wait_for()

    def choose(self, files: Sequence[Path]) -> None:
        """Choose files, as if in the browser's window for that."""
        self.page.set_input_files("input[type=file][multiple]", [str(path) for path in files])

    def start(self, title: str, *, quality: str = "Draft", formats: Sequence[str] = ()) -> None:
        """On to the settings, once all files are there, and start."""
        page = self.page
        page.get_by_text(re.compile(r"^\d+ files? ready$")).wait_for(timeout=120_000)
        page.get_by_role("button", name="Next: settings").click()
        page.get_by_label("Title").fill(title)
        page.locator(".pills label", has_text=quality).click()
        for name in formats:
            page.locator(".pills label", has_text=re.compile(f"^{name}$")).click()
        page.get_by_role("button", name="Start the scan").click()
        page.get_by_role("progressbar", name="The whole scan").wait_for()

    def see(self, seconds: float, still: float = 300) -> None:
        """Wait until the model is in the viewer, for so long at most.

        A scan that fails, or gets no further for ``still`` seconds, is not waited for any longer.
        """
        page = self.page
        began = since = time.monotonic()
        before = ""
        while True:
            state, words = page.evaluate(_SEEN)
            now = time.monotonic()
            if state == "shown":
                break
            assert state != "wrong", words
            since, before = (since, before) if words == before else (now, words)
            told = f"the page says “{words.strip()}” and waits for {[*self._asked.values()]}"
            assert now - since < still, f"nothing happened for {still:.0f} s: {told}"
            assert now - began < seconds, f"there was no model after {seconds:.0f} s: {told}"
            page.wait_for_timeout(250)
        page.evaluate(_DRAWN)

    def download(self, name: str, folder: Path) -> Path:
        """Save a model by its format's name."""
        with self.page.expect_download() as saved:
            self.page.locator(".downloads a", has_text=name).first.click()
        path = folder / str(saved.value.suggested_filename)
        saved.value.save_as(path)
        return path


#: How far the page of a scan is, in a word, and what it says, but for the clock.
_SEEN = """() => {
    const of = (selector) => document.querySelector(selector)?.innerText.trim() ?? "";
    const wrong = of(".notice.problem") || of(".viewer[data-state=failed] .viewer-state");
    if (wrong) return ["wrong", wrong];
    if (document.querySelector(".viewer[data-state=shown]")) return ["shown", ""];
    const words = [".percent", ".doing", ".stage-list .working", ".viewer-state"];
    return ["working", words.map(of).join(" ")];
}"""

#: After the frame in which the model is drawn.
_DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"

"""Scans photos by the page of the service, in a browser without a window. See ``demo_web.sh``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.web.visitor import CHROMIUM, DESK, FLAGS, PHONE, Visitor, service  # noqa: E402

#: Seconds that a draft of thirty photos may take on a slow machine.
PATIENCE = 3600


def main(photos: Path, folder: Path) -> None:
    """From nothing to a model that is seen and downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"gypsum: {time.monotonic() - began:5.0f} s  {text}", flush=True)

    # A short path, as the database's socket needs, and one that its own user can reach.
    with (
        tempfile.TemporaryDirectory(prefix="gypsum-", dir="/tmp") as data,
        service(Path(data) / "data") as url,
        sync_playwright() as driver,
    ):
        say(f"the service answers at {url}")
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        visitor = Visitor(browser, url, DESK)

        def shoot(name: str) -> None:
            visitor.page.screenshot(path=folder / f"{name}.png")

        visitor.page.goto("/")
        visitor.page.locator("h1").wait_for()
        shoot("1-welcome")
        visitor.sign_up()
        visitor.begin("photo")
        visitor.choose(sorted(photos.iterdir()))
        say("signed up; photos are on their way")
        visitor.start("The sample", formats=["USDZ"])
        say("started a draft")
        visitor.page.locator(".previews img.large").wait_for(timeout=PATIENCE * 1000)
        shoot("2-working")
        visitor.see(PATIENCE, still=PATIENCE)
        shoot("3-model")
        say("the model is in the viewer")
        model = visitor.download("GLB", folder)
        state = visitor.context.storage_state()
        phone = Visitor(browser, url, PHONE, storage_state=state, has_touch=True)
        phone.page.goto(visitor.page.url)
        phone.see(60)
        phone.page.screenshot(path=folder / "4-phone.png")
        wrong = visitor.wrong + phone.wrong
        browser.close()
    if wrong:
        raise SystemExit(f"gypsum: the browser complained: {wrong}")
    say("done")
    print(
        f"\nDone. Have a look:\n  pictures  {folder.resolve()}/1-welcome.png to 4-phone.png\n"
        f"  model     {model.resolve()}\n"
        "Next, by yourself:  .venv/bin/gypsum serve   and open the address that it prints."
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

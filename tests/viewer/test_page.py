"""The viewer's page in a real browser, without a network."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats import write_asset
from gypsum.formats.splats.frames import from_world
from gypsum.viewer import Server, prepare

from . import models

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'gypsum[dev]'"
)

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")

#: OpenGL on the processor; the sandbox needs rights that containers don't have.
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]

DESK, PHONE = {"width": 480, "height": 360}, {"width": 390, "height": 700}
RED, GREEN = (1, 0), (0, 1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Page:
    """A page with a model, and what went wrong in it."""

    def __init__(self, browser: Any, server: Server, **options: Any) -> None:
        self.context = browser.new_context(viewport=DESK, **options)
        # Whatever is not the server's is not there.
        self.context.route(
            lambda url: not url.startswith(("http://127.0.0.1", "blob:", "data:")),
            lambda route: route.abort(),
        )
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._listen)
        self.page.on("requestfailed", lambda request: self.wrong.append(request.url))
        self.page.goto(server.url)
        self.page.wait_for_selector("body[data-state]", timeout=60_000)

    def _listen(self, message: Any) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def picture(self, wait: int = 1500) -> NDArray[np.int64]:
        self.page.wait_for_timeout(wait)
        pixels = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        return np.asarray(pixels, np.int64)


@pytest.fixture
def opened(request: pytest.FixtureRequest, browser: Any, tmp_path: Path) -> Iterator[Page]:
    with Server(*prepare(models.file(request.param, tmp_path), tmp_path)) as server:
        page = Page(browser, server)
        yield page
        page.context.close()


def share(picture: NDArray[np.int64], channel: int) -> float:
    """Of pixels in which a colour is clearly on top."""
    others = np.delete(picture, channel, axis=2).max(axis=2)
    return float((picture[..., channel] > others + 60).mean())


def height(picture: NDArray[np.int64], channel: int) -> float:
    """Mean row of those pixels."""
    others = np.delete(picture, channel, axis=2).max(axis=2)
    return float(np.argwhere(picture[..., channel] > others + 60)[:, 0].mean())


@pytest.mark.parametrize("opened", ["splats", "mesh", "points"], indirect=True)
def test_models_are_shown_the_right_way_up_and_measured(opened: Page) -> None:
    page = opened.page
    picture = opened.picture()
    assert page.get_attribute("body", "data-state") == "shown"
    assert share(picture, 0) > 0.03
    assert share(picture, 1) > 0.03
    assert height(picture, 0) < height(picture, 1) - 20
    assert page.inner_text("#name").startswith("some ")
    assert page.inner_text("#speed").endswith(" fps")
    page.click("#measure")
    page.mouse.click(215, 180)
    page.wait_for_timeout(300)
    page.mouse.click(265, 180)
    page.wait_for_selector("#label:not([hidden])")
    # Both points are in the middle of the near side of something of radius one.
    assert 0.05 < float(page.inner_text("#label")) < 1.5
    page.keyboard.press("Escape")
    assert page.is_hidden("#label")
    assert opened.wrong == []


@pytest.mark.parametrize("opened", ["mesh"], indirect=True)
def test_looking_around(opened: Page) -> None:
    page = opened.page
    first = opened.picture()
    page.mouse.move(240, 150)
    page.mouse.down()
    page.mouse.move(330, 170, steps=4)
    page.mouse.up()
    turned = opened.picture()
    assert np.abs(turned - first).mean() > 2
    page.click("#fit")
    assert np.abs(opened.picture() - first).mean() < 1
    page.click("#walk")
    assert page.get_attribute("#walk", "aria-pressed") == "true"
    page.focus("#view")
    page.keyboard.down("KeyW")
    page.wait_for_timeout(700)
    page.keyboard.up("KeyW")
    nearer = opened.picture()
    assert share(nearer, 0) + share(nearer, 1) > 1.2 * (share(first, 0) + share(first, 1))
    page.keyboard.press("Digit1")
    assert page.get_attribute("#orbit", "aria-pressed") == "true"
    assert opened.wrong == []


@pytest.mark.parametrize("opened", ["mesh"], indirect=True)
def test_background_and_saved_picture(opened: Page) -> None:
    page = opened.page
    before = opened.picture(500)[200, 5]
    page.click("#background")
    after = opened.picture(500)[200, 5]
    assert np.abs(after - before).max() > 20
    with page.expect_download() as saved:
        page.click("#shot")
    assert saved.value.suggested_filename == "some mesh.png"
    with Image.open(saved.value.path()) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int64)
    assert share(pixels, 0) > 0.03
    np.testing.assert_allclose(pixels[5, 5], after, atol=3)


def test_a_phone_has_all_tools_within_reach(browser: Any, tmp_path: Path) -> None:
    with Server(*prepare(models.file("points", tmp_path), tmp_path)) as server:
        opened = Page(browser, server, color_scheme="dark", has_touch=True)
        page = opened.page
        page.set_viewport_size(PHONE)
        page.click("#fit")
        picture = opened.picture()
        assert picture[300, 3].max() < 60
        for tool in ("orbit", "walk", "measure", "background", "shot", "fit"):
            box = page.locator(f"#{tool}").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"]
            assert box["height"] >= 40
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert opened.wrong == []
        opened.context.close()


@pytest.mark.parametrize("name", ["ply", "compressed.ply", "spz", "sog", "splat"])
def test_spark_reads_what_gypsum_writes(name: str, browser: Any, tmp_path: Path) -> None:
    """Spark has readers of its own for these formats."""
    truth = models.splats(300)
    path = tmp_path / f"a.{name}"
    write_asset(path, truth, name)
    with Server(*prepare(models.file("mesh", tmp_path), tmp_path)) as server:
        context = browser.new_context(bypass_csp=True)
        page = context.new_page()
        page.goto(server.url)
        read = page.evaluate(
            """async ([data, name]) => {
                const { SplatMesh } = await import("./libraries.js");
                const fileBytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const mesh = new SplatMesh({ fileBytes, fileName: name });
                await mesh.initialized;
                const rows = [];
                (mesh.packedSplats ?? mesh.splats).forEachSplat(
                    (index, center, scales, turn, opacity, color) => rows.push([
                        ...center.toArray(), ...scales.toArray(), opacity, ...color.toArray(),
                    ]));
                return rows;
            }""",
            [base64.b64encode(path.read_bytes()).decode(), path.name],
        )
        context.close()
    up = {"ply": "z", "spz": "y"}.get(name, "y-down")
    rows, expected = np.array(read), from_world(truth, up)
    assert len(rows) == len(truth)
    nearest = np.linalg.norm(rows[:, None, :3] - expected.means, axis=2)
    # Spark packs splats into 16 bytes: 16-bit floats for places, a byte for the rest.
    assert nearest.min(axis=1).max() < 0.01
    held = expected.select(nearest.argmin(axis=1))
    np.testing.assert_allclose(np.log(rows[:, 3:6]), held.log_scales, atol=0.1)
    np.testing.assert_allclose(rows[:, 6], 1 / (1 + np.exp(-held.opacities)), atol=0.01)
    np.testing.assert_allclose(rows[:, 7:], 0.5 + 0.28209479 * held.harmonics[:, 0], atol=0.02)

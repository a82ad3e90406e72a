"""The page in a real browser against the real service, from signing up to the download."""

from __future__ import annotations

import base64
import io
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from gypsum.formats import read_asset, write_asset
from gypsum.scene import Mesh, PointCloud, TexturedMesh

from .visitor import CHROMIUM, DESK, FLAGS, PASSWORD, PHONE, Visitor, service

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'gypsum[dev]'"
)
pytest.importorskip("fastapi", reason="needs gypsum[server]")

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")

#: Seconds for the scan of a small cloud, on a slow machine that does other things as well.
PATIENCE = 400
#: Seconds for all tests here: what begins later fails at once, rather than that a run never ends.
ALL_PATIENCE = 900


@pytest.fixture(scope="module", autouse=True)
def deadline() -> float:
    """When the monotonic clock is here, time is over."""
    return time.monotonic() + ALL_PATIENCE


@pytest.fixture(autouse=True)
def in_time(deadline: float) -> None:
    """Tests that come too late are not begun."""
    if time.monotonic() > deadline:
        pytest.fail(f"all browser tests together take more than {ALL_PATIENCE} s")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # A short path, as sockets need, and one that the database's own user can reach.
    with (
        tempfile.TemporaryDirectory(prefix="gypsum-", dir="/tmp") as folder,
        service(Path(folder) / "data", "--spare-bytes", "64MiB") as address,
    ):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def account(browser: Any, url: str) -> Visitor:
    """Someone who signed up."""
    visitor = Visitor(browser, url, DESK)
    visitor.sign_up()
    return visitor


@pytest.fixture
def ada(browser: Any, account: Visitor) -> Iterator[Visitor]:
    """The same person in a browser of their own."""
    state = account.context.storage_state()
    visitor = Visitor(browser, account.url, DESK, storage_state=state)
    visitor.email = account.email
    yield visitor
    visitor.context.close()


def ball(path: Path, count: int = 4000) -> Path:
    """A cloud of a ball, red above and green below."""
    direction = np.random.default_rng(1).normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    colors = np.where(direction[:, 2:] > 0, (230, 0, 0), (0, 230, 0)).astype(np.uint8)
    points = direction.astype(np.float32)
    write_asset(path, PointCloud(points, points, colors), "ply")
    return path


def heights(page: Any) -> tuple[float, float]:
    """Rows of the viewer's picture at which its red and its green are, on average."""
    picture = Image.open(io.BytesIO(page.locator(".viewer").screenshot())).convert("RGB")
    pixels = np.asarray(picture, np.int64)
    red = pixels[..., 0] > pixels[..., 1:].max(axis=2) + 60
    green = pixels[..., 1] > np.delete(pixels, 1, axis=2).max(axis=2) + 60
    assert red.mean() > 0.02
    return float(np.argwhere(red)[:, 0].mean()), float(np.argwhere(green)[:, 0].mean())


def extent(model: Any) -> float:
    """The longest side of a model."""
    mesh = model.mesh if isinstance(model, TexturedMesh) else model
    return float(np.ptp(mesh.vertices, axis=0).max())


@pytest.mark.slow
def test_from_signing_up_to_the_download(
    browser: Any, url: str, tmp_path: Path, deadline: float
) -> None:
    def see() -> None:
        ada.see(min(PATIENCE, deadline - time.monotonic()))

    ada = Visitor(browser, url, DESK)
    page = ada.page
    ada.sign_up()
    ada.begin("lidar")
    ada.choose([ball(tmp_path / "ball.ply")])
    ada.start("A ball", formats=["STL"])
    see()
    assert heights(page)[0] < heights(page)[1]
    model = read_asset(ada.download("GLB", tmp_path))
    assert isinstance(model, Mesh | TexturedMesh)
    assert ada.download("STL", tmp_path).stat().st_size > 1000

    # Measuring brings the viewer back, of which only the tools were on the screen. The two ends
    # are on the near side of something of radius one.
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("Click two places on the model").wait_for()
    box = page.locator(".viewer canvas").bounding_box()
    assert box["y"] >= 0
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(middle[0] - 40, middle[1])
    page.get_by_text("Click the second place").wait_for()
    page.mouse.click(middle[0] + 40, middle[1])
    page.locator(".ruler-label:not([hidden])").wait_for()
    assert page.locator(".ruler-label").inner_text().endswith("cm")
    assert 5 < float(page.locator(".ruler-label").inner_text().split()[0]) < 150

    # Up and size: turned upside down, and what was just measured is 12 cm.
    seen = float(page.locator(".ruler-label").inner_text().split()[0]) / 100
    page.get_by_role("button", name="Up and size").click()
    for _ in range(2):
        page.get_by_role("button", name="Turn forward").click()
    page.mouse.click(middle[0] - 40, middle[1])
    page.get_by_text("Click the second place").wait_for()
    page.mouse.click(middle[0] + 40, middle[1])
    page.get_by_label("Real length").fill("12")
    page.get_by_role("button", name="Write the files anew").click()
    page.get_by_role("progressbar", name="The whole scan").wait_for()
    see()
    assert heights(page)[0] > heights(page)[1]
    smaller = read_asset(ada.download("GLB", tmp_path))
    factor = extent(smaller) / extent(model)
    assert factor == pytest.approx(0.12 / seen, rel=0.1)

    # Sharing: others see it by the link, and only then.
    page.get_by_text("Public", exact=True).click()
    link = page.get_by_label("Link", exact=True).input_value()
    guest = Visitor(browser, ada.url, PHONE, has_touch=True, color_scheme="dark")
    guest.page.goto(link[link.index("/s/") :])
    guest.see(30)
    assert guest.page.locator("h1").inner_text() == "A ball"
    assert "CC BY 4.0" in guest.page.locator(".meta").inner_text()
    guest.page.goto("/gallery")
    guest.page.get_by_role("link", name="A ball").wait_for()
    guest.page.goto(page.url[len(ada.url) :])
    guest.page.get_by_role("heading", name="Welcome back").wait_for()
    assert guest.wrong == []
    guest.context.close()

    # Other settings take neither a new upload nor what doesn't depend on them.
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Triangles", exact=True).fill("500")
    page.get_by_role("button", name="Make it anew").click()
    page.get_by_role("progressbar", name="The whole scan").wait_for()
    see()
    fewer = read_asset(ada.download("GLB", tmp_path))
    mesh = fewer.mesh if isinstance(fewer, TexturedMesh) else fewer
    assert isinstance(mesh, Mesh)
    assert len(mesh.faces) <= 500

    # Deleting really deletes.
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("Your scans will be here").wait_for()
    assert ada.wrong == []
    ada.context.close()


def test_uploads_survive_a_lost_connection_and_a_closed_tab(ada: Visitor, tmp_path: Path) -> None:
    """Pieces of 8 MiB: of a file of 17 MiB the connection is cut after the first."""
    page = ada.page
    path = tmp_path / "large.ply"
    path.write_bytes(b"ply\nformat binary_little_endian 1.0\n" + bytes(17 * 2**20))
    ada.begin("lidar")
    sent = 0

    def cut(route: Any) -> None:
        nonlocal sent
        if route.request.method == "PATCH":
            sent += 1
            if sent > 1:
                route.abort("connectionreset")
                return
        route.continue_()

    page.route("**/api/v1/uploads/*", cut)
    ada.choose([path])
    page.get_by_text("No connection; it goes on by itself").wait_for()
    address = page.url
    page.close(run_before_unload=False)

    # Another tab: the server has the first piece, and wants the same file for the rest.
    page = ada.page = ada.context.new_page()
    asked = []
    page.on("request", lambda request: asked.append((request.method, request.headers)))
    page.goto(address)
    page.get_by_text("Choose the same file again, and it goes on.").wait_for()
    ada.choose([path])
    page.get_by_text("1 file ready").wait_for(timeout=60_000)
    offsets = [headers["upload-offset"] for method, headers in asked if method == "PATCH"]
    assert offsets[0] == str(8 * 2**20)


def test_a_refused_file_says_why(ada: Visitor, tmp_path: Path) -> None:
    wrong = tmp_path / "letter.jpg"
    wrong.write_bytes(b"Dear Ada" * 100)
    ada.begin("photo")
    ada.choose([wrong])
    ada.page.locator(".file.refused small, .file.failed small").wait_for()
    assert len(ada.page.locator(".file small").inner_text()) > 20
    assert ada.page.get_by_role("button", name="Next: settings").is_disabled()


def test_wrong_passwords_and_the_way_back(browser: Any, ada: Visitor) -> None:
    guest = Visitor(browser, ada.url, PHONE)
    page = guest.page
    page.goto("/account")
    page.get_by_role("heading", name="Welcome back").wait_for()
    page.get_by_label("E-mail").fill(ada.email)
    page.get_by_label("Password").fill("wrong horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Account", exact=True).wait_for()
    # What is not there, or not for them, is told with a way on.
    for path in (f"/scans/{uuid.UUID(int=1)}", f"/s/{'x' * 22}"):
        page.goto(path)
        page.get_by_text("There is nothing here").wait_for()
        page.get_by_role("link", name="To the start").wait_for()
    guest.context.close()


def test_a_second_factor_is_asked_for(browser: Any, url: str) -> None:
    from gypsum.service.accounts import factors

    ada = Visitor(browser, url, PHONE, color_scheme="dark")
    ada.sign_up()
    page = ada.page
    page.goto("/account")
    factor = page.locator(".factor")
    factor.get_by_label("Your password").fill(PASSWORD)
    factor.get_by_role("button", name="Set up").click()
    shown = page.get_by_label("Key for the app").input_value()
    # Somebody else's camera reads the picture, on a phone in dark colours.
    picture = Image.open(io.BytesIO(page.get_by_alt_text("QR code of the key").screenshot()))
    read = cv2.QRCodeDetector().detectAndDecode(np.asarray(picture.convert("L")))[0]
    assert read.startswith("otpauth://totp/Gypsum")
    assert f"secret={shown}&" in read
    key = base64.b32decode(shown)
    step = int(time.time()) // factors.SECONDS
    factor.get_by_label("Code").fill(factors.code_at(key, step))
    factor.get_by_role("button", name="Turn it on").click()
    codes = page.get_by_label("Recovery codes").input_value().split()
    assert len(codes) == 10
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").first.click()
    page.get_by_label("E-mail").fill(ada.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Your scans will be here").wait_for()
    ada.context.close()


def test_keys_are_shown_once(ada: Visitor) -> None:
    page = ada.page
    page.goto("/account")
    page.get_by_label("Name of a new key").fill("Backup")
    page.get_by_role("button", name="Make a key").click()
    assert page.get_by_label("Key", exact=True).input_value().startswith("gyp_")
    page.reload()
    page.get_by_text("Backup").wait_for()
    assert page.get_by_label("Key", exact=True).count() == 0
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("Backup").wait_for(state="detached")
    assert ada.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_fit_and_can_be_read(
    size: dict[str, int], scheme: str, browser: Any, ada: Visitor
) -> None:
    state = ada.context.storage_state()
    visitor = Visitor(browser, ada.url, size, color_scheme=scheme, storage_state=state)
    for path in ("/", "/new", "/gallery", "/account", "/nowhere"):
        visitor.page.goto(path)
        visitor.page.locator("main h1, main h2").first.wait_for()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        weak = visitor.page.evaluate(_WEAK)
        assert weak == [], f"{path}: text without contrast"
        assert visitor.page.evaluate(_NAMELESS) == [], f"{path}: controls without a name"
    assert visitor.wrong == []
    visitor.context.close()


def test_the_keyboard_reaches_everything(ada: Visitor) -> None:
    page = ada.page
    page.goto("/new")
    page.get_by_role("button", name="Next: photos").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "mode":
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator(".drop").wait_for()
    page.go_back()
    page.get_by_role("heading", name=re.compile("^What would")).wait_for()


@pytest.mark.parametrize("path", ["/new", "/gallery", "/account"])
def test_what_has_the_focus_can_be_seen(path: str, ada: Visitor) -> None:
    page = ada.page
    page.goto(path)
    page.locator("main h1").wait_for()
    page.wait_for_timeout(500)
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(_FOCUS)
        if name in seen[:1]:
            break
        seen.append(name)
        assert outlined, name
    assert len(seen) > 5


#: What has the focus, and whether an outline shows it: its own, or that of what stands for it.
_FOCUS = """() => {
    const at = document.activeElement;
    const shown = [at, at.nextElementSibling, at.closest("label")].filter(Boolean);
    const outlined = shown.some((one) => {
        const style = getComputedStyle(one);
        return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    });
    if (at === document.body) return ["body", true];
    return [at.outerHTML.slice(0, 120), outlined];
}"""

#: Texts whose contrast with what lies behind them is below WCAG's 4.5 to 1.
_WEAK = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = rgba(getComputedStyle(at).backgroundColor);
            if (color[3] === 255) return color;
        }
        return rgba(getComputedStyle(document.body).backgroundColor);
    };
    const weak = [];
    for (const element of document.querySelectorAll("#app *")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!own || !element.checkVisibility()) continue;
        if (element.closest(":disabled, .unseen, .skip")) continue;
        const ink = light(rgba(getComputedStyle(element).color)), paper = light(behind(element));
        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        if (ratio < 4.5) weak.push(`${element.textContent.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return weak;
}"""

#: Buttons, links and inputs of which a screen reader has nothing to say.
_NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, textarea")]
    .filter((e) => e.checkVisibility() && !(e.textContent.trim() || e.ariaLabel || e.title || e.alt
        || e.querySelector("img[alt]") || [...(e.labels ?? [])].some((l) => l.textContent.trim())))
    .map((e) => e.outerHTML.slice(0, 120))"""

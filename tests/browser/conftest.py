"""A real daemon, real backends, and one browser for all tests of the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser_site import ZONE, Site
from harness import Web
from playwright.sync_api import expect, sync_playwright

from tools import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request


expect.set_options(timeout=30_000)  # milliseconds; 5 s are few for a machine that is busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests; its event loop must not outlive them, since others bring their own."""
    path = tool("chromium", "chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Watched:
    """A page whose errors and outside requests are kept."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        # the browser itself tells of each answer of 400 and more, and of lost connections
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.origin):
            self.outside.append(request.url)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open the dashboard of a port; what goes wrong in the page fails the test at its end."""
    seen: list[Watched] = []
    contexts = []

    def visit(port: int, width: int = 1024, height: int = 768, colours: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=colours, locale="en-GB"
        )
        contexts.append(context)
        origin = f"http://127.0.0.1:{port}"
        page = context.new_page()
        seen.append(Watched(page, origin))
        page.goto(f"{origin}/")
        return page

    yield visit
    for context in contexts:
        context.close()
    for one in seen:
        assert one.errors == []
        assert one.outside == []


@pytest.fixture
def webs() -> Iterator[list[Web]]:
    """Web servers on 127.0.0.11 to 13, all on one port."""
    made = [Web("127.0.0.11")]
    for host in ("127.0.0.12", "127.0.0.13"):
        one = Web.__new__(Web)
        one.host, one.port, one.status, one.load, one.hits = host, made[0].port, 200, None, 0
        one._server = one._thread = None
        one.start()
        made.append(one)
    yield made
    for web in made:
        web.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start a daemon with a zone."""
    made: list[Site] = []

    def start(zone: str, more: str = "") -> Site:
        made.append(Site(tmp_path, zone, more))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.daemon.end()
        assert "Traceback" not in "\n".join(one.daemon.lines)


@pytest.fixture
def small(site: Callable[..., Site], webs: list[Web]) -> Site:
    """Three real backends."""
    return site(ZONE.format(port=webs[0].port))

"""Memory of the dashboard's tab under live updates.

    python bench/dashboard.py --backends 3000 --minutes 10

A real daemon on loopback whose backends tell by heartbeats that they are up or down, ten changes a
second; a headless browser has the page open. Printed once a minute: the heap that the page's
scripts use after a collection, and the nodes of its document.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("browser", "integration", "")]

from browser_site import Site, many  # noqa: E402

EVERY = 0.1  # seconds between two changes


def beat(port: int, at: int, status: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/backends/big/b{at:05}/heartbeat",
        json.dumps({"status": status}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backends", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=10)
    wanted = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Site(Path(folder), many(wanted.backends))
        site.start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{site.api}/")
            page.wait_for_selector("#rows tbody tr", timeout=120_000)
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            print(f"{wanted.backends} backends, a change each {EVERY} s")
            started = told = time.monotonic()
            changes = 0
            tell(page, session, 0.0, changes)
            while (now := time.monotonic()) < started + 60 * wanted.minutes:
                at = changes % wanted.backends
                beat(site.api, at, "down" if changes // wanted.backends % 2 else "up")
                changes += 1
                if now >= told + 60:
                    told += 60
                    tell(page, session, now - started, changes)
                time.sleep(max(0.0, started + changes * EVERY - time.monotonic()))
            tell(page, session, time.monotonic() - started, changes)
        finally:
            browser.close()
            site.daemon.end()


def tell(page: Page, session: CDPSession, seconds: float, changes: int) -> None:
    session.send("HeapProfiler.collectGarbage")
    figures = {
        one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]
    }
    print(
        f"{seconds:5.0f} s {changes:6} changes: heap {figures['JSHeapUsedSize'] / 1e6:.1f} MB, "
        f"{figures['Nodes']:.0f} nodes, {page.locator('#events li').count()} events shown",
        flush=True,
    )


if __name__ == "__main__":
    main()

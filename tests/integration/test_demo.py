"""The demo, as it runs where output is no terminal."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request

import pytest
from harness import PATIENCE, ask
from harness import until as eventually


@pytest.fixture
def demo():
    process = subprocess.Popen(
        [sys.executable, "-m", "dnslb", "demo", "--seconds", "90"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    watchdog = threading.Timer(4 * PATIENCE, process.kill)
    watchdog.start()
    yield process
    process.terminate()
    process.communicate(timeout=PATIENCE)
    watchdog.cancel()


def until(process, *texts, without="\0"):
    """The next line that holds all of `texts`, and not `without`."""
    for line in process.stdout:
        if all(text in line for text in texts) and without not in line:
            return line
    pytest.fail(f"the demo never said {texts}")


def press(process, key):
    process.stdin.write(key + "\n")
    process.stdin.flush()


def seen(port):
    return [str(ask(port, "www.example.com").rr[0].rdata) for _ in range(6)]


def test_stopping_and_starting_a_backend_changes_the_answers(demo):
    dig = until(demo, "+short www.example.com").split()
    port = int(dig[dig.index("-p") + 1])
    page = until(demo, "# the dashboard").split()[0]
    with urllib.request.urlopen(page, timeout=PATIENCE) as response:  # noqa: S310 - ours
        assert b"<title>dnslb" in response.read()
    until(demo, "ready")
    # one where the system has a single loopback address; the demo asks too, and takes turns away
    eventually(lambda: len(set(seen(port))) in {1, 3})
    press(demo, "1")
    until(demo, "alpha is down (refused: ")
    until(demo, "alpha 0 %")
    press(demo, "1")
    until(demo, "www.example.com: alpha", without="alpha 0 %")
    press(demo, "q")
    assert demo.wait(PATIENCE) == 0

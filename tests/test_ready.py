"""What the service manager hears, on a real datagram socket; and the files that systemd reads."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dnslb.ready import Manager
from tools import tool

SYSTEMD = Path(__file__).parents[1] / "contrib/systemd"
PATIENCE = 30.0


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """A service manager: its socket, and the variables that name it."""
    name = "s" if request.param == "path" else f"@dnslb-test-{os.getpid()}"
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        address = str(tmp_path / name) if request.param == "path" else name.replace("@", "\0")
        if len(address) > 100:
            pytest.skip("the folder for tests has too long a path for a socket")
        sock.bind(address)
        sock.settimeout(PATIENCE)
        yield sock, {"NOTIFY_SOCKET": address.replace("\0", "@")}


def test_what_it_hears(manager):
    sock, environment = manager
    told = Manager(environment)
    told.ready("1 zone")
    assert sock.recv(4096) == b"READY=1\nSTATUS=1 zone"
    before = time.monotonic_ns() // 1000
    told.reloading()
    match = re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=reloading", sock.recv(4096))
    assert match
    assert before <= int(match[1]) <= time.monotonic_ns() // 1000
    told.succeeded_by(4711)
    assert sock.recv(4096) == b"MAINPID=4711"
    told.stopping()
    assert sock.recv(4096).startswith(b"STOPPING=1")


@pytest.mark.parametrize(
    ("pid", "beats"), [(None, True), ("own", True), ("1", False)], ids=["any", "own", "other"]
)
def test_signs_of_life(manager, pid, beats):
    sock, environment = manager
    environment["WATCHDOG_USEC"] = "30000"
    if pid:
        environment["WATCHDOG_PID"] = str(os.getpid()) if pid == "own" else pid

    async def beat():
        task = asyncio.ensure_future(Manager(environment).beat())
        if beats:
            for _ in range(3):
                heard = await asyncio.to_thread(sock.recv, 4096)
                assert heard == b"WATCHDOG=1"
        else:
            await task
        task.cancel()

    asyncio.run(beat())


@pytest.mark.parametrize("address", ["", "nonsense", "/does/not/exist"])
def test_nobody_listens(address):
    Manager({"NOTIFY_SOCKET": address}).ready("1 zone")


def test_systemd_takes_the_units(tmp_path):
    analyze = tool("systemd-analyze", "systemd")
    for unit in SYSTEMD.iterdir():
        text = unit.read_text().replace("/opt/dnslb/bin/dnslb", sys.executable)
        kept = [line for line in text.splitlines() if not line.startswith("Documentation=")]
        (tmp_path / unit.name).write_text("\n".join(kept))
    units = [str(tmp_path / unit.name) for unit in SYSTEMD.iterdir()]
    found = subprocess.run(
        [analyze, "verify", *units], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_the_service_may_do_little():
    analyze = tool("systemd-analyze", "systemd")
    unit = str(SYSTEMD / "dnslb.service")
    command = [analyze, "security", "--offline=true", "--threshold=20", unit]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert found.returncode == 0, found.stdout[-3000:]

"""When Python stands still or falls apart, the engine goes on answering."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from asking import Asking
from harness import PATIENCE, ask, need_engine

need_engine()

STALLING = Path(__file__).with_name("stalling.py")
ZONE = """\
nameservers: [ns1.example.com.]
records: {ns1: {A: 127.0.0.1}}
services:
  www: {members: [{name: a, address: 192.0.2.1}]}
"""


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_python_stands_still_and_its_threads_end(write):
    config = write(example_com=ZONE)
    process = subprocess.Popen(
        [sys.executable, str(STALLING), str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdin
    try:
        port = int(process.stdout.readline().rstrip(":\n").rpartition(":")[2])
        with Asking(port, {"192.0.2.1"}) as asking:
            go_on(process)
            assert process.stdout.readline() == "blocked\n"
            asking.go_on()
            go_on(process)
            ended = 0
            while (line := process.stdout.readline()) != "all threads of Python have ended\n":
                assert line.startswith("ended ")
                ended += 1
            assert ended
            asking.go_on()
        assert not asking.wrong
        assert ask(port, "www.example.com", tcp=True).rr
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)

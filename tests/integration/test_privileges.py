"""Privileges are given up once ports are taken, and replacing needs none."""

from __future__ import annotations

import os
import pwd

import pytest
from harness import PATIENCE, need_engine, threads

need_engine()

USER = "nobody"
ZONE = """\
nameservers: [ns1.example.com.]
records: {ns1: {A: 127.0.0.1}}
services:
  www: {members: [{name: a, address: 192.0.2.1}]}
"""


@pytest.fixture
def folder(open_folder):
    (open_folder / "zones/example.com.yaml").write_text(ZONE)
    return open_folder


def users(pid):
    """The users of every thread of a process: real, effective, saved, of files."""
    found = set()
    for status in threads(pid, "status").values():
        found.update(line for line in status.splitlines() if line.startswith(("Uid:", "CapEff:")))
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_user(serve, folder):
    config = folder / "dnslb.yaml"
    config.write_text(f'listen: ["127.0.0.1:0"]\nuser: {USER}\n')
    uid = pwd.getpwnam(USER).pw_uid
    expected = {f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}", f"CapEff:\t{0:016x}"}
    old = serve(config).ready()
    assert users(old.process.pid) == expected
    new = serve(config, "--replace").ready()  # it starts as root, as an operator would start it
    assert new.port == old.port
    assert old.process.wait(PATIENCE) == 0
    assert users(new.process.pid) == expected
    assert new.addresses("www.example.com") == ["192.0.2.1"]
    assert new.end() == 0
    kept = folder / ".dnslb"
    assert {path.stat().st_uid for path in (kept, kept / "health.json")} == {uid}


def test_a_user_that_is_not_there(serve, folder):
    config = folder / "dnslb.yaml"
    config.write_text('listen: ["127.0.0.1:0"]\nuser: no-such-user\n')
    daemon = serve(config)
    daemon.wait_for("there is no user no-such-user; create it, or correct `user`")
    assert daemon.process.wait(PATIENCE) == 1

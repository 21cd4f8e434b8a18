"""What is written for after a restart, and what becomes of files and disks that are no good."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import resource
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.model import BackendId, Family
from dnslb.health.checks.base import HoldDown, Outcome
from dnslb.health.checks.http import HttpCheck
from dnslb.health.checks.tls import Tls
from dnslb.health.checks.tls_handshake import TlsCheck
from dnslb.health.load import LoadSource
from dnslb.health.scheduler import ProbeKey
from dnslb.health.standing import OperatorState, Standing
from dnslb.health.store import (
    Keeper,
    Saved,
    SavedBackend,
    SavedProbe,
    _digest,
    _given,
    _plain,
    fingerprint,
)

TIMES = st.floats(0, 2e9)
LOADS = st.none() | st.floats(0, 10)
PROBES = st.builds(
    SavedProbe,
    up=st.booleans(),
    since=TIMES,
    falls=st.integers(0, 9),
    against=st.integers(0, 9),
    failure=st.none() | st.tuples(st.sampled_from(Outcome), st.text(max_size=20)),
    load=st.none() | st.tuples(st.floats(0, 10), TIMES),
    weight=LOADS,
    latency=LOADS,
)
BACKENDS = st.builds(
    SavedBackend,
    down=st.lists(st.sampled_from([1, 28]), unique=True).map(tuple),
    reason=st.text(max_size=20),
    since=TIMES,
    returned=st.none() | TIMES,
    load=LOADS,
    state=st.sampled_from(OperatorState),
    until=st.none() | TIMES,
    held=st.booleans(),
    pushed=st.none() | st.tuples(st.floats(0, 10), TIMES),
)
NAMES = st.builds(BackendId, *[st.text(min_size=1, max_size=5)] * 3)
SAVED = st.builds(
    Saved,
    at=TIMES,
    probes=st.dictionaries(st.text(max_size=10), PROBES, max_size=3),
    backends=st.dictionaries(NAMES, BACKENDS, max_size=3),
)


def kept(folder, saved):
    keeper = Keeper(folder, lambda: saved)
    keeper.load()
    keeper.close()
    again = Keeper(folder, lambda: saved)
    try:
        return again.load()
    finally:
        again.close()


@given(SAVED)
def test_what_is_written_is_read(tmp_path_factory, saved):
    assert kept(tmp_path_factory.mktemp("state"), saved) == replace(saved, ended=True)


def test_the_file_is_its_owners(tmp_path):
    folder = tmp_path / "state"
    kept(folder, Saved(1.0))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "health.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["health.json", "lock"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 2, "at": 1, "probes": {}, "backends": []}',
        b'{"version": 1, "at": 1, "probes": {}, "backends": [], "more": 1}',
        b'{"version": 1, "at": 1, "probes": {"x": {"up": "yes", "since": 1}}, "backends": []}',
        b'{"version": 1, "at": 1e300, "probes": {}, "backends": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "list", "version", "key", "type", "time", "bytes", "deep"],
)
def test_a_file_that_is_none_is_told_and_put_aside(tmp_path, caplog, content):
    (tmp_path / "health.json").write_bytes(content)
    keeper = Keeper(tmp_path, lambda: Saved(1.0))
    assert keeper.load() is None
    assert "starting without it" in caplog.text
    assert (tmp_path / "health.json.bad").read_bytes() == content
    keeper.close()
    assert json.loads((tmp_path / "health.json").read_text())["at"] == 1.0


def test_a_file_of_another_version_is_told_as_such(tmp_path, caplog):
    (tmp_path / "health.json").write_text('{"version": 2, "at": 1, "more": {}}')
    keeper = Keeper(tmp_path, lambda: Saved(1.0))
    assert keeper.load() is None
    assert "(version 2, this is 1)" in caplog.text
    keeper.close(write=False)
    assert [path.name for path in tmp_path.glob("health*")] == ["health.json.bad"]


def test_two_servers_do_not_share_a_folder(tmp_path, caplog):
    first = Keeper(tmp_path, lambda: Saved(1.0))
    first.load()
    second = Keeper(tmp_path, lambda: Saved(2.0))
    assert second.load() is None
    assert "another server" in caplog.text
    second.close()
    assert not (tmp_path / "health.json").exists()
    first.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path, caplog):
    (tmp_path / "file").touch()
    keeper = Keeper(tmp_path / "file" / "state", lambda: Saved(1.0))
    assert keeper.load() is None
    assert "will not survive" in caplog.text
    keeper.close()


def test_a_full_disk_leaves_the_old_file_and_is_told_once(tmp_path, caplog):
    keeper = Keeper(tmp_path, lambda: Saved(1.0, {"x" * 9000: SavedProbe(up=True, since=1.0)}))
    keeper.load()
    (tmp_path / "health.json").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert [keeper._write(keeper._next()) for _ in range(3)] == [False] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "health.json").read_text() == "old"
    assert caplog.text.count("cannot be written") == 1
    with caplog.at_level(logging.INFO):
        keeper.close()
    assert "is written again" in caplog.text
    assert json.loads((tmp_path / "health.json").read_text())["version"] == 1


def test_what_changes_is_written_soon(tmp_path):
    async def run():
        keeper = Keeper(tmp_path, lambda: Saved(5.0))
        keeper.load()
        task = asyncio.create_task(keeper.run())
        keeper.changed()
        while not (tmp_path / "health.json").exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        keeper.close()

    asyncio.run(run())


def test_a_fault_is_told_once_and_is_no_end(tmp_path, caplog):
    tries = []

    def saved():
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("a fault")
        return Saved(5.0)

    keeper = Keeper(tmp_path, saved)
    keeper.load()
    assert [keeper._save() for _ in range(3)] == [False, False, True]
    assert caplog.text.count("a fault, so") == 1
    keeper.close()


def test_it_ends_while_something_changes(tmp_path):
    async def run():
        keeper = Keeper(tmp_path, lambda: Saved(5.0))
        keeper.load()
        for turns in range(4):
            task = asyncio.create_task(keeper.run())
            for _ in range(turns):
                await asyncio.sleep(0)
            keeper.changed()
            await asyncio.sleep(0)
            task.cancel()
            _, going_on = await asyncio.wait([task], timeout=30)
            assert not going_on
        keeper.close()

    asyncio.run(run())


def test_what_was_written_at_the_end_is_soon_replaced(tmp_path):
    kept(tmp_path, Saved(time.time()))
    keeper = Keeper(tmp_path, lambda: Saved(5.0))
    assert keeper.load().ended
    assert keeper._wake.is_set()
    assert keeper._save()
    keeper.close(write=False)
    assert json.loads((tmp_path / "health.json").read_text())["ended"] is False


def test_loads_alone_wait(tmp_path):
    keeper = Keeper(tmp_path, lambda: Saved(5.0))
    name = BackendId("z.", "p", "a")
    for standing, soon in (
        (Standing(load=0.5, latency=3.0), False),
        (Standing(load=0.9), False),
        (Standing(down=frozenset(Family)), True),
        (Standing(down=frozenset(Family), load=0.2), False),
        (Standing(state=OperatorState.DRAIN), True),
    ):
        keeper._wake.clear()
        keeper.see([(name, standing)])
        assert keeper._wake.is_set() is soon


def test_backends_that_are_gone_are_kept_for_a_day():
    name, other = BackendId("z.", "p", "a"), BackendId("z.", "p", "b")
    old = Saved(0.0, {}, {name: SavedBackend(reason="x"), other: SavedBackend()})
    new = Saved(100.0, {}, {other: SavedBackend(reason="new")}).with_gone(old)
    assert new.backends[name] == SavedBackend(reason="x", gone=100.0)
    assert new.backends[other].reason == "new"
    assert name in Saved(86_000.0).with_gone(new).backends
    assert name not in Saved(87_000.0).with_gone(new).backends


def test_a_probes_name_outlives_versions_and_tells_no_secrets():
    check = HttpCheck(path="/x", tls=Tls(min_days=7.0), port=8443, headers=(("a", "secret"),))
    name = fingerprint(ProbeKey(check, "192.0.2.1"))
    assert re.fullmatch(r"HttpCheck 192\.0\.2\.1 [0-9a-f]{16}", name)
    assert fingerprint(ProbeKey(replace(check, timeout=3.0), "192.0.2.1")) == name
    # what a field that does not exist yet would say by default is the same as not to say it
    assert _given(check) == {
        "headers": (("a", "secret"),), "path": "/x", "port": 8443, "tls": Tls(min_days=7.0)
    }  # fmt: skip
    assert json.loads(json.dumps(_given(check), default=_plain))["tls"] == {"min_days": 7.0}
    for other in (
        replace(check, hold_down=HoldDown(1.0)),
        replace(check, load=LoadSource(kind="orca")),
        replace(check, tls=Tls()),
        replace(check, headers=(("a", "other"),)),
    ):
        assert fingerprint(ProbeKey(other, "192.0.2.1")) != name
    assert _digest(TlsCheck(port=1)) == _digest(TlsCheck(port=1, tls=Tls()))

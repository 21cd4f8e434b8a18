from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import count

import pytest
from health_processes import HomelyCheck, WhoCheck

from dnslb.health import workers as module
from dnslb.health.checks.base import Outcome
from dnslb.health.scheduler import ProbeKey, Scheduler
from dnslb.health.workers import place, scheduler

PATIENCE = 60


class Results:
    """What is handed on, by address, and a way to wait for it."""

    def __init__(self):
        self.of = defaultdict(list)
        self._came = asyncio.Event()

    def add(self, key, result):
        self.of[key.address].append(result)
        self._came.set()

    async def until(self, there):
        async def look():
            while not there():
                self._came.clear()
                await self._came.wait()

        await asyncio.wait_for(look(), PATIENCE)

    async def anew(self, addresses, times=2):
        """Wait until each address has had further results; returns the processes of the last."""
        wanted = {address: len(self.of[address]) + times for address in addresses}
        await self.until(lambda: all(len(self.of[one]) >= wanted[one] for one in addresses))
        return {address: self.of[address][-1].detail for address in addresses}


def run(scenario, processes=2, on_result=None):
    async def play():
        results = Results()
        workers = scheduler(on_result or results.add, processes=processes)
        try:
            await scenario(workers, results)
        finally:
            pids = getattr(workers, "pids", [])
            await workers.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    asyncio.run(play())


def keys(*addresses, **options):
    return [ProbeKey(WhoCheck(**options), address) for address in addresses]


def in_part(part, processes=2):
    """An address that falls to process `part`."""
    check = WhoCheck()
    names = (f"there{number}" for number in count())
    return next(name for name in names if place(ProbeKey(check, name), processes) == part)


def test_one_process_is_the_server_s_own():
    async def scenario(scheduler, results):
        assert isinstance(scheduler, Scheduler)
        scheduler.schedule(keys("a"))
        assert await results.anew("a") == {"a": str(os.getpid())}

    run(scenario, processes=1)


def test_each_probe_has_its_process_under_every_configuration():
    async def scenario(workers, results):
        addresses = [f"a{number}" for number in range(20)]
        workers.schedule(keys(*addresses))
        before = await results.anew(addresses)
        pids = {str(pid) for pid in workers.pids}
        assert set(before.values()) == pids
        assert len(pids) == 2
        assert str(os.getpid()) not in pids
        workers.schedule(keys(*addresses[5:], *(f"b{number}" for number in range(20))))
        await results.anew(["b0", "b1"])
        gone = {address: len(results.of[address]) for address in addresses[:5]}
        after = await results.anew(addresses[5:])
        assert after == {address: before[address] for address in addresses[5:]}
        assert gone == {address: len(results.of[address]) for address in addresses[:5]}
        assert workers.lateness.count > 0

    run(scenario)


def test_a_process_that_is_killed_is_started_anew_and_the_other_not_disturbed(monkeypatch, caplog):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    hit, spared = in_part(0), in_part(1)

    async def scenario(workers, results):
        workers.schedule(keys(hit, spared))
        before = await results.anew([hit, spared])
        os.kill(int(before[hit]), signal.SIGKILL)
        await results.until(lambda: results.of[hit][-1].outcome is Outcome.ERROR)
        assert results.of[hit][-1].detail == "the probe process ended (signal 9)"
        after = await results.anew([hit, spared])
        assert after[hit] not in before.values()
        assert after[spared] == before[spared]
        assert {result.outcome for result in results.of[spared]} == {Outcome.OK}

    run(scenario)
    assert "probe process 0 ended (signal 9); starting it anew in 0.05s" in caplog.text


def test_a_process_that_ends_again_and_again_is_started_less_and_less_often(monkeypatch, caplog):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "MOST_PAUSE", 0.04)

    async def scenario(workers, results):
        workers.schedule(keys("crash", "bystander"))
        await results.until(lambda: len(results.of["crash"]) >= 4)

    run(scenario)
    line = r"probe process \d ended \(exit status 7\); starting it anew in ([\d.]+)s"
    assert re.findall(line, caplog.text)[:4] == ["0.01", "0.02", "0.04", "0.04"]


def test_a_process_that_says_nothing_any_more_is_killed(monkeypatch, caplog):
    monkeypatch.setattr(module, "SILENT", 3.0)  # it speaks every second
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    good = in_part(place(keys("stuck")[0], 2))

    async def scenario(workers, results):
        workers.schedule(keys("stuck"))
        await results.until(lambda: results.of["stuck"])
        assert results.of["stuck"][-1].outcome is Outcome.ERROR
        workers.schedule(keys(good))
        await results.anew([good])

    run(scenario)
    assert "was silent for 3s and was killed" in caplog.text


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)

    async def scenario(workers, results):
        real = sys.executable
        monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
        workers.schedule(keys("a"))
        await results.until(lambda: len(results.of["a"]) >= 2)
        assert results.of["a"][-1].outcome is Outcome.ERROR
        monkeypatch.setattr(sys, "executable", real)
        await results.until(lambda: results.of["a"][-1].ok)

    run(scenario)
    assert "cannot be started: No such file or directory" in caplog.text


def test_a_check_that_cannot_be_packed_runs_in_the_server(caplog):
    @dataclass(frozen=True, slots=True, kw_only=True)
    class LocalCheck(WhoCheck):
        pass

    async def scenario(workers, results):
        workers.schedule([ProbeKey(LocalCheck(), "a"), *keys("b")])
        where = await results.anew(["a", "b"])
        assert where["a"] == str(os.getpid())
        assert where["b"] != where["a"]

    run(scenario)
    assert "a check runs in the server's own process" in caplog.text


def test_a_check_that_cannot_be_unpacked_is_told():
    async def scenario(workers, results):
        workers.schedule([ProbeKey(HomelyCheck(home=os.getpid()), "a"), *keys("b")])
        await results.anew(["b"])
        await results.until(lambda: results.of["a"])
        (result,) = results.of["a"]
        assert result.outcome is Outcome.ERROR
        assert result.detail.endswith("cannot take the check: LookupError: it stays at home")

    run(scenario)


def test_what_is_logged_there_is_logged_here(caplog):
    async def scenario(workers, results):
        workers.schedule(keys("talk", "fault"))
        where = await results.anew(["talk"])
        await results.until(lambda: results.of["fault"])
        assert results.of["fault"][0].detail == "RuntimeError: a fault of the check"
        assert f"heard in {where['talk']}" in caplog.text

    run(scenario)
    assert "the check of fault failed" in caplog.text
    assert "Traceback" in caplog.text


def test_a_result_that_cannot_be_handled_ends_nothing(caplog):
    seen = Results()

    def fail(key, result):
        seen.add(key, result)
        raise RuntimeError("a fault of the receiver")

    async def scenario(workers, _):
        workers.schedule(keys("a"))
        await seen.anew(["a"])

    run(scenario, on_result=fail)
    assert "the result of a (ok: " in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_the_server_s(number):
    async def scenario(workers, results):
        workers.schedule(keys("a"))
        before = await results.anew(["a"])
        os.kill(int(before["a"]), number)
        assert await results.anew(["a"], times=5) == before

    run(scenario)


SERVER = """
import asyncio, sys
from health_processes import WhoCheck
from dnslb.health.scheduler import ProbeKey
from dnslb.health.workers import scheduler

async def main():
    workers = scheduler(lambda key, result: None, processes=2)
    addresses = [f"there{number}" for number in range(20)] + sys.argv[1:]
    workers.schedule(ProbeKey(WhoCheck(), address) for address in addresses)
    while len(workers.pids) < 2:
        await asyncio.sleep(0.01)
    print(*workers.pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("others", [[], ["stuck"]], ids=["well", "stuck"])
def test_processes_end_with_a_server_that_is_killed(others):
    where = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, *others],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": where},
    )
    try:
        pids = list(map(int, server.stdout.readline().split()))
        assert len(pids) == 2
        watched = [os.pidfd_open(pid) for pid in pids]
    finally:
        server.kill()
        server.communicate()
    for descriptor in watched:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(PATIENCE * 1000)
        os.close(descriptor)

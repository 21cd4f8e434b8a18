from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import uvloop
from health_servers import LOOPBACK

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.command import ExecCheck

SOON = 0.3  # seconds: the timeout of checks whose time is meant to run out
BEGUN = 3.0  # and of those that have to have begun something by then


def descriptors():
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.fixture(scope="module", autouse=True)
def _uvloop_has_been_used():
    """The first of its loops leaves descriptors open, for those that follow."""
    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """Every test ends with the descriptors that it began with, and without children."""
    before = descriptors()
    yield
    assert len(descriptors()) <= len(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run(work):
        loop = request.param()
        try:
            return loop.run_until_complete(work)
        finally:
            loop.close()

    return run


def shell(code, **options):
    return ExecCheck(command=("sh", "-c", code, "sh", "{address}", "{port}"), **options)


@pytest.fixture
def probe(run):
    return lambda code, address=LOOPBACK, **options: run(
        shell(code, **options).probe(address, Kept())
    )


def test_status_0_passes(probe):
    result = probe("echo DISK OK - 7 GB free; echo more")
    assert result.outcome is Outcome.OK
    assert result.detail == "DISK OK - 7 GB free"
    assert result.milliseconds > 0


@pytest.mark.parametrize(
    ("code", "status", "outcome", "detail"),
    [
        ("echo DISK CRITICAL; exit 2", [(0, 0)], Outcome.STATUS, "exit status 2, expected 0: DISK CRITICAL"),
        ("echo DISK WARNING; exit 1", [(0, 1)], Outcome.OK, "DISK WARNING"),
        ("exit 255", [(0, 1), (3, 3)], Outcome.STATUS, "exit status 255, expected 0-1, 3"),
        ("echo it broke >&2; exit 3", [(0, 0)], Outcome.STATUS, "exit status 3, expected 0: it broke"),
        ("kill -SEGV $$", [(0, 255)], Outcome.STATUS, "killed by SIGSEGV, expected 0-255"),
        ("kill -40 $$", [(0, 0)], Outcome.STATUS, "killed by signal 40, expected 0"),
        ("printf '\\n\\033[1mred\\377\\n'", [(0, 0)], Outcome.OK, "[1mred\ufffd"),
        ("exec >&- 2>&-; exit 4", [(0, 0)], Outcome.STATUS, "exit status 4, expected 0"),
    ],
)  # fmt: skip
def test_the_exit_status_decides(probe, code, status, outcome, detail):
    result = probe(code, status=tuple(status))
    assert (result.outcome, result.detail) == (outcome, detail)


def test_it_is_told_where_to_look_and_nothing_else(probe, monkeypatch):
    monkeypatch.setenv("SECRET", "of ours")
    result = probe("echo $1 $2 $#: $(env | grep -v '^_=\\|^PWD=' | cut -d= -f1 | sort)", port=443)
    assert result.detail == f"{LOOPBACK} 443 2: DNSLB_ADDRESS DNSLB_PORT LANG PATH"
    assert probe("echo $DNSLB_ADDRESS $DNSLB_PORT.", address="www.example.com.").detail == (
        "www.example.com ."
    )


def test_a_placeholder_may_stand_within_a_word(run):
    check = ExecCheck(command=("echo", "http://{address}:{port}/{x}"), port=80)
    assert run(check.probe(LOOPBACK, Kept())).detail == f"http://{LOOPBACK}:80/{{x}}"


def test_no_shell_reads_the_arguments(run):
    check = ExecCheck(command=("echo", "$HOME; exit 1"))
    assert run(check.probe(LOOPBACK, Kept())).detail == "$HOME; exit 1"


def test_standard_input_is_empty(probe):
    assert probe("cat; echo done").detail == "done"


@pytest.mark.parametrize(
    ("program", "reason"),
    [("no-such-program-here", "no such file"), ("plain", "permission denied"), ("text", "format")],
)
def test_a_program_that_cannot_run_is_the_checks_own_fault(run, tmp_path, program, reason):
    (tmp_path / "plain").write_text("")
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    path = str(tmp_path / program)
    result = run(ExecCheck(command=(path,)).probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.ERROR
    assert f"cannot run {path}: " in result.detail
    assert reason in result.detail


def gone(pid):
    """Whether a process ends, which after SIGKILL it does."""
    for _ in range(3000):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            if stat.rpartition(")")[2].split()[0] == "Z":
                return True  # it waits for its new parent alone
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_when_the_time_is_up_the_children_are_killed_too(probe, tmp_path):
    pids = tmp_path / "pids"
    result = probe(f"echo $$ > {pids}; sleep 600 & echo $! >> {pids}; wait", timeout=BEGUN)
    assert result.outcome is Outcome.READ_TIMEOUT
    assert result.detail == "sh was still running after 3s"
    assert all(gone(pid) for pid in pids.read_text().split())


def test_a_program_that_ignores_signals_is_killed(probe):
    assert probe("trap '' TERM INT HUP; while :; do sleep 600; done", timeout=SOON).outcome is (
        Outcome.READ_TIMEOUT
    )


def test_children_that_are_left_behind_neither_hold_up_nor_stay(probe):
    result = probe("sleep 600 & echo $!", timeout=60)
    assert result.outcome is Outcome.OK
    assert gone(result.detail)


def test_a_child_that_left_the_group_holds_nothing_up(probe, tmp_path):
    """It keeps the pipe open, and is out of reach."""
    left = tmp_path / "pid"
    code = f"setsid sh -c 'echo $$ > {left}; exec sleep 600' & sleep 600"
    result = probe(code, timeout=BEGUN)
    assert result.outcome is Outcome.READ_TIMEOUT
    pid = int(left.read_text())
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGKILL)


def test_who_says_too_much_is_stopped(probe):
    result = probe("yes", timeout=60)
    assert result.outcome is Outcome.TOO_LARGE
    assert result.detail == "it said more than 64 KiB"


def test_64_kib_are_not_too_much(run):
    code = "import sys; sys.stdout.write('x' * 65536)"
    check = ExecCheck(command=(sys.executable, "-c", code), timeout=60)
    assert run(check.probe(LOOPBACK, Kept())).outcome is Outcome.OK


def test_cancellation_kills(run, tmp_path):
    fifo = tmp_path / "started"
    os.mkfifo(fifo)

    async def work():
        code = f"echo $$ > {fifo}; exec sleep 600"
        task = asyncio.ensure_future(shell(code, timeout=60).probe(LOOPBACK, Kept()))
        pid = await asyncio.to_thread(fifo.read_text)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid.strip()

    assert gone(run(work()))


def test_many_at_a_time(run):
    async def work():
        checks = [shell(f"exit {number}", timeout=60) for number in range(40)]
        return await asyncio.gather(*(check.probe(LOOPBACK, Kept()) for check in checks))

    results = run(work())
    assert results[0].ok
    assert [result.detail for result in results[1:]] == [
        f"exit status {number}, expected 0" for number in range(1, 40)
    ]


def test_a_system_without_pidfds(run, monkeypatch):
    monkeypatch.setattr(sys, "platform", "other")
    assert run(shell("exit 1").probe(LOOPBACK, Kept())).outcome is Outcome.STATUS
    assert run(shell("sleep 600", timeout=SOON).probe(LOOPBACK, Kept())).outcome is (
        Outcome.READ_TIMEOUT
    )


def test_where():
    assert ExecCheck(command=("/usr/lib/check_disk", "-w")).where("192.0.2.1") == (
        "192.0.2.1 check_disk"
    )

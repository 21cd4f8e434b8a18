from __future__ import annotations

import asyncio
import csv
import subprocess
from contextlib import asynccontextmanager

import pytest
from health_servers import LOOPBACK, resetting
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.checks.agent import AgentCheck, read_line
from dnslb.health.checks.base import AgentMode, Kept, Outcome
from dnslb.health.checks.network import FailedError
from dnslb.health.load import LoadSource
from tools import tool

SOON = 1.0  # seconds: the timeout of checks whose time is meant to run out


@asynccontextmanager
async def agent(*parts, hold=False):
    """Says `parts`, a callable one to what it was asked."""
    over = asyncio.Event()

    async def handle(reader, writer):
        for part in parts:
            writer.write(part(await reader.readline()) if callable(part) else part)
        if hold:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()


def probe(*parts, hold=False, **options):
    async def run():
        async with agent(*parts, hold=hold) as port:
            return await AgentCheck(port=port, **options).probe(LOOPBACK, Kept())

    return asyncio.run(run())


OK, STATUS = Outcome.OK, Outcome.STATUS
READY, DRAIN, MAINT = AgentMode.READY, AgentMode.DRAIN, AgentMode.MAINT
LINES = {
    "75%": (OK, 0.75, None, ""),
    "0%": (OK, 0.0, None, ""),
    "100%": (OK, 1.0, None, ""),
    "200%": (OK, 2.0, None, ""),
    "up": (OK, None, None, ""),
    "UP 50%": (OK, 0.5, None, ""),
    "up,ready\t30%": (OK, 0.3, READY, ""),
    "  drain , ": (OK, None, DRAIN, ""),
    "maint": (OK, None, MAINT, ""),
    "ready 20% maxconn:40": (OK, 0.2, READY, ""),
    "10% 20%": (OK, 0.2, None, ""),
    "down": (STATUS, None, None, "the agent says down"),
    "down up": (OK, None, None, ""),
    "fail #no database": (STATUS, None, None, "the agent says fail: no database"),
    "stopped # upgrade, back soon": (STATUS, None, None, "the agent says stopped: upgrade, back soon"),
    "drain 5% down #": (STATUS, 0.05, DRAIN, "the agent says down"),
    "up #down": (OK, None, None, ""),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_what_an_agent_says(line):
    result = probe(line.encode() + b"\n")
    assert (result.outcome, result.weight, result.mode, result.detail) == LINES[line]
    assert result.load is None


def test_a_reason_may_follow_at_once():
    assert probe(b"down#disk full\r\n").detail == "the agent says down: disk full"


def test_a_percentage_beyond_haproxys_weights_counts_as_the_highest():
    result = probe(b"900%\n")
    assert result.weight == 2.56
    assert result.note == "the agent says 900%, which counts as 256%"


@pytest.mark.parametrize(
    ("line", "load"), [("25%", 0.75), ("100%", 0.0), ("120%", 0.0), ("0%", 1.0), ("up", None)]
)
def test_with_load_the_percentage_is_the_room_that_is_left(line, load):
    result = probe(line.encode() + b"\n", load=LoadSource(kind="agent"))
    assert result.load == load
    assert result.weight is None


@pytest.mark.parametrize(
    ("said", "outcome", "detail"),
    [
        (b"", Outcome.CLOSED, "without a response"),
        (b"75%", Outcome.CLOSED, "before the response was complete"),
        (b"\n", Outcome.MALFORMED, "empty line"),
        (b"#down\n", Outcome.MALFORMED, "empty line"),
        (b"HTTP/1.0 400 Bad Request\r\n", Outcome.MALFORMED, "'HTTP/1.0'"),
        (b"75\n", Outcome.MALFORMED, "'75'"),
        (b"-5%\n", Outcome.MALFORMED, "'-5%'"),
        (b"up " * 341 + b"\n", Outcome.OK, ""),
        (b"up " * 342 + b"\n", Outcome.TOO_LARGE, "1 KiB"),
        (b"x" * 5000, Outcome.TOO_LARGE, "1 KiB"),
    ],
)
def test_what_is_no_answer(said, outcome, detail):
    result = probe(said)
    assert result.outcome is outcome
    assert detail in result.detail


def test_silence_is_a_read_timeout():
    assert probe(hold=True, timeout=SOON).outcome is Outcome.READ_TIMEOUT


def test_a_line_is_enough_without_an_end_of_the_connection():
    assert probe(b"up ", b"10%\nmore", hold=True).weight == 0.1


def test_a_reset():
    async def run():
        async with resetting() as port:
            return await AgentCheck(port=port, send=b"?\n").probe(LOOPBACK, Kept())

    assert asyncio.run(run()).outcome is Outcome.RESET


def test_what_is_sent_first():
    assert probe(lambda asked: b"up\n" if asked == b"web1\n" else b"down\n", send=b"web1\n").ok


@given(st.text())
def test_no_line_breaks_the_reader(line):
    try:
        result = read_line(line)
    except FailedError:
        return
    assert result.weight is None or 0 <= result.weight <= 2.56
    assert result.detail.isprintable()


AGREED = [line for line in LINES if line != "  drain , "] + ["drain", "900%", "1%"]


class Haproxy:
    """HAProxy with a server for each agent's port, and its statistics."""

    def __init__(self, folder, ports):
        self.socket = folder / "stats"
        servers = "".join(
            f" server s{index} 127.0.0.1:9 weight 100 agent-check agent-addr {LOOPBACK}"
            f" agent-port {port} agent-inter 100ms\n"
            for index, port in enumerate(ports)
        )
        config = folder / "haproxy.cfg"
        config.write_text(
            f"global\n stats socket {self.socket} mode 600\n"
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
            f"backend all\n{servers}"
        )
        self.process = subprocess.Popen(
            [tool("haproxy", "haproxy"), "-db", "-f", config],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    async def servers(self):
        reader, writer = await asyncio.open_unix_connection(self.socket)
        writer.write(b"show stat\n")
        text = (await reader.read()).decode().removeprefix("# ")
        writer.close()
        return [row for row in csv.DictReader(text.splitlines()) if row["svname"][0] == "s"]


async def judged(folder, lines):
    """HAProxy's rows once every agent has been asked three times, and our results."""
    told = [0] * len(lines)
    all_told = asyncio.Event()

    def serve(index):
        async def handle(_, writer):
            writer.write(lines[index].encode() + b"\n")
            writer.close()
            told[index] += 1
            if min(told) >= 3:
                all_told.set()

        return asyncio.start_server(handle, LOOPBACK, 0)

    servers = [await serve(index) for index in range(len(lines))]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    haproxy = Haproxy(folder, ports)
    try:
        await asyncio.wait_for(all_told.wait(), 60)
        rows = await haproxy.servers()
    finally:
        haproxy.process.terminate()
        await asyncio.to_thread(haproxy.process.wait)
    results = [await AgentCheck(port=port).probe(LOOPBACK, Kept()) for port in ports]
    for server in servers:
        server.close()
    return rows, results


def as_haproxy(result):
    """Status and weight as HAProxy's statistics name them, for a server of weight 100."""
    status = "no check"  # it has no other check than its agent, and is up
    if result.mode is MAINT:
        status = "MAINT"
    elif not result.ok:
        status = "DOWN (agent)"
    elif result.mode is DRAIN:
        status = "DRAIN (agent)"
    weight = 1.0 if result.weight is None else result.weight
    return status, round(100 * weight)


def test_haproxy_understands_the_same(tmp_path):
    rows, results = asyncio.run(judged(tmp_path, AGREED))
    theirs = [
        (line, row["status"], int(row["weight"])) for line, row in zip(AGREED, rows, strict=True)
    ]
    ours = [(line, *as_haproxy(result)) for line, result in zip(AGREED, results, strict=True)]
    assert ours == theirs
    assert {status for _, status, _ in theirs} == {
        *("no check", "MAINT", "DRAIN (agent)", "DOWN (agent)")
    }


def test_haproxy_overlooks_what_we_tell(tmp_path):
    """Where HAProxy keeps what it knew, for want of a word that it knows, the check fails."""
    lines = ["down#disk", "75", "-5%", ""]
    rows, results = asyncio.run(judged(tmp_path, lines))
    assert {(row["status"], row["weight"]) for row in rows} == {("no check", "100")}
    assert [result.outcome for result in results] == [STATUS, *[Outcome.MALFORMED] * 3]

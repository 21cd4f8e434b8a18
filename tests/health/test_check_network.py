from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.network import Phase, Progress, diagnose, resolve, within


def system(number):
    """The error of the class that the system's number stands for."""
    return OSError(number, "words")


class LibraryError(OSError):
    """An error with a system's number, but of no system's class."""


@pytest.mark.parametrize(
    ("error", "phase", "outcome"),
    [
        (system(errno.ECONNREFUSED), Phase.CONNECT, Outcome.REFUSED),
        (LibraryError(errno.ECONNREFUSED, ""), Phase.CONNECT, Outcome.REFUSED),
        (system(errno.ENETUNREACH), Phase.CONNECT, Outcome.UNREACHABLE),
        (system(errno.EHOSTUNREACH), Phase.CONNECT, Outcome.UNREACHABLE),
        (system(errno.EPERM), Phase.CONNECT, Outcome.UNREACHABLE),
        (OSError("Multiple exceptions: one, other"), Phase.CONNECT, Outcome.UNREACHABLE),
        (system(errno.ETIMEDOUT), Phase.CONNECT, Outcome.CONNECT_TIMEOUT),
        (system(errno.ETIMEDOUT), Phase.READ, Outcome.READ_TIMEOUT),
        (system(errno.ECONNRESET), Phase.READ, Outcome.RESET),
        (LibraryError(errno.ECONNRESET, ""), Phase.BODY, Outcome.RESET),
        (system(errno.EPIPE), Phase.READ, Outcome.RESET),
        (system(errno.ECONNRESET), Phase.HANDSHAKE, Outcome.TLS),
        (ConnectionAbortedError(), Phase.HANDSHAKE, Outcome.TLS),
        (ssl.SSLEOFError(8, "EOF occurred"), Phase.HANDSHAKE, Outcome.TLS),
        (ssl.SSLEOFError(8, "EOF occurred"), Phase.READ, Outcome.RESET),
        (ssl.SSLError(1, "[SSL: SOME_REASON] some reason"), Phase.HANDSHAKE, Outcome.TLS),
        (socket.gaierror(-2, "Name or service not known"), Phase.RESOLVE, Outcome.DNS),
        (UnicodeError("label too long"), Phase.RESOLVE, Outcome.DNS),
        (system(errno.EMFILE), Phase.CONNECT, Outcome.ERROR),
        (system(errno.ENFILE), Phase.CONNECT, Outcome.ERROR),
        (system(errno.ENOBUFS), Phase.CONNECT, Outcome.ERROR),
        (system(errno.EADDRNOTAVAIL), Phase.CONNECT, Outcome.ERROR),
        (RuntimeError("a fault"), Phase.READ, Outcome.ERROR),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Phase | Outcome) else None,
)
def test_what_errors_mean(error, phase, outcome):
    result = diagnose(error, Progress(phase))
    assert result.outcome is outcome
    assert result.detail


@pytest.mark.parametrize(
    ("phase", "outcome", "detail"),
    [
        (Phase.RESOLVE, Outcome.DNS, "no answer from the resolver within 1ms"),
        (Phase.CONNECT, Outcome.CONNECT_TIMEOUT, "no connection within 1ms"),
        (Phase.HANDSHAKE, Outcome.TLS, "no handshake within 1ms"),
        (Phase.READ, Outcome.READ_TIMEOUT, "no response within 1ms"),
        (Phase.BODY, Outcome.READ_TIMEOUT, "no complete response within 1ms"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Phase) else None,
)
def test_time_is_up_in_a_phase(phase, outcome, detail):
    async def forever(cleaned):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    async def run():
        progress, cleaned = Progress(phase), []
        result = await within(0.001, progress, forever(cleaned))
        return result, cleaned

    result, cleaned = asyncio.run(run())
    assert (result.outcome, result.detail) == (outcome, detail)
    assert result.milliseconds > 0
    assert cleaned == [True]


def test_a_connection_that_breaks_within_the_answer_says_so():
    progress = Progress(Phase.BODY)
    progress.arrived(10)
    result = diagnose(system(errno.ECONNRESET), progress)
    assert result.outcome is Outcome.RESET_MIDWAY


def test_an_answer_that_still_comes_is_slow():
    async def drip(progress):
        while True:
            progress.arrived(1)
            await asyncio.sleep(0.001)

    progress = Progress(Phase.BODY)
    result = asyncio.run(within(0.05, progress, drip(progress)))
    assert result.outcome is Outcome.SLOW
    assert "bytes so far" in result.detail


def test_work_that_ends_is_its_result_with_the_time_it_took():
    async def work():
        return Result(Outcome.OK, load=0.5)

    result = asyncio.run(within(30, Progress(), work()))
    assert (result.outcome, result.load) == (Outcome.OK, 0.5)
    assert result.milliseconds > 0


def test_cancelling_reaches_the_work():
    async def run():
        started, ended = asyncio.Event(), []

        async def work():
            try:
                started.set()
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        task = asyncio.create_task(within(30, Progress(), work()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended

    assert asyncio.run(run()) == [True]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_is_its_own_answer(address):
    infos = asyncio.run(resolve(address, 80))
    assert [info[4][:2] for info in infos] == [(address, 80)]


def test_a_name_is_looked_up():
    assert {info[4][0] for info in asyncio.run(resolve("localhost", 80))} <= {"127.0.0.1", "::1"}

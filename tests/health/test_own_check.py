from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from health_servers import LOOPBACK

from dnslb.health.checks.base import Check, Kept, Outcome
from dnslb.health.checks.own import find
from tools import tool

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "checks"
NAME = "redis_ping:RedisPing"
RIGHT = {"password": "secret words"}
WRONG = {"password": "wrong"}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Makes modules of texts, and forgets them afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.syspath_prepend(tmp_path)
    find.cache_clear()

    def make(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]
    find.cache_clear()


@contextmanager
def redis(folder, *options):
    """A real Redis server."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]
    command = [tool("redis-server", "redis-server"), "--port", str(port), "--bind", LOOPBACK]
    process = subprocess.Popen(
        [*command, "--dir", folder, "--save", "", "--daemonize", "no", *options],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert any("eady to accept connections" in line for line in process.stdout)
        yield port
    finally:
        process.terminate()
        process.communicate()


def probe(port, kept=None, **options):
    check = find(NAME)(port=port, **options)
    return asyncio.run(check.probe(LOOPBACK, kept or Kept()))


@pytest.mark.usefixtures("modules")
class TestTheExample:
    def test_a_real_server_passes(self, tmp_path):
        with redis(tmp_path) as port:
            assert probe(port).outcome is Outcome.OK
            result = probe(port, **WRONG)
        assert result.outcome is Outcome.STATUS
        assert result.detail.startswith("AUTH: ERR AUTH")

    def test_a_password(self, tmp_path):
        with redis(tmp_path, "--requirepass", "secret words") as port:
            assert probe(port, **RIGHT).outcome is Outcome.OK
            result = probe(port)
            assert result.outcome is Outcome.STATUS
            assert result.detail == "PING: NOAUTH Authentication required."
            assert probe(port, **WRONG).detail.startswith("AUTH: WRONGPASS")

    def test_a_connection_is_used_again(self, tmp_path):
        async def run(port):
            kept = Kept()
            check = find(NAME)(port=port, reuse=True)
            assert (await check.probe(LOOPBACK, kept)).ok
            held = kept.take()
            kept.put(held)
            assert (await check.probe(LOOPBACK, kept)).ok
            assert kept.take() is held
            held.close()

        with redis(tmp_path) as port:
            asyncio.run(run(port))

    def test_a_server_of_another_protocol(self):
        async def run():
            async def handle(_, writer):
                writer.write(b"220 mail.example.com ESMTP\r\n")
                writer.close()

            async with await asyncio.start_server(handle, LOOPBACK, 0) as server:
                port = server.sockets[0].getsockname()[1]
                return await find(NAME)(port=port).probe(LOOPBACK, Kept())

        result = asyncio.run(run())
        assert result.outcome is Outcome.MALFORMED
        assert result.detail == "PING: '220 mail.example.com ESMTP', expected +PONG"

    def test_its_usual_port(self):
        assert find(NAME)().where(LOOPBACK) == f"{LOOPBACK}:6379"

    def test_the_document_shows_what_runs(self):
        text = (ROOT / "docs" / "health.md").read_text()
        assert f"type: {NAME}" in text
        code = (EXAMPLES / "redis_ping.py").read_text()
        shown = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert shown
        assert all(block.strip() in code for block in shown)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("own_none:Check", None, "cannot import own_none: ModuleNotFoundError"),
        ("own_broken:Mine", "1 / 0", "cannot import own_broken: ZeroDivisionError"),
        ("own_exit:Mine", "raise SystemExit(3)", "cannot import own_exit: SystemExit: 3"),
        ("own_empty:Mine", "", "own_empty has no Mine"),
        ("own_other:Mine", "class Mine: pass", "Mine is no subclass of dnslb.health.checks.base"),
        ("own_value:Mine", "Mine = 7", "Mine is no subclass of dnslb.health.checks.base"),
    ],
)
def test_what_cannot_be_found(modules, name, text, reason):
    if text is not None:
        modules(**{name.partition(":")[0]: text})
    with pytest.raises(LookupError, match=re.escape(reason)):
        find(name)


def test_a_check_is_found(modules):
    modules(own_fine="from dnslb.health.checks.tcp import TcpCheck as Mine")
    assert issubclass(find("own_fine:Mine"), Check)

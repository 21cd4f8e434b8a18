"""Posts to real servers that fail in every way, and programs that do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from dnslb.config.model import Command, Webhook
from dnslb.events import Events
from dnslb.hooks import deliver, webhook
from dnslb.hooks.deliver import Hooks

KINDS = frozenset({"verdict", "reload"})
SECRET = b"0123456789abcdef"


class Receiver:
    """A server that answers with what is put in `plan`, then with 204."""

    def __init__(self):
        self.plan = []
        self.got = []
        self.came = asyncio.Condition()

    async def post(self, request):
        body = await request.read()
        async with self.came:
            self.got.append((dict(request.headers), body))
            self.came.notify_all()
        step = self.plan.pop(0) if self.plan else 204
        if step == "hang":
            await asyncio.sleep(60)
        if step == "drop":
            request.transport.abort()
        headers = {"Retry-After": "0"} if step == 429 else {}
        if step == 302:
            headers["Location"] = "/hook"
        return web.Response(status=step if isinstance(step, int) else 200, headers=headers)

    async def until(self, count):
        async with self.came:
            await asyncio.wait_for(self.came.wait_for(lambda: len(self.got) >= count), 30)


@asynccontextmanager
async def receiving():
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def telling(*hooks):
    events = Events()
    told = Hooks(events)
    told.configure(hooks)
    await asyncio.sleep(0)  # they subscribe
    try:
        yield events, told
    finally:
        await told.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(webhook, "FIRST", 0.01)


def counts(told, hook):
    return {result: count for (name, result), count in told.counts().items() if name == hook.name}


async def settled(told, hook, **expected):
    for _ in range(3000):
        if counts(told, hook) == {"delivered": 0, "failed": 0, "dropped": 0, **expected}:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{counts(told, hook)} is not {expected}")


def test_a_post_is_signed_json():
    async def scenario():
        async with receiving() as receiver:
            hook = Webhook(receiver.url, KINDS, SECRET)
            async with telling(hook) as (events, told):
                events.tell("service", up=False)  # not of these kinds
                events.tell("verdict", backend="a", down=["ipv4"])
                await settled(told, hook, delivered=1)
            ((headers, body),) = receiver.got
        shown = json.loads(body)
        assert (shown["type"], shown["data"]) == ("verdict", {"backend": "a", "down": ["ipv4"]})
        assert shown["timestamp"].endswith("+00:00")
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(SECRET, signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        assert headers["Content-Type"] == "application/json"

    asyncio.run(scenario())


def test_standard_webhooks_own_example():
    # the vector of the specification's reference libraries
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert (
        webhook.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_failures_are_tried_again_with_the_same_number():
    async def scenario():
        async with receiving() as receiver:
            receiver.plan = [500, 429, "drop", 503]
            hook = Webhook(receiver.url, KINDS)
            async with telling(hook) as (events, told):
                events.tell("verdict")
                events.tell("reload")
                await settled(told, hook, delivered=2)
            kinds = [json.loads(body)["type"] for _, body in receiver.got]
            assert kinds == ["verdict"] * 5 + ["reload"]
            ids = [headers["webhook-id"] for headers, _ in receiver.got]
            assert len(set(ids[:5])) == 1
            assert ids[5] != ids[0]
            assert "webhook-signature" not in receiver.got[0][0]

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_what_a_receiver_refuses_is_given_up(status, caplog):
    async def scenario():
        async with receiving() as receiver:
            receiver.plan = [status]
            hook = Webhook(receiver.url, KINDS)
            async with telling(hook) as (events, told):
                events.tell("verdict")
                await settled(told, hook, failed=1)
            assert len(receiver.got) == 1

    asyncio.run(scenario())
    assert f"verdict not told: HTTP {status}" in caplog.text


def test_a_receiver_that_hangs_or_is_not_there(caplog):
    async def scenario():
        async with receiving() as receiver:
            receiver.plan = ["hang"]
            hook = Webhook(receiver.url, KINDS, timeout=0.5, retries=9)
            async with telling(hook) as (events, told):
                events.tell("verdict")
                await settled(told, hook, delivered=1)
        gone = Webhook(receiver.url, KINDS, retries=2)
        async with telling(gone) as (events, told):
            events.tell("verdict")
            await settled(told, gone, failed=1)

    asyncio.run(scenario())
    assert ", 3 times" in caplog.text


def test_a_slow_hook_holds_up_nobody():
    async def scenario():
        async with receiving() as slow, receiving() as quick:
            slow.plan = ["hang"]
            hooks = Webhook(slow.url, KINDS), Webhook(quick.url, KINDS)
            async with telling(*hooks) as (events, told):
                for count in range(1, 1_101):
                    events.tell("verdict")
                    if count % 100 == 0:
                        await quick.until(count)
                assert len(slow.got) == 1
                assert counts(told, hooks[1])["dropped"] == 0

    deliver.PARTING, before = 0.05, deliver.PARTING
    try:
        asyncio.run(scenario())
    finally:
        deliver.PARTING = before


WRITE = (
    "import os, sys; open(sys.argv[1], 'a').write(sys.stdin.read() + os.environ['DNSLB_BACKEND'])"
)


def test_a_program_gets_the_event(tmp_path):
    async def scenario():
        hook = Command((sys.executable, "-c", WRITE, str(tmp_path / "out")), KINDS)
        async with telling(hook) as (events, told):
            events.tell("verdict", backend="fra1", down=["ipv4"], reason="a $(b)")
            await settled(told, hook, delivered=1)
        line, backend = (tmp_path / "out").read_text().splitlines()
        assert json.loads(line)["data"]["reason"] == "a $(b)"
        assert backend == "fra1"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("/none",), "cannot be run: no such file or directory"),
        ((sys.executable, "-c", "print('disk full'); exit(3)"), "ended with status 3: disk full"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "was still running after 0.3s"),
        (
            (sys.executable, "-c", "import sys; sys.stdin.close(); print('x' * 10**6); exit(1)"),
            "xxx",
        ),
    ],
)
def test_programs_that_fail(command, says, caplog):
    async def scenario():
        hook = Command(command, KINDS, timeout=0.3 if "sleep" in command[-1] else 20)
        async with telling(hook) as (events, told):
            events.tell("verdict")
            await settled(told, hook, failed=1)

    asyncio.run(scenario())
    assert says in caplog.text


def test_children_of_a_program_end_with_it(tmp_path):
    script = f"echo $$ > {tmp_path}/pid; sleep 60 & wait"

    async def scenario():
        hook = Command(("/bin/sh", "-c", script), KINDS, timeout=3)
        async with telling(hook) as (events, told):
            events.tell("verdict")
            await settled(told, hook, failed=1)

    asyncio.run(scenario())
    asyncio.run(gone(int((tmp_path / "pid").read_text())))


def test_a_child_that_is_left_ends_too_and_nobody_waits_for_it(tmp_path):
    script = f"echo $$ > {tmp_path}/pid; sleep 60 & echo left; exit 0"

    async def scenario():
        hook = Command(("/bin/sh", "-c", script), KINDS, timeout=30)
        async with telling(hook) as (events, told):
            events.tell("verdict")
            await settled(told, hook, delivered=1)

    asyncio.run(scenario())
    asyncio.run(gone(int((tmp_path / "pid").read_text())))


async def gone(pid):
    """Wait until nobody of a session is left; who was killed still has to be let run for that."""
    for _ in range(3000):
        left = await session(pid)
        if not left:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"left: {left}")


async def session(pid):
    process = await asyncio.create_subprocess_exec(
        "ps", "-o", "pid=,stat=", "--sid", str(pid), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return "".join(line for line in output.decode().splitlines() if " Z" not in line)


def test_a_reload_keeps_hooks_that_stay():
    async def scenario():
        async with receiving() as receiver:
            hook = Webhook(receiver.url, KINDS)
            async with telling(hook) as (events, told):
                events.tell("verdict")
                told.configure([hook, Command(("true",), KINDS)])
                await asyncio.sleep(0)
                events.tell("verdict")
                await receiver.until(2)
                told.configure([])
                events.tell("verdict")
                await asyncio.sleep(0.05)
            assert len(receiver.got) == 2

    asyncio.run(scenario())

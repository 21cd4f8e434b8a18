"""What a restart changes: nothing, until a check says so."""

from __future__ import annotations

import json
import socket
import urllib.request
from contextlib import ExitStack, contextmanager

from harness import until
from test_health_flips import answers, zone

SLOW = "{type: http, path: /healthz, interval: 120s, timeout: 110s, rise: 1, fall: 1}"
SLOWLY = "{type: http, path: /healthz, interval: 1s, timeout: 900ms, rise: 10, fall: 2}"
API = 'listen: ["127.0.0.1:0"]\napi: {listen: "127.0.0.1:0"}\nstate: kept\n'


def put(daemon, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.api}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - http, see above
        return json.load(response)


def get(daemon, path):
    with urllib.request.urlopen(
        f"http://127.0.0.1:{daemon.api}/api/v1/{path}", timeout=30
    ) as response:
        return json.load(response)


@contextmanager
def hanging(*webs):
    """Servers in the place of `webs`: connections are made, and nobody answers until the end."""
    with ExitStack() as stack:
        for web in webs:
            web.stop()
            stack.enter_context(socket.create_server((web.host, web.port)))
        yield


def test_verdicts_and_states_survive(serve, write, webs):
    up, down, drained = webs(3)
    config = write(API, example_com=zone([up, down, drained]))
    daemon = serve(config).ready()
    down.status = 503
    daemon.wait_for("backend p/b1 down")
    put(daemon, "backends/p/b2/state", {"state": "drain", "reason": "maintenance"})
    until(lambda: answers(daemon) == {up.host})
    since = get(daemon, "backends/p/b1")["since"]
    assert daemon.end() == 0

    for web in (down, drained):
        web.stop()
    daemon = serve(config).ready()
    shown = get(daemon, "backends/p/b2")
    assert (shown["state"], shown["state_reason"]) == ("drain", "maintenance")
    assert get(daemon, "backends/p/b1")["since"] == since
    assert answers(daemon) == {up.host}


def test_the_same_answers_at_once_and_then_what_checks_say(serve, write, webs):
    up, down = webs(2)
    config = write(API, example_com=zone([up, down], check=SLOWLY))
    daemon = serve(config).ready()
    down.stop()
    daemon.wait_for("backend p/b1 down")
    until(lambda: answers(daemon) == {up.host})
    assert daemon.end() == 0
    down.start()
    daemon = serve(config).ready()
    # ten seconds of good checks are needed to come up, and one bad check would have been enough to go
    assert get(daemon, "backends/p/b1")["transitions"] == []
    assert answers(daemon) == {up.host}
    daemon.wait_for("backend p/b1 up")
    until(lambda: answers(daemon) == {up.host, down.host})


def test_while_backends_hang_the_answers_are_as_before(serve, write, webs):
    up, down, other = webs(3)
    config = write(API, example_com=zone([up, down, other], check=SLOW))
    down.stop()
    daemon = serve(config).ready()
    put(daemon, "backends/p/b2/state", {"state": "drain"})
    until(lambda: answers(daemon) == {up.host})
    assert daemon.end() == 0

    with hanging(up, down, other):
        daemon = serve(config).ready()
        assert answers(daemon) == {up.host}
        assert all(one["last_result"] is None for one in get(daemon, "backends/p/b0")["probes"])
    daemon.wait_for("backend p/b0 down")


def test_a_server_that_is_killed_knows_what_it_wrote(serve, write, webs):
    up, down = webs(2)
    config = write(API, example_com=zone([up, down], check=SLOW))
    daemon = serve(config).ready()
    put(daemon, "backends/p/b1/state", {"state": "drain", "until": "1h"})
    file = config.parent / "kept" / "health.json"
    until(lambda: file.exists() and b'"drain"' in file.read_bytes())
    daemon.kill()
    file.with_suffix(".json.new").write_bytes(b"torn")  # as if it had been in the middle of a write
    with hanging(up, down):
        again = serve(config).ready()
        assert answers(again) == {up.host}
        assert get(again, "backends/p/b1")["until"]


def test_a_damaged_state_is_put_aside(serve, write, webs):
    (up,) = webs(1)
    config = write(API, example_com=zone([up]))
    folder = config.parent / "kept"
    folder.mkdir()
    (folder / "health.json").write_bytes(b'{"version": 1, "at"')
    daemon = serve(config)
    daemon.wait_for("starting without it")
    assert answers(daemon.ready()) == {up.host}
    assert daemon.end() == 0
    assert (folder / "health.json.bad").exists()
    assert json.loads((folder / "health.json").read_bytes())["version"] == 1


def test_two_servers_with_one_folder(serve, write, webs):
    (up,) = webs(1)
    config = write(API, example_com=zone([up]))
    serve(config).ready()
    other = config.with_name("other.yaml")
    other.write_text(API)
    second = serve(other)
    second.wait_for("another server uses")
    assert answers(second.ready()) == {up.host}

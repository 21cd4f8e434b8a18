"""The commands that talk to a running server, as an operator types them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from harness import until
from test_health_flips import answers, zone

SERVER = 'listen: ["127.0.0.1:0"]\napi: {listen: "127.0.0.1:0", token_file: tokens}\nstate: kept\n'
TOKENS = "look read 1123456789abcdef\nrun operate 0123456789abcdef\n"


@pytest.fixture
def there(serve, write, webs):
    """A running server of two backends, and the command line for it."""
    backends = webs(2)
    config = write(SERVER, example_com=zone(backends, service=", ttl: 1"))
    (config.parent / "tokens").write_text(TOKENS)
    (config.parent / "tokens").chmod(0o600)
    daemon = serve(config).ready()

    def run(*words, file="tokens"):
        where = ["--api", f"http://127.0.0.1:{daemon.api}", "--token-file", file]
        return subprocess.run(
            [sys.executable, "-m", "dnslb", words[0], *where, *words[1:]],
            capture_output=True,
            text=True,
            cwd=config.parent,
            timeout=60,
            check=False,
        )

    return daemon, backends, run, config


def test_status(there):
    _, _, run, _ = there
    shown = run("status")
    assert shown.returncode == 0, shown.stderr
    assert "2 backends, 0 down" in shown.stdout
    assert "www.example.com." in shown.stdout
    assert "p/b0" in shown.stdout
    told = json.loads(run("status", "--json").stdout)
    assert [one["name"] for one in told["backends"]] == ["b0", "b1"]
    assert "p/b0" not in run("status", "--down").stdout


def test_draining_to_the_finish_line(there):
    daemon, (first, second), run, _ = there
    assert answers(daemon) == {first.host, second.host}
    tried = run("drain", "p/b0", "--dry-run")
    assert "would change: p/b0" in tried.stdout
    assert "100 %" in tried.stdout
    assert answers(daemon) == {first.host, second.host}
    done = run("drain", "p/b0", "--reason", "kernel", "--wait")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("finished")
    until(lambda: answers(daemon) == {second.host})
    assert "kernel" in run("status").stdout
    refused = run("drain", "p/*")
    assert refused.returncode == 1
    assert "0 of 2 members up, min_up is 1" in refused.stderr
    assert "--force" in refused.stderr
    assert run("undrain", "p/*").returncode == 0
    until(lambda: answers(daemon) == {first.host, second.host})
    daemon.wait_for("by run at 127.0.0.1: p/b0: state auto -> drain: 'kernel'")


def test_a_pool_stays_drained_through_a_restart(there, serve):
    daemon, _, run, config = there
    assert run("drain", "p", "--force").returncode == 0
    assert daemon.end() == 0
    again = serve(config).ready()
    done = subprocess.run(
        [sys.executable, "-m", "dnslb", "status", "--json", "--token-file", "tokens",
         "--api", f"http://127.0.0.1:{again.api}"],
        capture_output=True, text=True, cwd=config.parent, timeout=60, check=True,
    )  # fmt: skip
    (service,) = json.loads(done.stdout)["services"]
    assert service["up"] is False


def test_reload(there):
    _, _, run, config = there
    assert run("reload").stdout == "reloaded: 0 changes\n"
    file = config.parent / "zones" / "example.com.yaml"
    before = file.read_text()
    file.write_text(before.replace("ttl: 1", "ttl: 7"))
    assert "ttl 1" in run("reload").stdout
    file.write_text("services: 1\n")
    refused = run("reload")
    assert refused.returncode == 2
    assert "services: must be a mapping" in refused.stderr
    assert "nothing changes" in refused.stderr


def test_top(there):
    daemon, _, run, _ = there
    answers(daemon)
    shown = run("top", "--times", "1")
    assert shown.returncode == 0, shown.stderr
    assert "queries/s" in shown.stdout
    assert "p/b0" in shown.stdout


def test_explaining_live(there):
    daemon, (first, _), _, config = there
    first.stop()
    daemon.wait_for("backend p/b0 down")
    own = config.with_name("there.yaml")
    own.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{daemon.api}"))
    shown = subprocess.run(
        [sys.executable, "-m", "dnslb", "explain", "www.example.com", "--live", "--config", str(own)],
        capture_output=True, text=True, cwd=config.parent, timeout=60, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "refused" in shown.stdout
    assert "100" in shown.stdout


def test_what_cannot_be_done(there):
    _, _, run, config = there
    (config.parent / "look").write_text(TOKENS.splitlines()[0].split()[2])
    (config.parent / "wrong").write_text("wrong")
    for words, file, says in (
        (("drain", "p/x"), "tokens", "no backend matches 'p/x'"),
        (("drain", "p/b0"), "look", 'the token "look" may read'),
        (("status",), "wrong", "send the API's token"),
        (("status",), "none", "none: no such file or directory"),
    ):
        done = run(*words, file=file)
        assert done.returncode == 1
        assert says in done.stderr, done.stderr
        assert "Traceback" not in done.stderr

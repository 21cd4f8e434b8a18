"""The doctor's judges, which ask nobody."""

from __future__ import annotations

import pytest

from dnslb import __version__
from dnslb.cli.doctor import told as warned
from dnslb.config.load import load
from dnslb.doctor import clock, machine, running, ttl
from dnslb.doctor.asking import COOKIE, Endpoint, Reply
from dnslb.doctor.finding import Level, exit_code, note, ok, warning
from dnslb.doctor.servers import Seen

FACTS = machine.Facts(user=1000, capabilities=0, first_port=1024, ping_groups=(1, 0), files=65_536)


@pytest.fixture
def config(tmp_path):
    def make(zone="", server=""):
        (tmp_path / "zones").mkdir(exist_ok=True)
        text = f"nameservers: [ns.example.net.]\n{zone}"
        (tmp_path / "zones" / "example.org.yaml").write_text(text)
        (tmp_path / "dnslb.yaml").write_text(server)
        loaded, _ = load(tmp_path / "dnslb.yaml")
        return loaded

    return make


def checked(seconds, check="{type: tcp, port: 80, interval: 10s, timeout: 2s, fall: 3}"):
    member = "{name: a, address: 192.0.2.1}"
    return (
        f"checks: {{c: {check}}}\n"
        f"services: {{www: {{ttl: {seconds}, check: c, members: [{member}]}}}}\n"
    )


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (30, Level.OK, "after 32 s (interval 10 s x fall 3, timeout 2 s)"),
        (33, Level.WARNING, "ttl 33 s outlives detection, 32 s"),
        (0, Level.NOTE, "ttl 0"),
    ],
)
def test_ttl_against_detection(config, seconds, level, words):
    (finding,) = ttl.judge(config(checked(seconds)))
    assert finding.level is level
    assert words in finding.found


def test_a_backend_without_a_check(config):
    zone = "services: {www: {members: [{name: a, address: 192.0.2.1}]}}\n"
    (finding,) = ttl.judge(config(zone))
    assert finding.level is Level.WARNING
    assert finding.found == "without a check, so always up: www/a"


def seen(stamp, prefix=b"\1\0\0\0"):
    option = b"client00" + prefix + stamp.to_bytes(4, "big") + b"hashhash"
    cookie = Reply(rcode="NOERROR", options={COOKIE: option})
    here = Endpoint.parse("192.0.2.53")
    return Seen("ns1.", here, Reply(), Reply(), cookie=cookie, sent=b"client00")


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(0, Level.OK), (-5, Level.OK), (20, Level.WARNING), (-400, Level.ERROR), (400, Level.ERROR)],
)
def test_clocks_of_servers_by_their_cookies(ahead, level):
    now = 1_700_000_000
    found = clock.offsets([seen(now + ahead)], now)
    assert found == {"ns1. (192.0.2.53)": ahead}
    *_, finding = clock.judge(clock.Kernel(synchronised=True, max_error=0.01), found)
    assert finding.level is level


def test_a_cookie_of_another_make_tells_no_time():
    assert clock.offsets([seen(5, b"abcd")], 1_700_000_000) == {}


def test_this_machines_clock():
    unsynced = clock.Kernel(synchronised=False, max_error=16.0)
    levels = [next(clock.judge(state, {})).level for state in (unsynced, None)]
    assert levels == [Level.WARNING, Level.NOTE]
    state = clock.kernel()
    assert state is None or 0 <= state.max_error <= 3_600


def test_ports_and_echoes_need_privileges(config):
    zone = checked(30, "{type: icmp}")
    loaded = config(zone)
    bare = {one.looked: one for one in machine.privileges(loaded, FACTS)}
    assert bare["ports below 1024"].level is Level.WARNING
    assert bare["ICMP checks"].level is Level.ERROR
    able = FACTS._replace(capabilities=1 << machine.NET_BIND_SERVICE | 1 << machine.NET_RAW)
    levels = {one.level for one in machine.privileges(loaded, able)}
    assert levels == {Level.OK}
    grouped = FACTS._replace(ping_groups=(0, 99), groups=frozenset({5}))
    found = {one.looked: one.level for one in machine.privileges(loaded, grouped)}
    assert found["ICMP checks"] is Level.OK


def test_limits(config):
    tight = FACTS._replace(files=1024, buffer=65_536, lost=None)
    found = {one.looked: one.level for one in machine.privileges(config(), tight)}
    assert found["open files"] is Level.WARNING
    assert found["receive buffers"] is Level.WARNING


def test_facts_of_this_machine_are_had():
    facts = machine.gather()
    assert facts.first_port is None or facts.first_port >= 0
    assert facts.files is None or facts.files > 0


def test_a_state_folder_that_is_a_file(config):
    loaded = config()
    assert machine.state(loaded).level is Level.OK
    loaded.state.write_text("")
    assert machine.state(loaded).level is Level.ERROR


def test_whom_the_api_lets_in(config, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("secretsecretsecret\n")
    tokens.chmod(0o644)
    loaded = config(server="api: {token_file: tokens}\n")
    assert [one.level for one in machine.api(loaded)] == [Level.OK]
    _, warnings = load(tmp_path / "dnslb.yaml")
    (finding,) = warned(warnings)
    assert finding.level is Level.WARNING
    assert "everybody may read tokens" in finding.found
    loaded = config(server="api: {listen: 192.0.2.1, token_file: tokens}\n")
    assert [one.level for one in machine.api(loaded)] == [Level.WARNING]
    assert [one.level for one in machine.api(config(server="api: {}\n"))] == [Level.NOTE]


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        ({"version": __version__}, Level.OK, "as installed"),
        ({"version": "0.0.9"}, Level.WARNING, "0.0.9 runs"),
        ({"version": __version__, "isolated": True}, Level.ERROR, "cut off"),
        ({"version": __version__, "down": 2, "backends": 3}, Level.WARNING, "2 of 3 are down"),
    ],
    ids=["same", "older", "isolated", "down"],
)
def test_the_running_server(status, level, words):
    findings = list(running.judge(running.Running(status=status)))
    assert max(one.level for one in findings) is level
    assert words in findings[-1].found


def test_a_server_that_tells_nothing():
    told = [None, running.Running("it wants a token")]
    assert [next(running.judge(one)).level for one in told] == [Level.NOTE, Level.NOTE]


def test_exit_codes():
    fine = ok("s", "l", "f")
    assert exit_code([]) == exit_code([fine, note("s", "l", "f")]) == 0
    assert exit_code([fine, warning("s", "l", "f", "d")]) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
    ],
)
def test_addresses(text, shown):
    assert str(Endpoint.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "ns1.example.org", "192.0.2.1:0", "192.0.2.1:x", "1.2.3"])
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match=r"address|port|invalid literal"):
        Endpoint.parse(text)

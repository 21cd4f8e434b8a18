"""Queries that are taken past the kernel's sockets, over a cable between two network namespaces."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request

import pytest
from harness import threads, until

from tools import tool

SERVER = ("198.18.5.1", "fd00:5::1")
CLIENT = ("198.18.5.2", "fd00:5::2")

LARGE = ", ".join(f'"{letter * 250}"' for letter in "abcdefgh")
"""Texts that fit into no packet of the cable, which has an MTU of 1,500 octets."""

ZONE = f"""\
nameservers: [ns.example.net.]
records:
  large: {{TXT: [{LARGE}]}}
services:
  www: {{members: [{{address: 192.0.2.1}}]}}
"""


class Cable:
    """A pair of interfaces, of which one is here and the other one in a namespace of its own."""

    def __init__(self) -> None:
        self._ip = tool("ip", "iproute2")
        self._dig = tool("dig", "bind9-dnsutils")
        self.here = f"dx{os.getpid()}"
        self.namespace = f"dnslb-test-{os.getpid()}"

    def ip(self, *words: str) -> str:
        done = subprocess.run([self._ip, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr)
        return done.stdout

    def lay(self) -> None:
        self.ip("netns", "add", self.namespace)
        pair = ("type", "veth", "peer", "there", "netns", self.namespace)
        self.ip("link", "add", self.here, *pair)
        for options, name, addresses in (
            ((), self.here, SERVER),
            (("-n", self.namespace), "there", CLIENT),
        ):
            v4, v6 = addresses
            self.ip(*options, "address", "add", f"{v4}/24", "dev", name)
            self.ip(*options, "address", "add", f"{v6}/64", "dev", name, "nodad")
            self.ip(*options, "link", "set", name, "up")

    def remove(self) -> None:
        for words in (("link", "delete", self.here), ("netns", "delete", self.namespace)):
            subprocess.run([self._ip, *words], capture_output=True, check=False)

    def dig(self, daemon, server: str, *words: str) -> str:
        """What dig says over there, and an answer within the first attempts."""
        command = [self._ip, "netns", "exec", self.namespace, self._dig, f"@{server}"]
        command += ["-p", str(daemon.port), "+tries=3", "+timeout=10", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def has_program(self) -> bool:
        return "xdp" in self.ip("-details", "link", "show", self.here)


@pytest.fixture
def cable():
    laid = Cable()
    try:
        laid.lay()
        yield laid
    except OSError as error:
        message = f"networks of its own need root (CAP_SYS_ADMIN): {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    finally:
        laid.remove()


@pytest.fixture
def start(cable, serve, write):
    """Start a daemon that takes the cable, where the kernel has AF_XDP."""

    def start(*arguments, listen='["0.0.0.0:0"]'):
        config = write(
            f"listen: {listen}\nxdp: [{cable.here}]\nudp_payload: 4096\n"
            'api: {listen: "127.0.0.1:0"}\n',
            example_com=ZONE,
        )
        daemon = serve(config, *arguments)
        line = daemon.wait_for("xdp: ")
        if "needs privileges" in line or "not permitted" in line:
            pytest.skip(f"this kernel does not let us: {line}")
        return daemon.ready()

    return start


def answers(daemon) -> int:
    """How many answers were made past the sockets."""
    url = f"http://127.0.0.1:{daemon.api}/metrics"
    with urllib.request.urlopen(url, timeout=30) as page:
        found = re.search(r"dnslb_xdp_answers_total{.*} ([\d.]+)", page.read().decode())
    assert found
    return int(float(found[1]))


@pytest.mark.parametrize("listen", ['["0.0.0.0:0"]', '["198.18.5.1:0"]'], ids=["any", "one"])
def test_queries_of_the_interface_are_taken_and_tcp_is_not(cable, start, listen):
    daemon = start(listen=listen)
    assert cable.has_program()
    for count in range(1, 4):
        assert "192.0.2.1" in cable.dig(daemon, SERVER[0], "www.example.com")
        assert answers(daemon) == count
    assert "192.0.2.1" in cable.dig(daemon, SERVER[0], "www.example.com", "+tcp")
    assert answers(daemon) == 3
    assert daemon.end() == 0
    assert not cable.has_program()


def test_ipv6_has_checksums_that_the_client_checks(cable, start):
    daemon = start(listen='["[::]:0"]')
    for count in range(1, 4):
        assert "192.0.2.1" in cable.dig(daemon, SERVER[1], "www.example.com")
        assert answers(daemon) == count


def test_what_the_cable_cannot_carry_is_truncated(cable, start):
    daemon = start()
    small = cable.dig(daemon, SERVER[0], "large.example.com", "TXT", "+bufsize=4096", "+ignore")
    assert " tc" in small
    assert answers(daemon) == 1
    whole = cable.dig(daemon, SERVER[0], "large.example.com", "TXT", "+bufsize=4096")
    assert "h" * 250 in whole
    assert "flags: qr aa tc" not in whole


def test_what_is_for_others_is_passed_on(cable, start):
    daemon = start(listen='["198.18.5.1:0", "127.0.0.1:0"]')
    # neither the address nor the port are those that it takes
    cable.ip("address", "add", "198.18.5.9/32", "dev", cable.here)
    command = ["ip", "netns", "exec", cable.namespace, "dig", "@198.18.5.9", "www.example.com"]
    command += ["-p", str(daemon.port), "+tries=1", "+timeout=10"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert "refused" in refused  # which the kernel says, so it has got the packet
    assert answers(daemon) == 0


def test_a_replacement_takes_the_interface(cable, start):
    old = start(listen='["198.18.5.1:0"]')
    fixed = f'["198.18.5.1:{old.port}"]'
    assert "192.0.2.1" in cable.dig(old, SERVER[0], "www.example.com")
    new = start("--replace", listen=fixed)
    old.wait_for("replaced")
    assert cable.has_program()
    assert "192.0.2.1" in cable.dig(new, SERVER[0], "www.example.com")
    until(lambda: answers(new) == 1)


def test_a_replacement_that_fails_leaves_the_interface_to_the_old_one(cable, start, serve, write):
    daemon = start()
    new = serve(write('listen: ["192.0.2.1:53"]\n', example_com=ZONE), "--replace")
    new.wait_for("cannot listen on 192.0.2.1:53")
    assert new.process.wait(30) == 1
    daemon.wait_for("this one goes on")
    assert "192.0.2.1" in cable.dig(daemon, SERVER[0], "www.example.com")
    assert answers(daemon) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_gives_up_privileges_has_the_interface_all_the_same(cable, serve, open_folder):
    config = open_folder / "dnslb.yaml"
    server = f'listen: ["198.18.5.1:0"]\nxdp: [{cable.here}]\nuser: nobody\n'
    config.write_text(server)
    (open_folder / "zones/example.com.yaml").write_text(ZONE)
    old = serve(config)
    old.wait_for(f"xdp: {cable.here}: ")
    old.ready()
    assert "192.0.2.1" in cable.dig(old, SERVER[0], "www.example.com")
    config.write_text(server.replace(":0", f":{old.port}"))
    new = serve(config, "--replace")  # which root starts
    new.wait_for(f"xdp: {cable.here}: 1 queue")
    new.ready()
    assert cable.has_program()
    assert "192.0.2.1" in cable.dig(new, SERVER[0], "www.example.com")


def test_an_interface_that_goes_away_takes_nothing_with_it(cable, start):
    daemon = start(listen='["127.0.0.1:0", "198.18.5.1:0"]')
    assert fast_threads(daemon) == {"dnslb-xdp-0"}
    cable.ip("link", "delete", cable.here)
    until(lambda: not fast_threads(daemon))
    assert str(daemon.ask("www.example.com").rr[0].rdata) == "192.0.2.1"


def fast_threads(daemon) -> set[str]:
    """The names of a daemon's threads that serve interfaces."""
    names = threads(daemon.process.pid, "comm").values()
    return {name.strip() for name in names if name.startswith("dnslb-xdp")}


def test_an_interface_that_is_not_there_stops_the_start(serve, write):
    daemon = serve(write('listen: ["127.0.0.1:0"]\nxdp: [none-such]\n', example_com=ZONE))
    line = daemon.wait_for("xdp: none-such: ")
    assert "ip link" in line
    assert daemon.process.wait(30) == 1

"""DNS cookies (RFC 7873, RFC 9018): with dig, and shared with the servers of others."""

from __future__ import annotations

import struct
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from dnslib import EDNS0, DNSQuestion, DNSRecord, EDNSOption
from harness import PATIENCE, client, need_engine
from peers import served

from dnslb.engine import new_engine
from dnslb.publisher import EngineSettings
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset
from ports import free_port
from tools import tool

need_engine()

SECRET = "445536bcd2513298075a5d379663c962"
CLIENT = bytes.fromhex("2464c4abcf10c957")
ZONE = """\
nameservers: [ns1.example.com.]
records:
  ns1: {A: 192.0.2.53}
  www: {A: 192.0.2.80}
"""
BADCOOKIE = 23
ORIGIN = from_text("z.example.")
SOA = RRset(ORIGIN, 6, 300, (ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60),))


def settings(*secrets, required=False):
    return EngineSettings(
        udp_payload=1232,
        identity=None,
        version=None,
        cookie_secrets=secrets,
        cookies_required=required,
        keepalive=100,
    )


def query(cookie, name="z.example.", qtype=6):
    question = DNSRecord(q=DNSQuestion(name, qtype))
    question.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(10, cookie)]))
    return bytes(question.pack())


def said(packet):
    """The rcode with its upper bits, and the cookie."""
    reply = DNSRecord.parse(packet)
    (opt,) = [record for record in reply.ar if record.rtype == 41]
    cookies = [bytes(option.data) for option in opt.rdata if option.code == 10]
    return reply.header.rcode | opt.ttl >> 24 << 4, cookies[0] if cookies else None


class Asked:
    """An engine with settings, asked for cookies."""

    def __init__(self):
        self.engine = new_engine()
        zone = SimpleNamespace(origin=ORIGIN, rrsets=[SOA], services=[])
        self.engine.publish({}, [zone])

    def set(self, *secrets, required=False):
        self.engine.publish({}, settings=settings(*secrets, required=required))

    def ask(self, cookie, address="192.0.2.1", transport="udp"):
        return said(self.engine.answer(query(cookie), address, transport))


@pytest.fixture
def asked():
    return Asked()


def test_a_cookie_is_for_its_client(asked):
    asked.set(b"0123456789abcdef", required=True)
    rcode, cookie = asked.ask(CLIENT)
    assert (rcode, len(cookie), cookie[:8]) == (BADCOOKIE, 24, CLIENT)
    assert asked.ask(cookie) == (0, cookie)
    assert asked.ask(cookie, "192.0.2.2")[0] == BADCOOKIE
    assert asked.ask(bytes(8) + cookie[8:])[0] == BADCOOKIE
    assert asked.ask(cookie[:-1] + bytes([cookie[-1] ^ 1]))[0] == BADCOOKIE
    assert asked.ask(cookie + b"x")[0] == BADCOOKIE, "of another server's length"
    assert asked.ask(CLIENT, transport="tcp")[0] == 0, "TCP shows the address by itself"


def test_secrets_are_rolled_over(asked):
    old, new = b"o" * 16, b"n" * 16
    asked.set(old)
    _, from_old = asked.ask(CLIENT)
    asked.set(old, new, required=True)  # every server learns the new one ...
    assert asked.ask(from_old) == (0, from_old)
    asked.set(new, old, required=True)  # ... then signs with it ...
    rcode, from_new = asked.ask(from_old)
    assert (rcode, from_new == from_old) == (0, False), "good, and replaced"
    asked.set(new, required=True)  # ... and forgets the old one
    assert asked.ask(from_new) == (0, from_new)
    assert asked.ask(from_old)[0] == BADCOOKIE


def test_not_required(asked):
    asked.set(b"0123456789abcdef")
    rcode, cookie = asked.ask(CLIENT)
    assert (rcode, len(cookie)) == (0, 24)
    assert asked.ask(CLIENT + bytes(16))[0] == 0


def test_without_secrets_cookies_are_ignored(asked):
    asked.set()
    assert asked.ask(CLIENT) == (0, None)


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nothing_but_a_cookie(asked, transport, required):
    asked.set(b"0123456789abcdef", required=required)

    def ask(cookie):
        packet = bytearray(query(cookie))
        packet[5] = 0  # QDCOUNT
        del packet[12 : 12 + len(ORIGIN) + 4]
        answer = asked.engine.answer(bytes(packet), "192.0.2.1", transport)
        assert struct.unpack("!6H", answer[:12])[2:] == (0, 0, 0, 1)
        return said(answer)

    rcode, cookie = ask(CLIENT)  # to get a cookie is no error (RFC 7873 section 5.4)
    assert (rcode, cookie[:8]) == (0, CLIENT)
    assert ask(cookie) == (0, cookie), "confirmed"
    for other in (CLIENT + bytes(16), cookie + b"x"):
        rcode, cookie = ask(other)
        assert (rcode, cookie[:8]) == (BADCOOKIE, CLIENT)
        assert ask(cookie) == (0, cookie), "established again"


@pytest.mark.parametrize("length", [0, 7, 9, 15, 41])
def test_a_length_that_no_cookie_has(asked, length):
    asked.set(b"0123456789abcdef")
    assert asked.ask(bytes(length)) == (1, None)


@pytest.fixture
def ours(write, serve, tmp_path):
    file = tmp_path / "cookies.secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    server = 'listen: ["127.0.0.1:0"]\ncookies: {secret_file: cookies.secret, required: true}\n'
    return serve(write(server, example_com=ZONE)).ready()


def test_dig(ours):
    output = subprocess.run(
        [
            *(tool("dig", "bind9-dnsutils"), "@127.0.0.1", "-p", str(ours.port)),
            *("www.example.com", "+cookie=2464c4abcf10c957", "+showbadcookie"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout
    assert "status: BADCOOKIE" in output
    assert "status: NOERROR" in output, "dig comes back with what it got"
    assert "(good)" in output


NAMED = """
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; require-server-cookie yes; answer-cookie yes;
  cookie-algorithm siphash24; cookie-secret "{secret}"; managed-keys-directory "{folder}";
}};
controls {{ }};
zone "example.org" {{ type primary; file "{folder}/example.org.zone"; }};
"""
NSD = """
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  answer-cookie: yes
  cookie-secret: {secret}
remote-control:
  control-enable: no
zone:
  name: example.org
  zonefile: example.org.zone
"""
SMALL = "@ 300 SOA ns1 h 1 3600 900 604800 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n"


@contextmanager
def peer(folder, name):
    """Debian's BIND or NSD with our secret, and its port."""
    port = free_port()
    (folder / "example.org.zone").write_text(SMALL)
    config = folder / "peer.conf"
    text = NAMED if name == "named" else NSD
    config.write_text(text.format(folder=folder, port=port, secret=SECRET))
    program = tool("named", "bind9") if name == "named" else tool("nsd", "nsd")
    how = ["-g", "-n", "1", "-c"] if name == "named" else ["-d", "-c"]
    with served([program, *how, str(config)], port, "example.org"):
        yield port


def exchange(port, packet):
    with client(port) as sock:
        sock.send(packet)
        return said(sock.recv(4096))


@pytest.mark.parametrize("name", ["named", "nsd"])
def test_servers_of_others_make_cookies_that_are_good_here(ours, tmp_path, name):
    with peer(tmp_path, name) as port:
        _, theirs = exchange(port, query(CLIENT, "example.org."))
        assert exchange(ours.port, query(theirs, "www.example.com.", 1)) == (0, theirs)


def test_bind_takes_ours(ours, tmp_path):
    with peer(tmp_path, "named") as port:
        assert exchange(port, query(CLIENT, "example.org."))[0] == BADCOOKIE
        rcode, made = exchange(ours.port, query(CLIENT, "www.example.com.", 1))
        assert rcode == BADCOOKIE
        assert exchange(port, query(made, "example.org."))[0] == 0

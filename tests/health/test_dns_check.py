from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import asynccontextmanager

import pytest
from dnslib import QTYPE, RR, A, DNSRecord
from health_servers import LOOPBACK, refusing
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.dns import DnsCheck
from dnslb.health.checks.network import FailedError
from ports import free_port
from tools import tool

SOON = 1.0  # seconds: the timeout of checks whose time is meant to run out
NAME = ("www.example.com", QTYPE.A)

ZONE = """
$ORIGIN example.com.
$TTL 60
@     SOA   ns hostmaster 1 3600 600 86400 60
      NS    ns
      MX    10 Mail.Example.NET.
ns    A     192.0.2.53
www   A     192.0.2.1
      A     192.0.2.2
      AAAA  2001:db8::1
alias CNAME www
text  TXT   "v=spf1 " "-all"
{big}
"""


class Nsd:
    """NSD on a free port of both families."""

    def __init__(self, folder):
        big = "\n".join(f"big TXT {'x' * 200}{number}" for number in range(9))
        (folder / "example.zone").write_text(ZONE.format(big=big))
        self.port = free_port()
        config = folder / "nsd.conf"
        config.write_text(
            f'server:\n port: {self.port}\n ip-address: {LOOPBACK}\n ip-address: "::1"\n'
            f' zonesdir: "{folder}"\n pidfile: ""\n username: ""\n database: ""\n chroot: ""\n'
            f' zonelistfile: "{folder}/list"\n xfrdfile: "{folder}/xfrd"\n xfrdir: "{folder}"\n'
            " rrl-ratelimit: 0\nremote-control:\n control-enable: no\n"
            'zone:\n name: example.com\n zonefile: "example.zone"\n'
        )
        self.process = subprocess.Popen(
            [tool("nsd", "nsd"), "-d", "-c", config], stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            if "nsd started" in line:
                return
        pytest.fail("nsd did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def nsd(tmp_path_factory):
    server = Nsd(tmp_path_factory.mktemp("nsd"))
    yield server
    server.stop()


def ask(nsd, name, rtype="A", address=LOOPBACK, **options):
    check = DnsCheck(query=(name, getattr(QTYPE, rtype)), port=nsd.port, **options)
    return asyncio.run(check.probe(address, Kept()))


@pytest.mark.parametrize("address", [LOOPBACK, "::1", "localhost"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_real_name_server_passes(nsd, transport, address):
    result = ask(nsd, "www.example.com", transport=transport, address=address)
    assert result.outcome is Outcome.OK, result


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "rtype", "answer"),
    [
        ("www.example.com", "A", ["192.0.2.2", "192.0.2.1"]),
        ("WWW.Example.COM.", "AAAA", ["2001:0DB8:0:0::1"]),
        ("alias.example.com", "A", ["WWW.example.com", "192.0.2.1"]),
        ("example.com", "MX", ["10 mail.example.net."]),
        ("example.com", "SOA", ["ns.example.com hostmaster.example.com 1 3600 600 86400 60"]),
        ("text.example.com", "TXT", ["v=spf1 -all"]),
        ("text.example.com", "TXT", ['"v=spf1 " "-all"']),
    ],
)
def test_what_has_to_be_in_the_answer_may_be_spelled_in_any_way(
    nsd, name, rtype, answer, transport
):
    assert ask(nsd, name, rtype, answer=tuple(answer), transport=transport).ok


@pytest.mark.parametrize(
    ("name", "rtype", "options", "outcome", "detail"),
    [
        ("no.example.com", "A", {}, Outcome.STATUS, "NXDOMAIN, expected NOERROR"),
        ("no.example.com", "A", {"rcodes": (0, 3)}, Outcome.OK, ""),
        ("example.org", "A", {"rcodes": (0, 3)}, Outcome.STATUS, "REFUSED, expected NOERROR or NXDOMAIN"),
        ("www.example.com", "A", {"answer": ("192.0.2.3",)}, Outcome.BODY, "192.0.2.3 is not in the answer: 192.0.2."),
        ("www.example.com", "MX", {"answer": ("10 a.",)}, Outcome.BODY, "10 a. is not in the answer: it is empty"),
        ("text.example.com", "TXT", {"answer": ("V=SPF1 -all",)}, Outcome.BODY, "V=SPF1"),
    ],
)  # fmt: skip
def test_what_is_not_as_expected(nsd, name, rtype, options, outcome, detail):
    result = ask(nsd, name, rtype, **options)
    assert result.outcome is outcome
    assert detail in result.detail


def test_a_truncated_answer_is_asked_again_by_tcp_when_it_counts(nsd):
    assert ask(nsd, "big.example.com", "TXT").ok
    wanted = "x" * 200
    assert ask(nsd, "big.example.com", "TXT", answer=(f"{wanted}8",)).ok
    result = ask(nsd, "big.example.com", "TXT", answer=(f"{wanted}9",))
    assert result.outcome is Outcome.BODY
    assert "and 6 more" in result.detail


def test_a_connection_is_used_again(nsd):
    async def run():
        kept = Kept()
        check = DnsCheck(query=NAME, port=nsd.port, transport="tcp", reuse=True)
        try:
            first = await check.probe(LOOPBACK, kept)
            held = kept.take()
            kept.put(held)
            second = await check.probe(LOOPBACK, kept)
            assert kept.take() is held
            held.close()
            return first, second
        finally:
            kept.close()

    assert all(result.ok for result in asyncio.run(run()))


def reply(query, *, rcode=0, address="192.0.2.1", **flags):
    record = DNSRecord.parse(query).reply()
    record.header.rcode = rcode
    for flag, value in flags.items():
        setattr(record.header, flag, value)
    record.add_answer(RR("www.example.com", QTYPE.A, rdata=A(address)))
    return record.pack()


def other_id(query):
    return bytes([query[0] ^ 1]) + reply(query)[1:]


def other_question(query):
    return query[:2] + reply(query[:2] + DNSRecord.question("www.example.org").pack()[2:])[2:]


@asynccontextmanager
async def serving(*answers):
    """Send what each of `answers` makes of a query, over UDP and TCP."""

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            for answer in answers:
                self.transport.sendto(answer(data), address)

    async def handle(reader, writer):
        query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        for answer in answers:
            response = answer(query)
            writer.write(len(response).to_bytes(2, "big") + response)
        writer.close()

    tcp = await asyncio.start_server(handle, LOOPBACK, 0)
    port = tcp.sockets[0].getsockname()[1]
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, (LOOPBACK, port))
    try:
        yield port
    finally:
        tcp.close()
        udp.close()


def probe(*answers, **options):
    async def run():
        async with serving(*answers) as port:
            check = DnsCheck(query=NAME, port=port, **options)
            return await check.probe(LOOPBACK, Kept())

    return asyncio.run(run())


MALFORMED = {
    "a query": lambda query: query,
    "cut off in its header": lambda query: reply(query)[:7],
    "cut off in its question": lambda query: reply(query)[:20],
    "cut off in its answer": lambda query: reply(query)[:-2],
    "without its question": lambda query: query[:2] + b"\x80\0" + bytes(8),
    "a name that points at itself": lambda query: query[:2] + b"\x80\0\0\1\0\1\0\0\0\0" + query[12:] + b"\xc0" + bytes([len(query)]) + bytes(10),
}  # fmt: skip


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_response(answer, transport):
    assert probe(answer, transport=transport).outcome is Outcome.MALFORMED


@pytest.mark.parametrize("stranger", [other_id, other_question])
def test_over_udp_what_answers_another_question_is_not_heard(stranger):
    assert probe(stranger, reply).ok
    assert probe(stranger, timeout=SOON).outcome is Outcome.READ_TIMEOUT


@pytest.mark.parametrize("stranger", [other_id, other_question])
def test_over_tcp_what_answers_another_question_is_malformed(stranger):
    result = probe(stranger, transport="tcp")
    assert result.outcome is Outcome.MALFORMED
    assert result.detail == "the response is to another question"


def test_a_refusal_without_the_question_is_told_by_its_rcode():
    result = probe(lambda query: query[:2] + b"\x80\1" + bytes(8))
    assert result.outcome is Outcome.STATUS
    assert result.detail == "FORMERR, expected NOERROR"


def test_letters_may_come_back_in_another_case():
    assert probe(lambda query: reply(query).replace(b"www", b"wWW", 1)).ok


def test_silence_over_udp_is_a_read_timeout():
    assert probe(timeout=SOON).outcome is Outcome.READ_TIMEOUT


def test_a_connection_closed_without_an_answer():
    assert probe(transport="tcp").outcome is Outcome.CLOSED


def test_an_answer_that_is_truncated_while_tcp_is_refused():
    with refusing() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, port))

        async def run():
            check = DnsCheck(query=NAME, port=port, answer=("192.0.2.1",))
            asked = asyncio.ensure_future(check.probe(LOOPBACK, Kept()))
            query, address = await asyncio.to_thread(server.recvfrom, 999)
            server.sendto(reply(query, tc=1), address)
            return await asked

        assert asyncio.run(run()).outcome is Outcome.REFUSED


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_port_that_nothing_listens_on_refuses(transport):
    with refusing() as port:
        check = DnsCheck(query=NAME, port=port, transport=transport)
        assert asyncio.run(check.probe(LOOPBACK, Kept())).outcome is Outcome.REFUSED


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_the_reader(data, whole):
    from dnslb.health.checks.dns import _read

    query = DNSRecord.question("www.example.com").pack()
    message = query[:2] + b"\x80\0\0\1\0\1\0\0\0\0" + query[12:] + data if whole else data
    try:
        texts = _read(message).rdata
    except FailedError:
        return
    assert all(isinstance(text, str) for text in texts)


def test_where():
    assert DnsCheck(query=NAME).where("192.0.2.53") == "192.0.2.53:53 www.example.com A"

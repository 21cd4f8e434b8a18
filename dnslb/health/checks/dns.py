"""The DNS check: passes when a name server answers one question as expected (RFC 1035).

UDP ─▶ another id or question: not ours, keep waiting
   └─▶ truncated, and `answer` is wanted ─▶ TCP ─▶ another id or question: malformed
                                              └─▶ rcode ─▶ `answer` ─▶ ok
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from dnslib import CLASS, QTYPE, RCODE, RR, DNSHeader, DNSQuestion, DNSRecord
from dnslib.dns import DNSBuffer

from dnslb.health.checks.base import Kept, Outcome, Result
from dnslb.health.checks.datagram import BIGGEST, connected, first_to_pass
from dnslb.health.checks.network import FailedError, Phase, Progress, resolve, within
from dnslb.health.checks.stream import StreamCheck

if TYPE_CHECKING:
    from dnslb.health.checks.network import AddressInfo
    from dnslb.health.checks.stream import Stream

__all__ = ["DnsCheck"]

SHOWN: Final = 3
"""Records of an answer that are told when none is the one that is wanted."""


class Answer(NamedTuple):
    """What of a response decides."""

    rcode: int
    truncated: bool
    rdata: tuple[str, ...]  # of the answer section, in presentation form


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsCheck(StreamCheck):
    """Asks for `query`; passes when the rcode is one of `rcodes` and every `answer` is there."""

    PORTS: ClassVar[tuple[int | None, int | None]] = (53, 853)

    query: tuple[str, int]  # name and type
    transport: str = "udp"  # or tcp
    rcodes: tuple[int, ...] = (0,)
    answer: tuple[str, ...] = ()  # rdata that the answer section has to hold

    async def probe(self, address: str, kept: Kept) -> Result:
        """Ask once."""
        if self.transport == "tcp":
            return await StreamCheck.probe(self, address, kept)
        progress = Progress()
        return await within(self.timeout, progress, self._over_udp(address, progress))

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Ask over TCP, where each message follows its length (RFC 7766, section 8)."""
        del address
        question = self._question()
        stream.write(len(question).to_bytes(2, "big") + question)
        message = b""
        while len(message) < 2 or len(message) < 2 + int.from_bytes(message[:2], "big"):
            message += await stream.more()
            stream.progress.reached = Phase.BODY
        response = message[2:]
        if len(response) != int.from_bytes(message[:2], "big"):
            raise FailedError(Outcome.MALFORMED, "more than one response to one question")
        if not _is_ours(response, question):
            raise FailedError(Outcome.MALFORMED, "the response is to another question")
        stream.reusable = True
        return self._judge(_read(response))

    def where(self, address: str) -> str:
        """`192.0.2.53:53 example.com SOA`."""
        name, rtype = self.query
        return f"{StreamCheck.where(self, address)} {name} {QTYPE.get(rtype)}"

    async def _over_udp(self, address: str, progress: Progress) -> Result:
        infos = await resolve(address, self.port or 53)
        progress.reached = Phase.READ
        return await first_to_pass(infos, partial(self._ask, progress), progress)

    async def _ask(self, progress: Progress, info: AddressInfo) -> Result:
        question = self._question()
        loop = asyncio.get_running_loop()
        with connected(info) as sock:
            sock.send(question)
            response = b""
            while not _is_ours(response, question):
                response = await loop.sock_recv(sock, BIGGEST)
        answer = _read(response)
        if answer.truncated and self.answer and answer.rcode in self.rcodes:
            host, _ = socket.getnameinfo(info[4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
            unkept = Kept()
            try:
                return await self._fresh(host, unkept, progress)
            finally:
                unkept.close()
        return self._judge(answer)

    def _question(self) -> bytes:
        name, rtype = self.query
        header = DNSHeader(id=secrets.randbelow(1 << 16), rd=1)
        packed: bytes = DNSRecord(header, q=DNSQuestion(name, rtype)).pack()
        return packed

    def _judge(self, answer: Answer) -> Result:
        if answer.rcode not in self.rcodes:
            expected = " or ".join(_rcode(one) for one in self.rcodes)
            return Result(Outcome.STATUS, f"{_rcode(answer.rcode)}, expected {expected}")
        there = {_plain(text) for text in answer.rdata}
        for wanted in self.answer:
            if not there & {_plain(wanted), f'"{wanted}"'}:
                return Result(Outcome.BODY, f"{wanted} is not in the answer: {_shown(answer)}")
        return Result(Outcome.OK)


def _is_ours(response: bytes, question: bytes) -> bool:
    """Whether `response`, or what there is of it, answers `question`."""
    if response[:2] != question[:2]:
        return False
    if len(response) < 12 or response[4:6] != b"\0\1":
        return True  # an error may come without the question; what else it is, reading tells
    # letters may come back in another case; a part is the beginning of a message cut off
    return question[12:].lower().startswith(response[12 : len(question)].lower())


def _read(response: bytes) -> Answer:
    """What decides of a response.

    Raises:
        FailedError: it is none.
    """
    buffer = DNSBuffer(response)
    try:
        header = DNSHeader.parse(buffer)
        questions = [DNSQuestion.parse(buffer) for _ in range(header.q)]
        records = [] if header.tc else [RR.parse(buffer) for _ in range(header.a)]
        rdata = tuple(_text(record) for record in records)
    except Exception as error:
        raise FailedError(Outcome.MALFORMED, "the response is no DNS message") from error
    if not header.qr:
        raise FailedError(Outcome.MALFORMED, "the response is a query")
    if len(questions) != 1 and not header.rcode:
        raise FailedError(Outcome.MALFORMED, f"the response has {len(questions)} questions")
    return Answer(header.rcode, bool(header.tc), rdata)


def _text(record: RR) -> str:
    """The rdata of a record; the strings of a TXT record as one, in quotes."""
    if record.rtype == QTYPE.TXT and record.rclass == CLASS.IN:
        return '"' + b"".join(record.rdata.data).decode(errors="replace") + '"'
    return str(record.rdata)


def _plain(text: str) -> str:
    """`text` in one spelling, since addresses and names have several."""
    if text.startswith('"'):
        return text.replace('" "', "")
    return " ".join(_word(word) for word in text.split())


def _word(word: str) -> str:
    try:
        return str(ip_address(word))
    except ValueError:
        return word.lower().rstrip(".") or "."


def _shown(answer: Answer) -> str:
    """The answer, as far as it is short and printable."""
    if not answer.rdata:
        return "it is empty"
    texts = [
        text if len(text) <= 60 and text.isprintable() else f"{text[:60]!a}..."
        for text in answer.rdata[:SHOWN]
    ]
    more = len(answer.rdata) - SHOWN
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def _rcode(number: int) -> str:
    name: str = RCODE.forward.get(number, f"rcode {number}")
    return name

"""HTTP/3 by aioquic: paths that are named after what goes wrong with their answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent
from faults.good import ELSEWHERE, TEXT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faults.certificates import Certificates
    from trustme import LeafCert

__all__ = ["website"]

PAUSE = 0.03  # seconds before each byte that drips
DATA_FRAME = b"\x00\x04fine"  # which may not come before the headers (RFC 9114, section 4.1)


class _Website(QuicConnectionProtocol):
    _http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if self._http is not None:
            for part in self._http.handle_event(event):
                if isinstance(part, HeadersReceived):
                    self._answer(part.stream_id, dict(part.headers)[b":path"].decode()[1:])

    def _answer(self, number: int, what: str) -> None:
        http, text = self._http, TEXT.encode()
        if what == "reset":
            self._quic.reset_stream(number, 0x102)
        elif what == "closed":
            self._quic.close(error_code=0x100)
        elif what == "garbage":
            self._quic.send_stream_data(number, DATA_FRAME, end_stream=False)
        elif what != "silence":
            status = {"status": b"503", "redirect": b"302"}.get(what, b"200")
            http.send_headers(number, [(b":status", status), (b"location", ELSEWHERE.encode())])
            if what == "endless":
                text *= 10_000
            whole = what in {"ok", "status", "redirect", "endless"}
            http.send_data(number, text if whole else text[:1], end_stream=whole)
        self.transmit()
        if what == "reset-midway":
            self._quic.reset_stream(number, 0x102)
        elif what == "closed-midway":
            self._quic.close(error_code=0x100)
        elif what == "drip":
            self._drip(number, 1)
        self.transmit()

    def _drip(self, number: int, at: int) -> None:
        if at < len(TEXT):
            self._http.send_data(number, TEXT[at : at + 1].encode(), end_stream=False)
            self.transmit()
            self._loop.call_later(PAUSE, self._drip, number, at + 1)


@contextlib.asynccontextmanager
async def website(
    address: str, certificates: Certificates, failure: str, port: int = 0
) -> AsyncIterator[int]:
    """Serve, with the certificate for `failure`; one that is about the handshake speaks no h3."""
    alpn = "hq-interop" if failure == "tls-protocol" else "h3"
    made = QuicConfiguration(is_client=False, alpn_protocols=[alpn])
    issued: LeafCert = certificates.issued(failure)
    chain, key = certificates.folder / "quic.pem", certificates.folder / "quic.key"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    made.load_cert_chain(chain, key)
    server = await serve(address, port, configuration=made, create_protocol=_Website)
    try:
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()
        await asyncio.sleep(0)

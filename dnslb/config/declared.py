"""What services declare besides addresses: HTTPS, SVCB, SRV and MX."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from dnslb.config.model import MxRecord, SrvRecord, SvcbRecord
from dnslb.config.suggest import unknown
from dnslb.config.texts import read_name
from dnslb.config.values import items
from dnslb.zone.names import ROOT, labels, to_text
from dnslb.zone.svcb import check_ech, parameters
from dnslb.zone.types import HTTPS, SVCB, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnslb.config.model import Declared, Pool
    from dnslb.config.shapes import MxShape, ServiceShape, SrvShape, SvcbShape
    from dnslb.config.spot import Spot

__all__ = ["read_declared"]

PARAMETERS: Final = ("alpn", "no_default_alpn", "port", "ech", "dohpath", "ohttp", "mandatory")
CONDITIONS: Final = {"no_default_alpn", "mandatory"}
HINTS: Final = ("ipv4hint", "ipv6hint")
ALPN_IDS: Final = (
    "h2", "h3", "http/1.1", "http/1.0", "http/0.9", "h2c", "dot", "doq", "imap", "pop3",
    "managesieve", "ftp", "nntp", "nnsp", "irc", "coap", "co", "mqtt", "xmpp-client",
    "xmpp-server", "sip/2", "smb", "sunrpc", "ntske/1", "postgresql", "dicom", "radius/1.0",
    "radius/1.1", "tds/8.0", "acme-tls/1", "stun.turn", "stun.nat-discovery", "webrtc",
    "c-webrtc",
)  # fmt: skip
"""The protocol ids of IANA's registry that are in use."""


def read_declared(
    shape: ServiceShape,
    spot: Spot,
    owner: bytes,
    origin: bytes,
    pools: Mapping[str, Pool],
    known: set[str],
) -> tuple[Declared, ...]:
    """What the service at `owner` declares; what is wrong is reported.

    `pools` are those of the zone, and `known` the names that are no typos.
    """

    def pool(of: SrvShape | MxShape, here: Spot) -> Pool | None:
        if of.pool is not None and of.pool not in known:
            here.at("pool").problem(unknown("pool", of.pool, sorted(known)))
        return pools.get(of.pool or "")

    found: list[Declared] = []
    for number, svcb in ((HTTPS, shape.HTTPS), (SVCB, shape.SVCB)):
        if svcb is not None:
            found.append(_svcb(number, svcb, spot.at(type_name(number)), owner, origin))
    if shape.SRV is not None:
        srv, here = shape.SRV, spot.at("SRV")
        _check_srv(srv, here, owner)
        found.append(SrvRecord(srv.port or 1, srv.priority or 0, srv.weight, pool(srv, here)))
    if shape.MX is not None:
        mx, here = shape.MX, spot.at("MX")
        found.append(MxRecord(10 if mx.preference is None else mx.preference, pool(mx, here)))
    return tuple(found)


def _check_srv(shape: SrvShape, spot: Spot, owner: bytes) -> None:
    if shape.port is None and "port" not in spot.names:
        spot.problem('needs "port", where the backends serve')
    service, protocol = (*labels(owner), b"", b"")[:2]
    if not (service[:1] in {b"_", b"*"} and protocol[:1] == b"_"):
        spot.on_key().warning(
            "SRV records are looked for at names that begin with a service and its protocol, as in "
            "_sip._tcp (RFC 2782)"
        )


def _svcb(number: int, shape: SvcbShape, spot: Spot, owner: bytes, origin: bytes) -> SvcbRecord:
    target = ROOT
    if shape.target is not None and shape.target != ".":
        target = read_name(shape.target, spot.at("target"), origin) or ROOT
    # the owner's own name, written out, is what the dot stands for (RFC 9460 section 2.5.2)
    own = target in {ROOT, owner}
    target = ROOT if own else target
    priority = 1 if shape.priority is None else shape.priority
    if priority == 0:
        _check_alias(shape, spot, own=own)
        return SvcbRecord(number, 0, target, hints=False)
    if shape.hints and not own:
        spot.at("hints").problem(
            f"hints would be this pool's addresses, and those of {to_text(target)} may be others; "
            'leave them out, or make the target "."'
        )
    hints = own if shape.hints is None else shape.hints
    return SvcbRecord(number, priority, target, _parameters(shape, spot), hints)


def _check_alias(shape: SvcbShape, spot: Spot, *, own: bool) -> None:
    """Check an AliasMode record (RFC 9460 section 2.4.2)."""
    if own and (shape.target is not None or "target" not in spot.names):
        spot.at("priority").problem(
            'priority 0 makes an alias, which needs a "target" other than the name itself'
        )
    for key in (*PARAMETERS, "hints"):
        if getattr(shape, key) not in (None, False):
            spot.at(key).on_key().problem(
                f'priority 0 makes an alias, and an alias has no "{key}"; remove it, or the '
                "priority"
            )


def _parameters(shape: SvcbShape, spot: Spot) -> tuple[tuple[int, bytes], ...]:
    """The parameters in wire format, without hints; those that are wrong are left out."""
    _warn_alpn(shape, spot.at("alpn"))
    words = [word for key, word in _words(shape) if _sound([word], spot.at(key))]
    if shape.ech is not None:
        _check_ech(shape.ech, spot.at("ech"))
    given = [key for key in PARAMETERS if key in spot.names and key not in CONDITIONS]
    if len(words) == len(given):
        # these are about the others, so what is wrong there comes first
        for key, word in _conditions(shape, spot):
            if _sound([*words, word], spot.at(key)):
                words.append(word)
    return tuple(parameters(words))


def _sound(words: list[str], spot: Spot) -> bool:
    """Whether `words` are parameters; what is wrong is reported at `spot`, that of the last."""
    try:
        parameters(words)
    except ValueError as error:
        spot.problem(str(error).removeprefix(f"{words[-1]}: "))
        return False
    return True


def _words(shape: SvcbShape) -> list[tuple[str, str]]:
    """The parameters as zone files write them, each after its key."""
    words = []
    if shape.alpn is not None:
        ids = (_escaped(item).replace(",", "\\,") for _, item in items(shape.alpn))
        words.append(("alpn", f"alpn={_escaped(','.join(ids))}"))
    if shape.port is not None:
        words.append(("port", f"port={shape.port}"))
    if shape.ech is not None:
        words.append(("ech", f"ech={shape.ech}"))
    if shape.dohpath is not None:
        words.append(("dohpath", f"dohpath={_escaped(shape.dohpath)}"))
    if shape.ohttp:
        words.append(("ohttp", "ohttp"))
    return words


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")


def _conditions(shape: SvcbShape, spot: Spot) -> list[tuple[str, str]]:
    words = []
    if shape.no_default_alpn:
        words.append(("no_default_alpn", "no-default-alpn"))
    names = []
    for index, item in items(shape.mandatory):
        if item in HINTS:
            spot.at("mandatory").at(index).problem(
                f"{item} comes and goes with the backends, so it cannot be mandatory"
            )
        else:
            names.append(item.replace("_", "-"))
    if names:
        words.append(("mandatory", f"mandatory={','.join(names)}"))
    return words


def _warn_alpn(shape: SvcbShape, spot: Spot) -> None:
    for index, item in items(shape.alpn):
        parts = [part.strip() for part in item.split(",")]
        if len(parts) > 1 and set(parts) <= set(ALPN_IDS):
            spot.at(index).warning(f"is one protocol id; write the list [{', '.join(parts)}]")
        elif item not in ALPN_IDS:
            spot.at(index).warning(unknown("protocol id", item, ALPN_IDS))


def _check_ech(text: str, spot: Spot) -> None:
    try:
        check_ech(base64.b64decode(text, validate=True))
    except binascii.Error:
        return  # told where it was read
    except ValueError as error:
        spot.problem(f"is no list of ECH configurations: {error}")

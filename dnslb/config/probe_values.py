"""What the keys of checks become, and what may be wrong with their values."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, Final

from dnslb.config.files import is_file
from dnslb.config.suggest import unknown
from dnslb.config.texts import read_host
from dnslb.config.values import items
from dnslb.health.checks.base import HoldDown, Outcome
from dnslb.health.checks.tls import Tls
from dnslb.health.exposition import wanted
from dnslb.health.load import LoadSource
from dnslb.zone.names import from_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dnslb.config.checks import CheckDraft
    from dnslb.config.spot import Spot

__all__ = ["ARGUMENTS", "arguments", "read_tls"]

_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOAD: Final = re.compile(r"(orca|agent)|json:[^.\s]+(?:\.[^.\s]+)*|prometheus:.+")


def arguments(draft: CheckDraft) -> dict[str, Any]:
    """The arguments of a check's class, but for TLS; what is wrong with a value is told."""
    found: dict[str, Any] = {}
    headers: list[tuple[str, str]] = []
    for key, value in draft.values.items():
        spot = draft.spots[key]
        top, _, name = key.partition(".")
        if top == "headers":
            if not _TOKEN.fullmatch(name) or not value.isprintable():
                spot.problem("is no header: a name of letters and -, and a value in one line")
            headers.append((name, value))
        elif key in _PLAIN:
            found[key] = value
        elif key in _READ:
            argument, read = _READ[key]
            read_value = read(value, spot)
            if read_value is not None:
                found[argument] = read_value
    if headers:
        found["headers"] = tuple(headers)
    if load := _load(draft):
        found["load"] = load
    if hold := _hold_down(draft):
        found["hold_down"] = hold
    return found


def _text(wrong: Callable[[str], str]) -> Callable[[str, Spot], str]:
    def read(value: str, spot: Spot) -> str:
        if message := wrong(value):
            spot.problem(message)
        return value

    return read


def _wrong_path(value: str) -> str:
    fine = value.startswith("/") and value.isprintable() and " " not in value
    return "" if fine else "must begin with / and have no spaces"


def _wrong_host(value: str) -> str:
    fine = value.isascii() and value.isprintable() and not set(value) & set(" /@?#")
    return "" if fine else "must be a host name, with :port at most"


def _wrong_method(value: str) -> str:
    return "" if _METHOD.fullmatch(value) else "must be a method such as GET or HEAD"


def _wrong_pattern(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    return ""


def _send(value: str, spot: Spot) -> bytes | None:
    if not value.startswith("hex:"):
        return value.encode()
    try:
        return bytes.fromhex(value.removeprefix("hex:"))
    except ValueError:
        spot.problem("must be text, or hex: and pairs of hexadecimal digits")
        return None


def _retry_on(values: list[str], spot: Spot) -> frozenset[Outcome] | None:
    words = [one.value for one in Outcome if one is not Outcome.OK]
    found = set()
    for index, word in items(values):
        if word in words:
            found.add(Outcome(word))
        else:
            spot.at(index).problem(unknown("result", word, words))
    return frozenset(found)


def _rcodes(values: list[str], spot: Spot) -> tuple[int, ...] | None:
    from dnslib import RCODE  # noqa: PLC0415 - only dns checks need it

    known = {name: number for number, name in RCODE.forward.items()}
    found = []
    for index, word in items(values):
        if word in known:
            found.append(known[word])
        else:
            spot.at(index).problem(unknown("rcode", word, list(known)))
    return tuple(found)


def _query(value: str, spot: Spot) -> tuple[str, int] | None:
    from dnslib import QTYPE  # noqa: PLC0415 - only dns checks need it

    name, _, rtype = value.partition(" ")
    known = {word: number for number, word in QTYPE.forward.items()}
    rtype = rtype.strip().upper() or "A"
    try:
        from_text(name)
    except ValueError as error:
        spot.problem(f'"{name}" is no domain name: {error}')
        return None
    if rtype not in known:
        spot.problem(f"{rtype} is no type; write a name and a type, as in example.com SOA")
        return None
    return name, known[rtype]


def _command(values: list[str], spot: Spot) -> tuple[str, ...] | None:
    if len(items(values)) < len(values):
        return None  # what is wrong with a word of it is told
    program = values[0]
    if "/" in program:
        path = spot.file.parent / program
        if not is_file(path):
            spot.at(0).problem(f"there is no file {program}")
            return None
        values = [str(path), *values[1:]]
    return tuple(values)


def _load(draft: CheckDraft) -> LoadSource | None:
    text = draft.values.get("load", draft.values.get("load.source"))
    if text is None:
        if any(key.startswith("load.") for key in draft.values):
            told = 'needs "source": orca, json:PATH, prometheus:METRIC, agent'
            draft.spot.at("load").problem(told)
        return None
    spot = draft.spots["load" if "load" in draft.values else "load.source"]
    if not _LOAD.fullmatch(text):
        spot.problem(
            "must be orca, agent, json: and the path of a field, as in json:stats.load, "
            "or prometheus: and a metric, as in prometheus:node_load1"
        )
        return None
    kind, _, where = text.partition(":")
    agent = draft.values["type"] == "agent"
    if (kind == "agent") is not agent:
        spot.problem(
            "the load of an agent check is agent" if agent else "agent is for checks of type agent"
        )
    if kind == "prometheus":
        try:
            wanted(where)
        except ValueError as error:
            spot.problem(f'"{where}" {error}; write a metric, as in node_load1 or load{{cpu="0"}}')
    if draft.values["type"] == "grpc" and kind != "orca":
        spot.problem("the load of a grpc check is orca")
    return LoadSource(
        kind=kind,
        field=where,
        full=draft.values.get("load.full", 1.0),
        max_age=draft.values.get("load.max_age"),
    )


def _hold_down(draft: CheckDraft) -> HoldDown | None:
    default = HoldDown(0.0)
    values = draft.values
    first = values.get("hold_down", values.get("hold_down.first", values.get("interval", 10.0)))
    most = values.get("hold_down.most", max(default.most, first))
    if not any(key.startswith("hold_down") for key in values):
        return None
    if most < first:
        draft.spots["hold_down.most"].problem(f"must not be below the first ({first:g}s)")
    return HoldDown(first, most, values.get("hold_down.calm", default.calm))


def read_tls(draft: CheckDraft, *, usual: bool, fixed: bool) -> Tls | None:
    """What `tls` means where TLS is used unless said (`usual`), or always (`fixed`)."""
    inner = {key: draft.values[key] for key in draft.values if key.startswith("tls.")}
    wanted = draft.values.get("tls", True if inner else usual or fixed)
    if not wanted:
        if fixed and "tls" in draft.spots:
            draft.spots["tls"].problem("this type of check is never without TLS")
        return None
    ca_file = inner.get("tls.ca_file")
    if ca_file is not None:
        ca_file = _authorities(ca_file, draft.spots["tls.ca_file"])
    verify = inner.get("tls.verify", True)
    if not verify and "tls.min_days" in inner:
        draft.spots["tls.min_days"].problem("needs a certificate that is verified")
    return Tls(verify=verify, ca_file=ca_file, min_days=inner.get("tls.min_days"))


def _authorities(value: str, spot: Spot) -> str:
    path: Path = spot.file.parent / value
    if not is_file(path):
        spot.problem(f"there is no file {value}; the path is relative to this file's folder")
        return str(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        spot.problem("holds no certificate in PEM form")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        spot.problem(f"cannot be read: {reason}")
    return str(path)


_PLAIN: Final = {
    *("port", "interval", "timeout", "rise", "fall", "retries", "reuse"),
    *("service", "transport", "deadline"),
}
_READ: Final[dict[str, tuple[str, Callable[[Any, Spot], Any]]]] = {
    "address": ("address", read_host),
    "path": ("path", _text(_wrong_path)),
    "host": ("host", _text(_wrong_host)),
    "method": ("method", _text(_wrong_method)),
    "expect.body": ("body", _text(_wrong_pattern)),
    "expect.status": ("status", lambda value, _: value),
    "expect.rcode": ("rcodes", _rcodes),
    "expect.answer": ("answer", lambda value, _: tuple(one for _, one in items(value))),
    "send": ("send", _send),
    "retry_on": ("retry_on", _retry_on),
    "query": ("query", _query),
    "command": ("command", _command),
}

ARGUMENTS: Final = {key: argument for key, (argument, _) in _READ.items()}
"""The arguments that keys become which are called otherwise."""

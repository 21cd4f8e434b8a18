"""What each type of check takes: its keys, what they become, and what may be wrong with them.

One line a type in `KINDS`. A key that stands here for no type is unknown to all of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dnslb.config.files import is_file
from dnslb.config.suggest import listed, unknown
from dnslb.config.texts import read_host
from dnslb.config.values import items
from dnslb.health.checks.base import Check, HoldDown, Outcome
from dnslb.health.checks.tls import Tls
from dnslb.health.exposition import wanted
from dnslb.health.load import LoadSource
from dnslb.zone.names import from_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dnslb.config.checks import CheckDraft
    from dnslb.config.spot import Spot

__all__ = ["GROUPS", "KINDS", "TYPES", "build"]

COMMON: Final = {
    *("type", "address", "interval", "timeout", "rise", "fall"),
    *("hold_down", "retries", "retry_on", "reuse", "port"),
}
WEB: Final = frozenset({"path", "host", "method", "headers", "expect", "load"})
LATER: Final = {"ldap", "mysql", "ping", "postgres", "quic", "redis", "script", "smtp", "ssh"}


class Kind(NamedTuple):
    """What a type of check is made of."""

    where: str  # module and class
    keys: frozenset[str]  # besides the common ones
    expects: frozenset[str] = frozenset()  # the keys of `expect`
    needs: tuple[str, ...] = ()
    tls: bool | None = None  # whether TLS is used unless said; None: as `tls_fixed`
    tls_fixed: bool = False
    package: str = ""  # what has to be installed
    extra: str = ""  # the extra of dnslb that brings it


_PROBED: Final = "dnslb.health.checks."
KINDS: Final = {
    "http": Kind(_PROBED + "http:HttpCheck", WEB, frozenset({"status", "body"})),
    "https": Kind(
        _PROBED + "http:HttpCheck", WEB | {"tls"}, frozenset({"status", "body"}), tls_fixed=True
    ),
    "http2": Kind(
        _PROBED + "http2:Http2Check", WEB | {"tls"}, frozenset({"status", "body"}), tls=True
    ),
    "http3": Kind(
        _PROBED + "http3:Http3Check",
        WEB | {"tls"},
        frozenset({"status", "body"}),
        tls_fixed=True,
        package="aioquic",
        extra="http3",
    ),
    "websocket": Kind(
        _PROBED + "websocket:WebSocketCheck",
        frozenset({"path", "host", "headers", "send", "expect", "tls"}),
        frozenset({"body"}),
        tls=False,
    ),
    "tcp": Kind(
        _PROBED + "tcp:TcpCheck", frozenset({"send", "expect"}), frozenset({"body"}), ("port",)
    ),
    "tls": Kind(
        _PROBED + "tls_handshake:TlsCheck",
        frozenset({"host", "tls", "send", "expect"}),
        frozenset({"body"}),
        tls_fixed=True,
    ),
    "udp": Kind(
        _PROBED + "udp:UdpCheck", frozenset({"send", "expect"}), frozenset({"body"}),
        ("port", "send"),
    ),
    "dns": Kind(
        _PROBED + "dns:DnsCheck",
        frozenset({"query", "transport", "expect"}),
        frozenset({"rcode", "answer"}),
        ("query",),
    ),
    "grpc": Kind(
        _PROBED + "grpc:GrpcCheck", frozenset({"service", "host", "headers", "tls", "load"}),
        needs=("port",), tls=False,
    ),
    "icmp": Kind(_PROBED + "icmp:IcmpCheck", frozenset()),
    "exec": Kind(
        _PROBED + "command:ExecCheck", frozenset({"command", "expect"}), frozenset({"status"}),
        ("command",),
    ),
    "agent": Kind(
        _PROBED + "agent:AgentCheck", frozenset({"send", "load", "tls", "host"}),
        needs=("port",), tls=False,
    ),
    "push": Kind(_PROBED + "push:PushCheck", frozenset({"deadline"}), needs=("deadline",)),
}  # fmt: skip
GROUPS: Final = ("all", "any", "quorum")
TYPES: Final = (*KINDS, *GROUPS)

_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOAD: Final = re.compile(r"(orca|agent)|json:[^.\s]+(?:\.[^.\s]+)*|prometheus:.+")


def build(draft: CheckDraft) -> Check | None:
    """The check that `draft` describes, which is no group; None when its problems are told."""
    name = draft.values["type"]
    if ":" in name:
        return _own(name, draft)
    kind = KINDS[name]
    if kind.package and importlib.util.find_spec(kind.package) is None:
        draft.spots["type"].problem(
            f"{name} needs the package {kind.package}; "
            f"install it with: pip install 'dnslb[{kind.extra}]'"
        )
        return None
    if not _keys_fit(draft, name, kind):
        return None
    arguments = _arguments(draft)
    missing = [key for key in kind.needs if key not in draft.values]
    if missing:
        if not draft.damaged:
            quoted = listed([f'"{key}"' for key in missing])
            why = f", since {name} has no port of its own" if missing == ["port"] else ""
            draft.spot.problem(f"needs {quoted}{why}")
        return None
    if any(_READ.get(key, (key,))[0] not in arguments for key in kind.needs):
        return None  # what is wrong with one of them is told
    _check_status(draft, name)
    if any("{port}" in word for word in arguments.get("command", ())) and "port" not in arguments:
        draft.spots["command"].problem('{port} stands in it, so the check needs "port"')
    if tls := _tls(draft, kind):
        arguments["tls"] = tls
    made = _class(kind.where)(**arguments)
    if not draft.untimed and name != "push":
        _check_times(draft, made)
    return made


def _class(where: str) -> type[Check]:
    # each protocol's libraries are loaded with its first check: a start without is faster
    module, _, name = where.partition(":")
    found: type[Check] = getattr(importlib.import_module(module), name)
    return found


def _keys_fit(draft: CheckDraft, name: str, kind: Kind) -> bool:
    """Whether every key means something to the type; those that do not are told."""
    told = 0
    for key, spot in draft.spots.items():
        top, _, inner = key.partition(".")
        if name == "http" and top == "tls":
            told += 1
            spot.on_key().problem('"tls" means nothing to an http check; use type: https')
        elif name == "push" and top in {"interval", "timeout", "address", "port", "retries"}:
            told += 1
            spot.on_key().problem(f'"{top}" means nothing to a push check: nothing is probed')
        elif top not in COMMON and top not in kind.keys:
            told += 1
            article = "an" if name[0] in "aeiohx" and name != "udp" else "a"
            spot.on_key().problem(f'"{top}" means nothing to {article} {name} check; remove it')
        elif top == "expect" and inner not in kind.expects:
            told += 1
            known = listed(sorted(kind.expects))
            spot.on_key().problem(f'"{inner}" means nothing here; a {name} check expects {known}')
    return not told


def _check_status(draft: CheckDraft, name: str) -> None:
    least, most, what = (0, 255, "exit statuses") if name == "exec" else (100, 599, "status codes")
    for low, high in draft.values.get("expect.status", ()):
        if not least <= low <= high <= most:
            example = "0, 0-1" if name == "exec" else "200, 200-399"
            draft.spots["expect.status"].problem(f"must be {what}: {example}, or a list of these")


def _check_times(draft: CheckDraft, check: Check) -> None:
    attempts = check.retries + 1 + check.reuse
    if check.timeout >= check.interval:
        written = "timeout" if "timeout" in draft.spots else "interval"
        draft.spots.get(written, draft.spot).problem(
            f"the timeout ({check.timeout:g}s) must be below the interval ({check.interval:g}s)"
        )
    elif check.retries and check.timeout * attempts > check.interval:
        draft.spots["retries"].problem(
            f"{attempts} attempts of {check.timeout:g}s do not fit into "
            f"the interval ({check.interval:g}s)"
        )


def _arguments(draft: CheckDraft) -> dict[str, Any]:
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


def _tls(draft: CheckDraft, kind: Kind) -> Tls | None:
    inner = {key: draft.values[key] for key in draft.values if key.startswith("tls.")}
    wanted = draft.values.get("tls", True if inner else kind.tls or kind.tls_fixed)
    if not wanted:
        if kind.tls_fixed and "tls" in draft.spots:
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


def _own(name: str, draft: CheckDraft) -> Check | None:
    """A check of the operator's own class."""
    from dnslb.health.checks.own import find  # noqa: PLC0415 - most have none

    foreign = 0
    for key, spot in draft.spots.items():
        top = key.partition(".")[0]
        if top not in COMMON | {"options", "load"}:
            foreign += 1
            spot.on_key().problem(f'"{top}" means nothing to a check of one\'s own; see "options"')
    if foreign:
        return None
    options = {
        key.removeprefix("options."): _frozen(value)
        for key, value in draft.values.items()
        if key.startswith("options.")
    }
    try:
        made = find(name)(**_arguments(draft), **options)
        hash(made)  # equal checks share one probe
    except LookupError as error:
        draft.spots["type"].problem(str(error.args[0]))
        return None
    except Exception as error:  # noqa: BLE001 - the operator's own code may fail in any way
        draft.spots["type"].problem(f"{name} does not take this: {error}")
        return None
    if not draft.untimed:
        _check_times(draft, made)
    return made


def _frozen(value: Any) -> Any:
    """Lists as tuples and mappings as tuples of pairs, so that a check can be compared."""
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in value.items())
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


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

"""What each type of check takes, and the check that comes of it.

One line a type in `KINDS`. A key that stands here for no type is unknown to all of them.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dnslb.config.probe_values import ARGUMENTS, arguments, read_tls
from dnslb.config.suggest import listed

if TYPE_CHECKING:
    from dnslb.config.checks import CheckDraft
    from dnslb.health.checks.base import Check

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
    found = arguments(draft)
    missing = [key for key in kind.needs if key not in draft.values]
    if missing:
        if not draft.damaged:
            quoted = listed([f'"{key}"' for key in missing])
            why = f", since {name} has no port of its own" if missing == ["port"] else ""
            draft.spot.problem(f"needs {quoted}{why}")
        return None
    if any(ARGUMENTS.get(key, key) not in found for key in kind.needs):
        return None  # what is wrong with one of them is told
    _check_status(draft, name)
    if any("{port}" in word for word in found.get("command", ())) and "port" not in found:
        draft.spots["command"].problem('{port} stands in it, so the check needs "port"')
    if tls := read_tls(draft, usual=bool(kind.tls), fixed=kind.tls_fixed):
        found["tls"] = tls
    made = _class(kind.where)(**found)
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
        made = find(name)(**arguments(draft), **options)
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

"""Checks: named ones, ones written in place, and members' overrides of their pool's.

A check is drafted as flat values with their places, so that an override is a union of two drafts,
and what is wrong with the result is told at the key that brought it about.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dnslb.config.files import is_file
from dnslb.config.shapes import CheckShape, ExpectShape, TlsShape
from dnslb.config.suggest import listed, unknown
from dnslb.config.texts import read_host
from dnslb.health.checks.tcp import TcpCheck

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dnslb.config.spot import Spot
    from dnslb.config.validate import Shaped
    from dnslb.health.checks.base import Check

__all__ = ["CheckDraft", "Checks"]

TYPES: Final = ("http", "https", "tcp")
LATER: Final = {
    *("dns", "exec", "grpc", "icmp", "ldap", "mysql", "ping", "postgres", "quic"),
    *("redis", "script", "smtp", "ssh", "tls", "udp"),
}

_DEFAULT: Final = TcpCheck()
_COMMON: Final = {"type", "port", "address", "interval", "timeout", "rise", "fall"}
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_JSON_PATH: Final = re.compile(r"json:[^.\s]+(\.[^.\s]+)*")


@dataclass(slots=True)
class CheckDraft:
    """A check's values by flat key, as in `expect.status`, and where each was written."""

    spot: Spot
    values: dict[str, Any] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    damaged: bool = False
    untimed: bool = False  # interval or timeout was cut out

    def over(self, base: CheckDraft) -> CheckDraft:
        """`base` with what this one names in its place."""
        return CheckDraft(
            self.spot,
            base.values | self.values,
            base.spots | self.spots,
            base.damaged or self.damaged,
            base.untimed or self.untimed,
        )


class Checks:
    """The checks of a zone file."""

    def __init__(self, shaped: Shaped[Any], spot: Spot) -> None:
        self._shaped = shaped
        self._spot = spot
        self._used: set[str] = set()
        self._named: dict[str, CheckDraft] = {}
        self._built: dict[str, Check | None] = {}
        for name, shape in (shaped.value.checks or {}).items():
            self._named[name] = draft = self._draft(shape, spot.at(name))
            self._built[name] = build(draft)
            if name == "none":
                draft.spot.on_key().problem("none turns checks off, so no check can be called so")

    def of_pool(self, ref: str | CheckShape | None, spot: Spot) -> CheckDraft | None:
        """The check that a pool's `check` means; None for none, or when its problem is told."""
        if ref is None or ref == "none":
            return None
        if isinstance(ref, CheckShape):
            return self._draft(ref, spot)
        if ref in self._named:
            self._used.add(ref)
            return self._named[ref]
        if ref not in self._spot.names:
            spot.problem(unknown("check", ref, [*self._named, "none"]))
        return None

    def of_member(
        self, ref: str | CheckShape | None, spot: Spot, base: CheckDraft | None
    ) -> Check | None:
        """The check of a member whose `check` is `ref`, in a pool whose check is `base`."""
        if isinstance(ref, CheckShape):
            draft = self._draft(ref, spot)
            if ref.type is None and base is not None:
                draft = draft.over(base)
            elif ref.type is None and not draft.damaged:
                spot.problem(f'needs "type" ({listed(TYPES, "or")}), since the pool has no check')
                return None
        else:
            found = base if ref is None else self.of_pool(ref, spot)
            if found is None:
                return None
            draft = found
        return self._cached(draft)

    def _cached(self, draft: CheckDraft) -> Check | None:
        """What `draft` describes; checks that many members share are built once."""
        for name, named in self._named.items():
            if named is draft:
                return self._built[name]
        return build(draft)

    def tell_unused(self) -> None:
        """Warn of checks that nothing refers to."""
        for name in self._named:
            if name not in self._used:
                self._spot.at(name).on_key().warning("nothing uses this check")

    def _draft(self, shape: CheckShape, spot: Spot) -> CheckDraft:
        draft = CheckDraft(
            spot,
            damaged=self._shaped.damaged(*spot.keys),
            untimed=any(self._shaped.damaged(*spot.keys, key) for key in ("interval", "timeout")),
        )
        for key in shape.model_fields_set:
            value = getattr(shape, key)
            if isinstance(value, ExpectShape | TlsShape):
                inner: Mapping[str, Any] = value.model_dump(exclude_unset=True)
            elif key == "headers":
                inner = value
            else:
                draft.values[key], draft.spots[key] = value, spot.at(key)
                continue
            for name, item in inner.items():
                draft.values[f"{key}.{name}"] = item
                draft.spots[f"{key}.{name}"] = spot.at(key, name)
        return draft


def build(draft: CheckDraft) -> Check | None:
    """The check that `draft` describes; None when its problems are told."""
    kind = draft.values.get("type")
    if kind is None:
        if not draft.damaged:
            draft.spot.problem(f'needs "type": {listed(TYPES, "or")}')
        return None
    if kind not in TYPES:
        later = f'"{kind}" is not in this version; there are {listed(TYPES)}'
        message = later if kind in LATER else unknown("type", kind, TYPES)
        draft.spots["type"].problem(message)
        return None
    _check_keys(draft, kind)
    if not draft.untimed:
        _check_times(draft)
    common: dict[str, Any] = {
        key: draft.values[key]
        for key in ("port", "interval", "timeout", "rise", "fall")
        if key in draft.values
    }
    if "address" in draft.values:
        common["address"] = read_host(draft.values["address"], draft.spots["address"])
    if kind == "tcp":
        if "port" not in draft.values:
            if not draft.damaged:
                draft.spot.problem('needs "port", since tcp has no port of its own')
            return None
        return TcpCheck(**common)
    # aiohttp takes a third of the start and of its memory, and many a server checks nothing by HTTP
    from dnslb.health.checks.http import HttpCheck  # noqa: PLC0415

    return HttpCheck(**common, tls=kind == "https", **_http(draft))


def _check_keys(draft: CheckDraft, kind: str) -> None:
    for key, spot in draft.spots.items():
        top = key.partition(".")[0]
        if kind == "tcp" and top not in _COMMON:
            spot.on_key().problem(f'"{top}" means nothing to a tcp check; remove it')
        elif kind == "http" and top == "tls":
            spot.on_key().problem('"tls" means nothing to an http check; use type: https')


def _check_authorities(path: Path, spot: Spot) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        spot.problem("holds no certificate in PEM form")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        spot.problem(f"cannot be read: {reason}")


def _check_times(draft: CheckDraft) -> None:
    interval = draft.values.get("interval", _DEFAULT.interval)
    timeout = draft.values.get("timeout", _DEFAULT.timeout)
    if timeout >= interval:
        written = "timeout" if "timeout" in draft.spots else "interval"
        draft.spots.get(written, draft.spot).problem(
            f"the timeout ({timeout:g}s) must be below the interval ({interval:g}s)"
        )


def _http(draft: CheckDraft) -> dict[str, Any]:
    """The arguments of HttpCheck that only it has."""
    found: dict[str, Any] = {}
    headers: list[tuple[str, str]] = []
    for key, value in draft.values.items():
        spot = draft.spots[key]
        top, _, name = key.partition(".")
        if top == "headers":
            if not _TOKEN.fullmatch(name) or not value.isprintable():
                spot.problem("is no header: a name of letters and -, and a value in one line")
            headers.append((name, value))
        elif key in _HTTP_VALUES:
            argument, wrong = _HTTP_VALUES[key]
            if message := wrong(value):
                spot.problem(message)
            found[argument] = value
        elif key == "tls.ca_file":
            path = spot.file.parent / value
            if not is_file(path):
                spot.problem(
                    f"there is no file {value}; the path is relative to this file's folder"
                )
            else:
                _check_authorities(path, spot)
            found["ca_file"] = str(path)
    if headers:
        found["headers"] = tuple(headers)
    return found


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


def _wrong_load(value: str) -> str:
    fine = value == "orca" or _JSON_PATH.fullmatch(value)
    return "" if fine else "must be orca, or json: and the path of a field, as in json:stats.load"


_HTTP_VALUES: Final = {
    "path": ("path", _wrong_path),
    "host": ("host", _wrong_host),
    "method": ("method", _wrong_method),
    "load": ("load", _wrong_load),
    "expect.body": ("body", _wrong_pattern),
    "expect.status": ("status", lambda _: ""),
    "tls.verify": ("verify", lambda _: ""),
}

"""The running server as its API tells it: alive, of this version, with this configuration."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb import __version__
from dnslb.doctor.finding import error, note, ok, warning
from dnslb.zone.names import from_text, lower
from dnslb.zone.types import SOA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnslb.config.model import Config
    from dnslb.doctor.finding import Finding
    from dnslb.doctor.ports import Door

__all__ = ["Running", "gather", "judge", "serials"]

SUBJECT: Final = "running server"
TIMEOUT: Final = 3.0
"""Seconds."""


class Running(NamedTuple):
    """What `GET /api/v1/status` says."""

    failure: str = ""
    status: dict[str, object] = {}  # noqa: RUF012 - never changed


def gather(config: Config) -> Running | None:
    """Ask the API; None: the configuration has none, or its port is any."""
    if config.api is None or config.api.listen.port == 0:
        return None
    secure = config.api.tls is not None
    # whose certificate it is does not matter: it is asked at its own address, and gets no secret
    context = ssl._create_unverified_context() if secure else None  # noqa: S323, SLF001
    url = f"{'https' if secure else 'http'}://{config.api.listen}/api/v1/status"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT, context=context) as answer:  # noqa: S310 - HTTP
            return Running(status=json.load(answer))
    except urllib.error.HTTPError as failure:
        return Running("it wants a token" if failure.code == 401 else f"HTTP {failure.code}")
    except (OSError, ValueError) as failure:
        return Running(str(getattr(failure, "reason", failure)))


def judge(running: Running | None) -> Iterator[Finding]:
    """What it is doing, and whether it is what is installed."""
    if running is None:
        yield note(SUBJECT, "version", "cannot be told without `api`", f"installed: {__version__}")
        return
    if running.failure:
        found = f"does not tell its status: {running.failure}"
        yield note(SUBJECT, "API", found, "start the server; with a token: dnslb status")
        return
    version = running.status.get("version")
    if version == __version__:
        yield ok(SUBJECT, "version", f"{version}, as installed")
    elif version is None:
        yield note(SUBJECT, "version", "the server does not tell it", "restart it after updates")
    else:
        found = f"{version} runs, {__version__} is installed"
        yield warning(SUBJECT, "version", found, "restart the server (or replace it)")
    if running.status.get("isolated"):
        yield error(
            SUBJECT,
            "canaries",
            "the server takes itself to be cut off; verdicts are frozen",
            "look at this machine's own network",
        )
    if down := running.status.get("down"):
        found = f"{down} of {running.status.get('backends')} are down"
        yield warning(SUBJECT, "backends", found, "see why: dnslb status, or GET /api/v1/backends")


def serials(config: Config, zone: str, doors: Sequence[Door]) -> Iterator[Finding]:
    """Whether the running server serves the zone file as it is now."""
    rrsets = config.zones[zone].rrsets.at(lower(from_text(zone)))
    rdata = next(rrset.rdatas[0] for rrset in rrsets if rrset.type == SOA)
    wanted = str(int.from_bytes(rdata[-20:-16], "big"))  # the first of five numbers at the end
    for door in doors:
        served = next((one.data.split()[2] for one in door.udp.records("SOA")), wanted)
        if wanted != served:
            yield warning(
                SUBJECT,
                f"zone {zone} at {door.listen}",
                f"serial {served} is served, the file says {wanted}",
                "reload: kill -HUP, or dnslb reload",
            )

"""What can stand in a word of the command line, for shells that complete it.

Names come from the configuration that the line itself names; one that cannot be read has none to
offer, and says so when the command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dnslb.errors import DnslbError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from dnslb.config.model import Config

__all__ = ["backends", "domains", "names", "pools", "types"]


def backends(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Backends as `pool/name`."""
    config = _config(ctx)
    return _from((str(one.id) for one in config.backends()) if config else (), incomplete)


def pools(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Pools, and backends."""
    config = _config(ctx)
    found = [pool.name for pool in config.pools()] if config else []
    return _from(found, incomplete) + backends(ctx, _, incomplete)


def names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Services, and the zones themselves."""
    config = _config(ctx)
    if config is None:
        return []
    found = [str(service.id) for service in config.services()] + list(config.zones)
    return _from((one.rstrip(".") for one in found), incomplete)


def domains(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The zones."""
    config = _config(ctx)
    return _from((one.rstrip(".") for one in config.zones) if config else (), incomplete)


def types(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Types of records."""
    known = ("A", "AAAA", "HTTPS", "MX", "NS", "SOA", "SRV", "SVCB", "TXT")
    return [one for one in known if one.startswith(incomplete.upper())]


def _from(words: Iterable[str], incomplete: str) -> list[str]:
    return sorted({one for one in words if one.startswith(incomplete)})


def _config(ctx: click.Context) -> Config | None:
    from dnslb.config.load import load  # noqa: PLC0415 - commands complete without loading it

    try:
        loaded, _ = load(ctx.params.get("config") or Path("dnslb.yaml"))
    except (DnslbError, OSError):
        return None
    return loaded

"""What a configuration holds, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnslb.config.model import Config

__all__ = ["counted", "describe"]


def describe(config: Config) -> str:
    """`1 zone, 5 services, 7 pools, 14 backends`."""
    counts = (
        (len(config.zones), "zone"),
        (sum(1 for _ in config.services()), "service"),
        (sum(len(zone.pools) for zone in config.zones.values()), "pool"),
        (sum(1 for _ in config.backends()), "backend"),
    )
    return ", ".join(counted(count, word) for count, word in counts)


def counted(count: int, word: str) -> str:
    """`1 zone`, `2 zones`."""
    return f"{count} {word}{'' if count == 1 else 's'}"

"""Configurations of many services, written as files: in YAML or JSON, in one zone or in many."""

from __future__ import annotations

import itertools
import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["write"]

EACH: Final = 4
"""Members of a service's own pool."""

SHARING: Final = 10
"""Services that share a pool, which has as many members as all of them would have."""

CHECK: Final = {"type": "http", "port": 80, "path": "/healthz", "host": "www.example.com"}


def write(
    folder: Path, services: int, *, zones: int = 1, shared: bool = False, is_json: bool = False,
    check: dict[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write `services` with `EACH` backends each; returns the path of the server's file."""
    (folder / "zones").mkdir(parents=True)
    numbers = itertools.count(10 << 24)
    for number in range(zones):
        zone = _zone(services // zones, numbers, check or CHECK, shared=shared)
        name = f"z{number}.example.com.{'json' if is_json else 'yaml'}"
        text = json.dumps(zone) if is_json else "\n".join(_yaml(zone)) + "\n"
        (folder / "zones" / name).write_text(text)
    (folder / "dnslb.yaml").write_text('listen: ["127.0.0.1:0"]\nworkers: 1\napi: off\n')
    return folder / "dnslb.yaml"


def _zone(
    services: int, numbers: Iterator[int], check: dict[str, Any], *, shared: bool
) -> dict[str, Any]:
    zone: dict[str, Any] = {"nameservers": ["ns.example.net."], "checks": {"web": check}}
    if shared:
        pools = services // SHARING
        zone["pools"] = {f"p{at}": _pool(EACH * SHARING, numbers) for at in range(pools)}
        zone["services"] = {f"s{at}": {"pool": f"p{at % pools}"} for at in range(services)}
    else:
        zone["services"] = {f"s{at}": {"ttl": 30, **_pool(EACH, numbers)} for at in range(services)}
    return zone


def _pool(members: int, numbers: Iterator[int]) -> dict[str, Any]:
    return {
        "strategy": "weighted",
        "check": "web",
        "members": [
            {"name": f"b{at}", "address": str(IPv4Address(next(numbers))), "weight": 1 + at % 3}
            for at in range(members)
        ],
    }


def _yaml(zone: dict[str, Any]) -> Iterator[str]:
    """The lines of a zone as people write them: blocks, and members in one line each."""
    for key, value in zone.items():
        if key not in {"pools", "services"}:
            yield f"{key}: {_flow(value)}"
            continue
        yield f"{key}:"
        for name, body in value.items():
            yield f"  {name}:"
            for inner, item in body.items():
                if inner != "members":
                    yield f"    {inner}: {_flow(item)}"
                    continue
                yield "    members:"
                yield from (f"      - {_flow(member)}" for member in item)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else str(value)

"""What hooks have in common: an event as they hand it over, and how they fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dnslb.times import stamp

if TYPE_CHECKING:
    from dnslb.events import Event

__all__ = ["GiveUpError", "as_json"]


class GiveUpError(Exception):
    """An event that cannot be delivered; says why."""


def as_json(event: Event) -> str:
    """An event as it is posted, and given to programs."""
    told = {"type": event.kind, "timestamp": stamp(event.at), "data": dict(event.data)}
    return json.dumps(told)

"""Times as other programs read them."""

from __future__ import annotations

import math
from datetime import datetime, timezone

__all__ = ["stamp"]


def stamp(at: float | None) -> str | None:
    """A time in seconds since 1970 as ISO 8601, in UTC; None for none, and for never."""
    if not at or not math.isfinite(at):
        return None
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")

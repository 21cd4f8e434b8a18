"""The audit log: every change through the API, who made it, and what was before."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnslb.web.route import Call

__all__ = ["audit"]

log = logging.getLogger("dnslb.audit")


def audit(call: Call, what: str, level: int = logging.INFO) -> None:
    """Log a change. What backends report comes by the thousand, and is for level debug."""
    request = call.request
    log.log(level, "%s %s by %s: %s", request.method, request.path_qs, call.caller, what)

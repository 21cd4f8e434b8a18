"""POST reload: read the configuration anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from dnslb.web.audit import audit
from dnslb.web.errors import ApiError
from dnslb.web.route import Error, Route

if TYPE_CHECKING:
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class ReloadView(TypedDict):
    """What a reload has brought."""

    ok: bool


async def post_reload(call: Call) -> ReloadView:
    """Put the configuration in force as it is now, all of it or nothing."""
    ok = await call.server.reload()
    audit(call, "reloaded" if ok else "nothing changes")
    if not ok:
        raise ApiError(422, "config", "the configuration has problems, so nothing changes")
    return {"ok": True}


ROUTES = (
    Route(
        "POST",
        "reload",
        post_reload,
        "Read the configuration anew, and put all of it in force or nothing",
        answer=ReloadView,
        errors=(Error(422, "config", "the configuration has problems, so nothing changes"),),
    ),
)

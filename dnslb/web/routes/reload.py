"""POST reload: read the configuration anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from dnslb.config.suggest import counted
from dnslb.web.audit import audit
from dnslb.web.errors import ApiError
from dnslb.web.route import Error, Route

if TYPE_CHECKING:
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class ChangeView(TypedDict):
    """One difference between what was in force and what is."""

    kind: str  # zone, service, pool, backend, check or setting
    happened: str  # added, removed or changed
    name: str
    detail: str


class ReloadView(TypedDict):
    """What a reload has brought."""

    ok: bool
    changes: list[ChangeView]


async def post_reload(call: Call) -> ReloadView:
    """Put the configuration in force as it is now, all of it or nothing."""
    done = await call.server.reload()
    audit(call, counted(len(done.changes), "change") if done.ok else "nothing changes")
    if not done.ok:
        count = counted(len(done.problems), "problem")
        message = f"the configuration has {count}, so nothing changes"
        raise ApiError(422, "config", message, problems=done.problems)
    return {
        "ok": True,
        "changes": [
            {
                "kind": change.kind,
                "happened": change.happened,
                "name": change.name,
                "detail": change.detail,
            }
            for change in done.changes
        ],
    }


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

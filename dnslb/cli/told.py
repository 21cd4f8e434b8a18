"""An explanation as the running server tells it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from dnslb.policy.explain import AnswerView, Explanation, MemberView, PoolView, Question
from dnslb.zone.lookup import Kind

if TYPE_CHECKING:
    from dnslb.config.model import Service

__all__ = ["explanation"]


def explanation(told: dict[str, Any]) -> Explanation:
    """What `GET explain` tells, as `dnslb explain` shows it."""
    service = told["service"]
    plain = {
        key: told[key] for key in ("zone", "owner", "when_down", "scope", "place", "by_network")
    }
    return Explanation(
        question=Question(**told["question"]),
        kind=None if told["kind"] is None else Kind(told["kind"]),
        records=tuple(told["records"]),
        # all that is shown of it
        service=service and cast("Service", SimpleNamespace(**service, id=service["name"])),
        pool=told["pool"] and _pool(told["pool"]),
        answers=tuple(
            AnswerView(
                **{**one, "backends": tuple(one["backends"]), "records": tuple(one["records"])}
            )
            for one in told["answers"]
        ),
        **{key: told[key] for key in plain},
    )


def _pool(told: dict[str, Any]) -> PoolView:
    members = (
        MemberView(**{**one, "pool": one["pool"] and _pool(one["pool"])}) for one in told["members"]
    )
    return PoolView(**{**told, "members": tuple(members)})

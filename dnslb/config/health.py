"""How checks are run: `health` of the server's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from dnslb.config.checks import Checks
from dnslb.config.checkshapes import CheckShape  # noqa: TC001 # pydantic looks at it
from dnslb.config.model import Health
from dnslb.config.values import Shape, items, kept, whole
from dnslb.health.checks.base import Check

if TYPE_CHECKING:
    from dnslb.config.spot import Spot
    from dnslb.config.validate import Shaped

__all__ = ["HealthShape", "read_health"]


class HealthShape(Shape):
    """How checks are run."""

    processes: Annotated[int, whole(1, 64)] | None = Field(
        default=None,
        description="Processes that probe; default 1, which is the server's own.",
    )
    canary: list[Annotated[CheckShape, kept]] | None = Field(
        default=None,
        description="Checks, each with an address, of what is known to work. While all of them "
        "fail, this server is taken for cut off and keeps its last verdicts.",
    )


def read_health(shape: HealthShape | None, shaped: Shaped[Any], spot: Spot) -> Health:
    """What `health`, which stands at `spot`, means; what is wrong is reported."""
    if shape is None:
        return Health()
    checks = Checks(shaped, {}, spot)
    canaries = []
    for index, one in items(shape.canary):
        here = spot.at("canary", index)
        check = checks.of_member(one, here, None)
        if check is None:
            continue
        if not isinstance(check, Check) or one.type == "push":
            here.at("type").problem("a canary is probed by itself, so it is no group and no push")
        elif check.address is None:
            here.problem('needs "address": what to probe')
        else:
            canaries.append(check)
    return Health(processes=shape.processes or 1, canary=tuple(canaries))

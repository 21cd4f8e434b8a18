"""Members of pools: backends, and references to other pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.conditions import read_conditions
from dnslb.config.model import Backend, BackendId
from dnslb.config.suggest import listed
from dnslb.config.texts import read_addresses, read_name
from dnslb.config.values import items
from dnslb.zone.names import to_text

if TYPE_CHECKING:
    from dnslb.config.checks import CheckDraft, Checks
    from dnslb.config.conditions import Conditions
    from dnslb.config.shapes import MemberShape, PoolShape, ZoneShape
    from dnslb.config.spot import Spot
    from dnslb.config.validate import Shaped

__all__ = ["WHEN_DOWN", "MemberDraft", "Members"]

WHEN_DOWN: Final = "when_down"
"""The name of the backend that a service's `when_down` makes; no member can have it."""


@dataclass(slots=True)
class MemberDraft:
    """A member that is being read."""

    of: Backend | str | None  # a pool's name; None: its problem is told
    weight: int
    spot: Spot
    shape: MemberShape
    conditions: Conditions | None  # None: their problem is told

    @property
    def name(self) -> str:
        """The member's name in its pool."""
        return self.of.id.name if isinstance(self.of, Backend) else self.of or ""


class Members:
    """Reads the members of a zone's pools."""

    def __init__(self, zone: str, origin: bytes, checks: Checks, shaped: Shaped[ZoneShape]) -> None:
        self._zone = zone
        self._origin = origin
        self._checks = checks
        self._shaped = shaped

    def read(
        self, pool: str, shape: PoolShape, spot: Spot, check: CheckDraft | None
    ) -> list[MemberDraft]:
        """The members of `pool`, whose own check is `check`."""
        drafts: list[MemberDraft] = []
        names: set[str] = set()
        for index, member in items(shape.members):
            here = spot.at("members", index)
            of = self._of(pool, member, here, check)
            name = of.id.name if isinstance(of, Backend) else of
            # rules may lead to one pool in several ways
            again = isinstance(of, str) and shape.strategy == "geo"
            if name and name in names and not again:
                key = next(
                    key for key in ("name", "address", "target", "pool") if key in here.names
                )
                hint = "" if isinstance(of, str) else "; give one of them another name"
                here.at(key).problem(f'"{name}" stands twice in this pool{hint}')
            elif name:
                names.add(name)
            weight = 1 if member.weight is None else member.weight
            drafts.append(MemberDraft(of, weight, here, member, read_conditions(member, here)))
        return drafts

    def _of(
        self, pool: str, member: MemberShape, spot: Spot, check: CheckDraft | None
    ) -> Backend | str | None:
        given = [key for key in ("address", "target", "pool") if key in member.model_fields_set]
        if len(given) > 1:
            spot.problem(f"has {listed(given)}, and a member is one of them")
            return None
        if not given:
            if not self._shaped.damaged_at(spot):
                spot.problem("needs an address, a target or a pool")
            return None
        if member.pool is not None:
            for key in ("name", "check", "host"):
                if key in member.model_fields_set:
                    message = f'"{key}" means nothing beside a pool; remove it'
                    spot.at(key).on_key().problem(message)
            return member.pool
        return self._backend(pool, member, spot, check)

    def _backend(
        self, pool: str, member: MemberShape, spot: Spot, check: CheckDraft | None
    ) -> Backend:
        addresses = read_addresses(member.address or [], spot.at("address"))
        target = None
        if member.target is not None:
            found = read_name(member.target, spot.at("target"), self._origin)
            target = None if found is None else to_text(found)
        host = None
        if member.host is not None and member.target is not None:
            spot.at("host").on_key().problem(
                'a target is a name already; "host" gives one to addresses'
            )
        elif member.host is not None:
            found = read_name(member.host, spot.at("host"), self._origin)
            host = None if found is None else to_text(found)
        if member.name == WHEN_DOWN:
            spot.at("name").problem(f"{WHEN_DOWN} is the name of sorry pages; choose another")
        name = member.name or (str(addresses[0]) if addresses else (target or "").rstrip("."))
        return Backend(
            id=BackendId(self._zone, pool, name),
            addresses=addresses,
            target=target,
            host=host,
            check=self._checks.of_member(member.check, spot.at("check"), check),
        )

"""Outs: what keeps a member out of answers, in an operator's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.config.model import Family
from dnslb.health.standing import OperatorState
from dnslb.zone.types import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnslb.config.model import Backend, Pool
    from dnslb.policy.compile import Asked, Compiler, Tree

__all__ = ["backend_out", "pool_out"]

FAMILY_NAMES: Final[Mapping[Family, str]] = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}

BY_OPERATOR: Final[Mapping[OperatorState, str]] = {
    OperatorState.DRAIN: "drained by the operator",
    OperatorState.DOWN: "forced down by the operator",
}


def backend_out(
    compiler: Compiler, tree: Tree, backend: Backend, asked: Asked, rtype: int | None = None
) -> str:
    """Why no answer to what is `asked` carries `backend`; empty when one may.

    `rtype` is the type asked for, where it is one.
    """
    standing = compiler.standing(backend)
    if standing.state in BY_OPERATOR:
        return BY_OPERATOR[standing.state]
    if standing.withheld:
        return f"its agent says {standing.drained}"
    if not compiler.backend_up(backend):
        return f"down: {standing.reason}" if standing.reason else "down"
    if not asked.families and backend.target is None:
        return "no target, so no CNAME for this type"
    if not asked.has(backend):
        if backend.target is not None:
            word = "the type" if rtype is None else type_name(rtype)
            return f"a target, which {word} does not name"
        return f"no {_families(asked)} address"
    if not tree.includes(backend, asked):
        return f"down over {_families(asked)}: {standing.reason}"
    return ""


def pool_out(compiler: Compiler, tree: Tree, pool: Pool, asked: Asked) -> str:
    """Why no answer to what is `asked` comes from `pool`; empty when one may."""
    if (state := compiler.pool_state(pool)) in BY_OPERATOR:
        return BY_OPERATOR[state]
    if not compiler.pool_up(pool):
        up, of = compiler.members_up(pool), len(pool.members)
        return f"down: {up} of {of} members up, min_up is {pool.min_up}"
    if tree.node(pool, asked) is None:
        return "up, but with nothing for this type"
    return ""


def _families(asked: Asked) -> str:
    return " or ".join(FAMILY_NAMES[family] for family in Family if family in asked.families)

"""Services: what each is meant to answer, and what it answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from dnslb.policy.compile import Compiler
from dnslb.policy.forecast import grow
from dnslb.web.names import NO_SERVICE, InZone, absolute
from dnslb.web.route import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnslb.config.model import BackendId, Service
    from dnslb.policy.forecast import Branch
    from dnslb.server import Server
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class ServiceView(TypedDict):
    """One service."""

    zone: str
    name: str
    ttl: int
    answers: int  # how many backends one answer carries
    when_down: str  # what is answered when everything is down
    up: bool
    pool: str
    strategy: str
    rate: float  # answers a second


class BranchView(TypedDict):
    """A pool or a backend in its place under a service."""

    kind: str
    zone: str
    name: str
    strategy: str | None
    share: float | None  # that is meant, of the answers that reach its parent
    achieved: float | None  # of its parent's answers, over the last minute
    answers: int  # over the last minute
    rate: float  # of all answers with it a second; of a pool those of its members here
    up: bool
    out: str  # what keeps it out
    condition: str  # which clients it is for
    members: list[BranchView]


class ServiceTreeView(ServiceView):
    """One service, with its tree."""

    window: float  # seconds that `achieved` and `answers` are over
    tree: BranchView


class ServicesView(TypedDict):
    """Services."""

    services: list[ServiceView]


async def get_services(call: Call) -> ServicesView:
    """All services, or those of a zone."""
    zone = None if call.query.zone is None else absolute(call.query.zone)
    config = call.server.config
    chosen = [one for one in config.services() if zone is None or one.id.zone == zone]
    compiler = Compiler(dict(call.server.monitor.standings()), config.atlas)
    return {"services": await asyncio.to_thread(_all, call.server, compiler, chosen)}


async def get_service(call: Call) -> ServiceTreeView:
    """One service, with the tree of its pools and backends."""
    service = call.names.service(call.path["service"], call.query.zone)
    server = call.server
    compiler = Compiler(dict(server.monitor.standings()), server.config.atlas)
    # compiling a large pool takes long
    root = await asyncio.to_thread(grow, compiler, service)
    counted = server.traffic.counted(service.id)
    return {
        **_show(server, compiler, service),
        "window": round(server.traffic.window, 1),
        "tree": _branch(root, counted, server.traffic.window, None),
    }


def _all(server: Server, compiler: Compiler, services: list[Service]) -> list[ServiceView]:
    return [_show(server, compiler, service) for service in services]


def _show(server: Server, compiler: Compiler, service: Service) -> ServiceView:
    window = server.traffic.window
    answered = sum(server.traffic.counted(service.id).values()) / service.answers
    return {
        "zone": service.id.zone,
        "name": service.id.name,
        "ttl": service.ttl,
        "answers": service.answers,
        "when_down": service.when_down.action,
        "up": compiler.is_up(service),
        "pool": service.pool.name,
        "strategy": service.pool.strategy.name,
        "rate": round(answered / window, 2) if window else 0.0,
    }


def _branch(
    branch: Branch, counted: Mapping[BackendId, int], window: float, whole: int | None
) -> BranchView:
    """A branch, of whose parent there were `whole` answers."""
    answers = _answers(branch, counted)
    return {
        "kind": branch.kind,
        "zone": branch.zone,
        "name": branch.name,
        "strategy": branch.strategy,
        "share": None if branch.share is None else round(branch.share, 6),
        "achieved": round(answers / whole, 6) if whole else None,
        "answers": answers,
        "rate": round(answers / window, 2) if window else 0.0,
        "up": branch.up,
        "out": branch.out,
        "condition": branch.condition,
        "members": [_branch(member, counted, window, answers) for member in branch.members],
    }


def _answers(branch: Branch, counted: Mapping[BackendId, int]) -> int:
    if branch.backend is not None:
        return counted.get(branch.backend, 0)
    return sum(_answers(member, counted) for member in branch.members)


ROUTES = (
    Route("GET", "services", get_services, "All services", answer=ServicesView, query=InZone),
    Route(
        "GET",
        "services/{service}",
        get_service,
        "One service: the tree of its pools and backends, with the share of each",
        answer=ServiceTreeView,
        query=InZone,
        errors=NO_SERVICE,
    ),
)

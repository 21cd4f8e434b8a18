"""The world that herd.py simulates: resolvers that cache, backends that report, laws that plan."""

from __future__ import annotations

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Spill
from dnslb.health.damping import Damped, damped
from dnslb.policy.plan import Answer, Cycle, Random
from dnslb.policy.spill import spilled
from dnslb.policy.strategies import Candidate, Choice, find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Law = Callable[[Sequence[float | None], Sequence[bool]], "Plan"]

__all__ = ["CAPACITIES", "HOME", "INTERVAL", "LAWS", "SPILLS", "Events", "Run", "simulate"]

CAPACITIES: Final = (1.0, 1.0, 1.5, 2.0, 0.5, 1.0, 1.0, 2.0)
HOME: Final = (1.0, 2.0)  # a pool that spills, and the next in order
RESOLVERS: Final = 2000
LARGEST: Final = 20  # ranks that are cut off above: the largest resolver has 1 % of the clients
INTERVAL: Final = 10
NOISE: Final = 0.02  # of a report
MEAN: Final = 5  # seconds over which a report is the mean
IDLE: Final = 2.0  # mean seconds between the end of a TTL and the next question

Plan = Cycle | Random | Answer


@dataclass(frozen=True)
class Events:
    """Demand that rises, and a backend that dies and returns; times in seconds."""

    rise: float = 1.3
    risen: range = range(1200, 2400)
    dying: int = 3
    dead: range = range(1800, 2400)
    noticed: range = range(1800 + 3 * INTERVAL, 2400 + 2 * INTERVAL)  # after fall and rise


@dataclass
class Run:
    """The load of each backend, second by second."""

    loads: list[list[float]]

    @property
    def busiest(self) -> list[float]:
        """The load of the busiest backend, second by second."""
        return [max(row) for row in self.loads]


def by_strategy(name: str, weights: Sequence[int] = (1,) * len(CAPACITIES)) -> Law:
    """The plans of a strategy of the project."""
    strategy, choice = find(name), Choice(1, lambda _: Answer((), 30))

    def law(loads: Sequence[float | None], up: Sequence[bool]) -> Plan:
        candidates = [
            Candidate(f"b{place}", weights[place], Answer((), place + 1), load)
            for place, load in enumerate(loads)
            if up[place]
        ]
        return strategy.plan(candidates, choice)

    return law


def least_takes_all(loads: Sequence[float | None], up: Sequence[bool]) -> Plan:
    """What a naive balancer does: everybody goes where the load is least."""
    known = [
        (0.0 if load is None else load, place) for place, load in enumerate(loads) if up[place]
    ]
    return Answer((), min(known)[1] + 1)


def failover(spill: Spill | None) -> Law:
    """Failover, which has the first spill."""
    strategy, choice = find("failover"), Choice(1, lambda _: Answer((), 30))

    def law(loads: Sequence[float | None], up: Sequence[bool]) -> Plan:
        del up  # all are
        candidates = [
            Candidate(f"b{place}", 1, Answer((), place + 1), load, spill=spilled(load, spill))
            for place, load in enumerate(loads)
        ]
        return strategy.plan(candidates, choice)

    return law


SPILLS: Final[dict[str, tuple[Law, bool]]] = {
    "failover": (failover(None), False),
    "spill, undamped": (failover(Spill()), False),
    "spill": (failover(Spill()), True),
}

LAWS: Final[dict[str, tuple[Law, bool]]] = {
    "capacities known": (by_strategy("weighted", [round(2 * size) for size in CAPACITIES]), False),
    "round-robin": (by_strategy("round-robin"), False),
    "least takes all": (least_takes_all, False),
    "least-load, undamped": (by_strategy("least-load"), False),
    "least-load": (by_strategy("least-load"), True),
}
"""Plans by loads, and whether these are damped. Only the first is told what a backend can take."""


class Walk:
    """Walks a plan as the engine does: a turn for each answer, or a draw."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._turn = 0

    def over(self, plan: Plan) -> Callable[[], int]:
        """What gives the place of a backend for each answer."""
        if isinstance(plan, Answer):
            place = plan.ttl - 1
            return lambda: place
        if isinstance(plan, Cycle):
            inner = [self.over(step) for step in plan.steps]

            def turn() -> int:
                self._turn += 1
                return inner[self._turn % len(inner)]()

            return turn
        ends = list(accumulate(choice.weight for choice in plan.choices))
        inner = [self.over(choice.node) for choice in plan.choices]
        dice, total = self._dice, ends[-1]

        def draw() -> int:
            return inner[bisect(ends, dice.random() * total)]()

        return draw


def simulate(  # noqa: C901 - one second of the world in one place
    law: Law,
    *,
    damp: bool,
    ttl: int,
    demand: float,
    seconds: int,
    events: Events | None = None,
    capacities: Sequence[float] = CAPACITIES,
) -> Run:
    """One run. Resolvers that are told of a backend stay with it until their answer ends."""
    dice = random.Random(f"{ttl} {demand}")
    sizes = [1 / (rank + LARGEST) for rank in range(RESOLVERS)]
    total = sum(capacities) * demand / sum(sizes)
    sizes = [size * total for size in sizes]
    count = len(capacities)
    traffic = [0.0] * count
    where: list[int | None] = [None] * RESOLVERS
    due: list[list[int]] = [[] for _ in range(seconds)]
    for resolver in range(RESOLVERS):
        due[dice.randrange(ttl)].append(resolver)
    follow: list[Damped | None] = [None] * count
    counts: list[float | None] = [None] * count
    up = [True] * count
    walk = Walk(dice)
    choose = walk.over(law(counts, up))
    reporting = [dice.randrange(INTERVAL) for _ in range(count)]
    rows: list[list[float]] = []
    for second in range(seconds):
        for resolver in due[second]:
            size, old = sizes[resolver], where[resolver]
            if old is not None:
                traffic[old] -= size
            new = where[resolver] = choose()
            traffic[new] += size
            again = second + ttl + int(dice.expovariate(1 / IDLE))
            if again < seconds:
                due[again].append(resolver)
        rise = events.rise if events and second in events.risen else 1.0
        row = [rise * max(0.0, at) / size for at, size in zip(traffic, capacities, strict=True)]
        changed = False
        if events:
            if second in events.dead:
                row[events.dying] = 0.0
            changed = up[events.dying] is (second in events.noticed)
            up[events.dying] = second not in events.noticed
        rows.append(row)
        for place in range(count):
            if second % INTERVAL == reporting[place]:
                told = fmean(past[place] for past in rows[-MEAN:])
                told = max(0.0, told * dice.gauss(1, NOISE))
                if damp:
                    new_load = damped(
                        follow[place], told, seconds=INTERVAL, ttl=ttl, interval=INTERVAL
                    )
                    follow[place], told = new_load, new_load.load
                counts[place] = told
                changed = True
        if changed:
            choose = walk.over(law(counts, up))
    return Run(rows)

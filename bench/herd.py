"""How shares and the busiest backend behave when load steers and resolvers cache, simulated.

    .venv/bin/python bench/herd.py [--plot docs/load.svg]

Resolvers of Zipf-distributed sizes ask again when their answer's TTL is over; their clients go
where the answer said. Each backend reports its load once an interval. Plans come from the project's
own strategies, loads from its own damped law. Seeded, so every run says the same.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Final

from herd_plot import plot

from dnslb.health.damping import damped
from dnslb.policy.plan import Answer, Cycle, Random
from dnslb.policy.strategies import Candidate, Choice, find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Law = Callable[[Sequence[float | None], Sequence[bool]], "Plan"]

CAPACITIES: Final = (1.0, 1.0, 1.5, 2.0, 0.5, 1.0, 1.0, 2.0)
DYING: Final = 3  # the backend that dies in the run with events
RESOLVERS: Final = 2000
INTERVAL: Final = 10
TTLS: Final = (5, 15, 30, 60, 120, 300)
DEMANDS: Final = (0.5, 0.7, 0.85)
SECONDS: Final = 3600
WARM: Final = 900  # seconds of the start that do not count in the table
NOISE: Final = 0.02  # of a report


@dataclass
class Run:
    """What one run saw, second by second."""

    loads: list[list[float]]

    @property
    def busiest(self) -> list[float]:
        return [max(row) for row in self.loads]


Plan = Cycle | Random | Answer


def by_strategy(name: str) -> Law:
    """The plans of a strategy of ours; all weights are equal, as if nobody knew better."""
    strategy, choice = find(name), Choice(1, lambda _: Answer((), 30))

    def law(loads: Sequence[float | None], up: Sequence[bool]) -> Plan:
        candidates = [
            Candidate(f"b{place}", 1, Answer((), place + 1), load)
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


LAWS: Final[dict[str, tuple[Law, bool]]] = {
    "round-robin": (by_strategy("round-robin"), False),
    "least takes all": (least_takes_all, False),
    "least-load, undamped": (by_strategy("least-load"), False),
    "least-load": (by_strategy("least-load"), True),
}


class Walk:
    """Walks plans as the engine does: a turn for each answer, or a draw."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._turn = 0

    def __call__(self, plan: Plan) -> int:
        if isinstance(plan, Answer):
            return plan.ttl - 1
        if isinstance(plan, Cycle):
            self._turn += 1
            return self(plan.steps[self._turn % len(plan.steps)])
        choices = plan.choices
        drawn = self._dice.choices(choices, [one.weight for one in choices])[0]
        return self(drawn.node)


def simulate(law: Law, *, damp: bool, ttl: int, demand: float, seconds: int, event: bool) -> Run:
    """One run; with `event`, demand is 30 % higher in the second third.

    And a backend dies in its middle and returns at its end, noticed after three intervals.
    """
    dice = random.Random(f"{ttl} {demand}")
    sizes = [1 / (rank + 20) for rank in range(RESOLVERS)]
    total = sum(CAPACITIES) * demand / sum(sizes)
    sizes = [size * total for size in sizes]
    count = len(CAPACITIES)
    traffic = [0.0] * count
    where: list[int | None] = [None] * RESOLVERS
    due: list[list[int]] = [[] for _ in range(seconds + ttl + 1)]
    for resolver in range(RESOLVERS):
        due[dice.randrange(ttl)].append(resolver)
    walk = Walk(dice)
    counts: list[float | None] = [None] * count
    up = [True] * count
    plan = law(counts, up)
    reports = [dice.randrange(INTERVAL) for _ in range(count)]
    recent: list[list[float]] = []
    rows = []
    for second in range(seconds):
        for resolver in due[second]:
            old = where[resolver]
            if old is not None:
                traffic[old] -= sizes[resolver]
            new = where[resolver] = walk(plan)
            traffic[new] += sizes[resolver]
            due[second + ttl].append(resolver)
        third = seconds // 3
        rise = 1.3 if event and third <= second < 2 * third else 1.0
        row = [max(0.0, rise * traffic[place] / CAPACITIES[place]) for place in range(count)]
        died = event and third * 3 // 2 <= second < 2 * third
        if died:
            row[DYING] = 0.0
        noticed = not (event and third * 3 // 2 + 3 * INTERVAL <= second < 2 * third + 2 * INTERVAL)
        rows.append(row)
        recent = [*recent[-4:], row]
        changed = up[DYING] != noticed
        up[DYING] = noticed
        for place in range(count):
            if second % INTERVAL == reports[place]:
                told = fmean(past[place] for past in recent) * dice.gauss(1, NOISE)
                told = max(0.0, told)
                counts[place] = (
                    damped(counts[place], told, seconds=INTERVAL, ttl=ttl, interval=INTERVAL)
                    if damp
                    else told
                )
                changed = True
        if changed:
            plan = law(counts, up)
    return Run(rows)


def table(seconds: int) -> list[str]:
    lines = [
        "| demand | TTL | law | busiest: median | 95 % of the time below | peak | swing |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for demand in DEMANDS:
        for ttl in TTLS:
            for name, (law, damp) in LAWS.items():
                run = simulate(law, damp=damp, ttl=ttl, demand=demand, seconds=seconds, event=False)
                busiest = run.busiest[WARM:]
                swing = fmean(map(_swing, zip(*run.loads[WARM:], strict=True)))
                lines.append(
                    f"| {demand:.0%} | {ttl} s | {name} | {median(busiest):.2f} "
                    f"| {quantiles(busiest, n=20)[-1]:.2f} | {max(busiest):.2f} | {swing:.2f} |"
                )
    return lines


def _swing(loads: Sequence[float]) -> float:
    """How far a backend's load goes up and down: between its 5th and 95th percentile."""
    cuts = quantiles(loads, n=20)
    return cuts[-1] - cuts[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plot", type=Path, help="write an SVG here")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    given = parser.parse_args()
    print(*table(given.seconds), sep="\n")
    if given.plot:
        runs = {
            name: simulate(law, damp=damp, ttl=15, demand=0.6, seconds=3600, event=True).busiest
            for name, (law, damp) in LAWS.items()
        }
        given.plot.write_text(plot(runs), "utf-8")


if __name__ == "__main__":
    main()

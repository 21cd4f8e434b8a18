"""How shares and the busiest backend behave when load steers and resolvers cache, simulated.

    .venv/bin/python bench/herd.py [--plot docs/load.svg]

Resolvers of Zipf-distributed sizes ask again when their answer's TTL is over; their clients go
where the answer said. Each backend reports its load once an interval. Plans come from the project's
own strategies, loads from its own damped law. Seeded, so every run says the same.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Final

from herd_plot import plot
from herd_world import CAPACITIES, HOME, LAWS, SPILLS, Events, Run, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TTLS: Final = (5, 15, 30, 60, 120, 300)
DEMANDS: Final = (0.5, 0.7, 0.85, 0.95)
SECONDS: Final = 2400
WARM: Final = 900  # seconds of the start that do not count
SWING: Final = 0.25  # of its mean, by which a load must go above and below to be said to turn

PLOTTED: Final = ("round-robin", "least takes all", "least-load, undamped", "least-load")


def steady() -> Iterator[str]:
    """What comes of demand that stays."""
    yield "| demand | TTL | law | busiest: median | 95 % | peak | misplaced | turns an hour |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_row, *zip(*product(DEMANDS, TTLS, LAWS), strict=True))


def _row(demand: float, ttl: int, name: str) -> str:
    law, damp = LAWS[name]
    run = simulate(law, damp=damp, ttl=ttl, demand=demand, seconds=SECONDS)
    busiest, loads = run.busiest[WARM:], run.loads[WARM:]
    turns = fmean(map(_turns, zip(*loads, strict=True))) * 3600 / (SECONDS - WARM)
    return (
        f"| {demand:.0%} | {ttl} s | {name} | {median(busiest):.2f} "
        f"| {quantiles(busiest, n=20)[-1]:.2f} | {max(busiest):.2f} "
        f"| {fmean(map(_misplaced, loads)):.0%} | {turns:.0f} |"
    )


def spilling() -> Iterator[str]:
    """What comes of home when it is asked for 1.3 times what it can do."""
    yield "| TTL | law | home: median | 95 % | peak | turns an hour |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for ttl, (name, (law, damp)) in product(TTLS, SPILLS.items()):
        run = simulate(
            law, damp=damp, ttl=ttl, demand=1.3 * HOME[0] / sum(HOME), seconds=SECONDS,
            capacities=HOME,
        )  # fmt: skip
        home = [loads[0] for loads in run.loads[WARM:]]
        turns = _turns(home) * 3600 / (SECONDS - WARM)
        yield (
            f"| {ttl} s | {name} | {median(home):.2f} | {quantiles(home, n=20)[-1]:.2f} "
            f"| {max(home):.2f} | {turns:.0f} |"
        )


def eventful(runs: dict[int, dict[str, Run]], events: Events) -> Iterator[str]:
    """What comes of demand that rises, and of a backend that dies and returns."""
    yield "| TTL | law | before | demand +30 % | a backend away | after its return |"
    yield "| --- | --- | --- | --- | --- | --- |"
    parts = (
        range(WARM, events.risen.start),
        range(events.risen.start, events.dead.start),
        range(events.dead.start, events.dead.stop),
        range(events.dead.stop, 3600),
    )
    for ttl, by_law in runs.items():
        for name, run in by_law.items():
            busiest = run.busiest
            cells = [
                f"{fmean(busiest[second] for second in part):.2f}, "
                f"{max(busiest[second] for second in part):.2f}"
                for part in parts
            ]
            yield f"| {ttl} s | {name} | {' | '.join(cells)} |"


def _misplaced(loads: Sequence[float]) -> float:
    """The part of the traffic that is elsewhere than if all backends were equally full."""
    traffic = [load * size for load, size in zip(loads, CAPACITIES, strict=True)]
    ideal = sum(traffic) / sum(CAPACITIES)
    over = (max(0.0, load - ideal) * size for load, size in zip(loads, CAPACITIES, strict=True))
    return sum(over) / sum(traffic)


def _turns(loads: Sequence[float]) -> int:
    """How often a load goes from well above its mean to well below it."""
    mean, high, turns = fmean(loads), False, 0
    for load in loads:
        if load > (1 + SWING) * mean:
            high = True
        elif high and load < (1 - SWING) * mean:
            high, turns = False, turns + 1
    return turns


def main() -> None:
    """Print the tables; draw the plot where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plot", type=Path, help="write an SVG here")
    given = parser.parse_args()
    print(*steady(), sep="\n")
    events = Events()
    runs = {
        ttl: {
            name: simulate(law, damp=damp, ttl=ttl, demand=0.6, seconds=3600, events=events)
            for name, (law, damp) in LAWS.items()
        }
        for ttl in (15, 60, 300)
    }
    print()
    print(*eventful(runs, events), sep="\n")
    print()
    print(*spilling(), sep="\n")
    if given.plot:
        drawn = {name: run.busiest for name, run in runs[15].items() if name in PLOTTED}
        given.plot.write_text(plot(drawn), "utf-8")


if __name__ == "__main__":
    main()

"""Pools refer to pools: an order in which each comes after those it refers to, and the loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["loops", "ordered"]


def ordered(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """The names, each after all that it leads to; those that lead into a loop are left out."""
    waiting = {name: len(set(refs)) for name, refs in edges.items()}
    holders: dict[str, list[str]] = {}
    for name, refs in edges.items():
        for ref in set(refs):
            holders.setdefault(ref, []).append(name)
    done = [name for name, count in waiting.items() if not count]
    for name in done:
        for holder in holders.get(name, ()):
            waiting[holder] -= 1
            if not waiting[holder]:
                done.append(holder)
    return done


def loops(edges: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Loops in `edges`, at least one of those that each name in a loop is part of.

    A loop begins with the name that comes first in `edges`.
    """
    clean = set(ordered(edges))
    order = {name: index for index, name in enumerate(edges)}
    seen: set[str] = set()
    for start in edges:
        if start in clean or start in seen:
            continue
        path = [start]
        branches = [iter(edges[start])]
        seen.add(start)
        while path:
            for name in branches[-1]:
                if name in path:
                    loop = path[path.index(name) :]
                    first = loop.index(min(loop, key=order.__getitem__))
                    yield loop[first:] + loop[:first]
                elif name not in clean and name not in seen:
                    seen.add(name)
                    path.append(name)
                    branches.append(iter(edges[name]))
                    break
            else:
                path.pop()
                branches.pop()

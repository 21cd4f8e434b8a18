"""Walks over plans on paper: which answers can come, how likely each is, and for how many clients.

The engine walks a plan for one packet. These functions walk it for all packets at once, for
`explain`, for forecasts, and for the load that a pool as a whole can report to its parent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.plan import Answer, Cycle, Hash, Network, Node, Random

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnslb.config.model import Address

__all__ = ["chances", "children", "hashed_prefix", "nodes", "refusals", "scope"]


def chances(root: Node, client: Address | None = None) -> list[tuple[Answer, float]]:
    """Every answer that `root` can end in and its probability; they add up to 1.

    For a `client` only what that client can get; without one, all clients, evenly spread over the
    addresses of IPv4. Equal answers are merged; the order is that of the plan.
    """
    merged: dict[Answer, float] = {}
    for node, chance in _spread(root, client):
        merged[node] = merged.get(node, 0.0) + chance
    return list(merged.items())


def scope(root: Node, client: Address) -> int:
    """The leading bits of `client` that its answer depends on: the ECS scope (RFC 7871).

    The widest need of all nodes counts that clients of its network may come to: whatever is drawn,
    a resolver may keep, and scopes that overlap would hide one client's answer behind another's.
    `root` is as `lift` leaves it.
    """
    network = 0
    if isinstance(root, Network):
        label, network = root.map.find(client)
        root = root.choices[label]
    return max(network, hashed_prefix(root)[client.version == 6])


def hashed_prefix(root: Node) -> tuple[int, int]:
    """The leading bits of IPv4 and IPv6 addresses that any `Hash` below `root` looks at."""
    v4 = v6 = 0
    level: dict[int, Node] = {id(root): root}
    while level:
        below: dict[int, Node] = {}
        for node in level.values():
            if isinstance(node, Hash):
                v4, v6 = max(v4, node.prefix.v4), max(v6, node.prefix.v6)
            below |= {id(child): child for child in children(node)}
        level = below
    return v4, v6


def refusals(root: Node, client: Address) -> set[str]:
    """The keys of choices that `client` would be bound to, were they not full to their bounds."""
    keys: set[str] = set()
    level: dict[int, Node] = {id(root): root}
    while level:
        below: dict[int, Node] = {}
        for node in level.values():
            if isinstance(node, Answer):
                continue
            if isinstance(node, Hash):
                keys.update(choice.key for choice in node.refused(node.slot(client)))
            below |= {id(child): child for child, _ in _branches(node, client)}
        level = below
    return keys


def _spread(root: Node, client: Address | None) -> Iterator[tuple[Answer, float]]:
    # by object first: a cycle of 1,000 steps has a few distinct nodes
    level: dict[int, tuple[Node, float]] = {id(root): (root, 1.0)}
    while level:
        below: dict[int, tuple[Node, float]] = {}
        for node, chance in level.values():
            if isinstance(node, Answer):
                yield node, chance
                continue
            for child, part in _branches(node, client):
                _, already = below.get(id(child), (child, 0.0))
                below[id(child)] = child, already + chance * part
        level = below


def _branches(
    node: Cycle | Random | Hash | Network, client: Address | None
) -> Iterator[tuple[Node, float]]:
    if isinstance(node, Cycle):
        for step in node.steps:
            yield step, 1 / len(node.steps)
    elif isinstance(node, Network):
        if client is not None:
            yield node.choices[node.map.find(client)[0]], 1.0
        else:
            for label, share, _ in node.map.shares():
                yield node.choices[label], share
    elif isinstance(node, Hash) and client is not None:
        yield node.pick(node.slot(client)).node, 1.0
    else:
        total = sum(choice.weight for choice in node.choices)
        for choice in node.choices:
            yield choice.node, choice.weight / total


def nodes(root: Node) -> Iterator[Node]:
    """`root` and every node below it, each object once."""
    seen: dict[int, Node] = {id(root): root}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for child in children(node):
            if id(child) not in seen:
                seen[id(child)] = child
                stack.append(child)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below `node`, as often as it names them."""
    if isinstance(node, Answer):
        return ()
    if isinstance(node, Cycle):
        return node.steps
    if isinstance(node, Network):
        return node.choices
    return tuple(choice.node for choice in node.choices)

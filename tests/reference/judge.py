"""Whether a response is the one that the reference expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference.message import comparable, owners_kept, read

if TYPE_CHECKING:
    from reference.server import Expected

__all__ = ["difference"]


def difference(expected: Expected | None, got: bytes | None) -> str | None:
    """What is wrong with the response `got`; None for nothing.

    Free are: the order of records inside of an RRset and of RRsets in the additional section, the
    order of options, compression, and the letter case of owners that are not the name in question.
    """
    if expected is None or got is None:
        return None if expected is None and got is None else f"expected {expected}, got {got!r}"
    try:
        response = read(got)
    except ValueError as error:
        return f"malformed: {error}: {got!r}"
    if response.length > expected.limit:
        return f"{response.length} octets, {expected.limit} is the most"
    choices = [comparable(choice) for choice in expected.choices()]
    mine = comparable(response)
    if mine not in choices:
        lines = [
            f"{key}: expected {choice[key]!r}\n{' ' * len(key)}  got      {mine[key]!r}"
            for choice in choices
            for key in mine
            if mine[key] != choice[key]
        ]
        return "\n".join(lines)
    if not owners_kept(response):
        return f"the question's letter case is lost: {response.answer}"
    return None

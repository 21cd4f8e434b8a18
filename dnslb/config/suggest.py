"""Near misses: what an operator probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["counted", "listed", "unknown"]

MAX_LISTED = 12


def unknown(kind: str, text: str, known: Iterable[str], *, more: str = "") -> str:
    """`unknown key "stratgy"; did you mean "strategy"?`, or what there is."""
    known = list(known)
    by_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(text.lower(), by_case, n=1, cutoff=0.7)
    message = f'unknown {kind} "{text}"'
    if close:
        return f'{message}; did you mean "{by_case[close[0]]}"?'
    if known and len(known) <= MAX_LISTED:
        verb = "is" if len(known) == 1 else "are"
        return f"{message}; there {verb} {listed(known)}{more}"
    return message + (f"; {more.lstrip(', ')}" if more else "")


def listed(names: Iterable[str], word: str = "and") -> str:
    """`a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def counted(count: int, word: str) -> str:
    """`1 member`, `2 members`."""
    return f"{count} {word}{'' if count == 1 else 's'}"

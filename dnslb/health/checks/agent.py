"""The agent check: a backend's own agent says how much it wants (HAProxy's `agent-check`).

    75%                     passes, with three quarters of its weight
    up, ready 150%          passes; `ready` also ends what `drain` and `maint` began
    drain                   passes, and gets no new clients; `maint` likewise
    down #disk full         fails; so do `fail` and `stopped`

One line of words with spaces, tabs or commas between them. Of two words that say the same kind of
thing, the last counts. `maxconn:30` speaks of connections, which a name server does not see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.base import AgentMode, Outcome, Result
from dnslb.health.checks.network import FailedError, Phase
from dnslb.health.checks.stream import StreamCheck

if TYPE_CHECKING:
    from dnslb.health.checks.stream import Stream
    from dnslb.health.load import LoadSource

__all__ = ["AgentCheck", "read_line"]

MAX_LINE: Final = 1024
"""Bytes of an answer, which is a few words."""

MOST: Final = 256
"""The highest percentage, since HAProxy's weights end there; what is above counts as this."""

SHOWN: Final = 80

_END: Final = re.compile(rb"[\r\n]")
_BETWEEN: Final = re.compile(r"[ \t,]+")
_PERCENT: Final = re.compile(r"(\d{1,9})%", re.ASCII)
_DOWN: Final = {"down", "fail", "stopped"}
_MODES: Final = {mode.value: mode for mode in AgentMode}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCheck(StreamCheck):
    """Connects to `port`, sends what it is told to, and reads one line."""

    send: bytes | None = None

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Read until the line ends; one that does not is no answer, as with HAProxy."""
        del address
        if self.send is not None:
            stream.write(self.send)
        answer = b""
        while not (end := _END.search(answer)):
            if len(answer) > MAX_LINE:
                raise FailedError(Outcome.TOO_LARGE, "no line has ended within 1 KiB")
            answer += await stream.more()
            stream.progress.reached = Phase.BODY
        if end.start() > MAX_LINE:
            raise FailedError(Outcome.TOO_LARGE, "the line is longer than 1 KiB")
        # an agent that stays is one that answers each question
        stream.reusable = self.send is not None
        return read_line(answer[: end.start()].decode(errors="replace"), self.load)


def read_line(line: str, load: LoadSource | None = None) -> Result:
    """What an agent's line says. With `load`, a percentage is the room that is left.

    Raises:
        FailedError: it says nothing, or something unknown.
    """
    words, _, reason = line.partition("#")
    down, mode, percent = "", None, None
    for word in _BETWEEN.split(words.strip(" \t,")):
        plain = word.lower()
        if plain in _DOWN:
            down = plain
        elif plain == "up":
            down = ""
        elif plain in _MODES:
            mode = _MODES[plain]
        elif found := _PERCENT.fullmatch(word):
            percent = int(found[1])
        elif not plain.startswith("maxconn:"):
            raise FailedError(Outcome.MALFORMED, _unknown(word))
    note = ""
    if percent is not None and percent > MOST:
        note, percent = f"the agent says {percent}%, which counts as {MOST}%", MOST
    share = None if percent is None else percent / 100
    said = f"the agent says {down}" + (f": {_short(reason.strip())}" if reason.strip() else "")
    return Result(
        Outcome.STATUS if down else Outcome.OK,
        said if down else "",
        load=None if load is None or share is None else max(0.0, 1 - share) / load.full,
        note=note,
        weight=share if load is None else None,
        mode=mode,
    )


def _unknown(word: str) -> str:
    return f"the agent says {_short(word)!r}, which is no word of its" if word else "an empty line"


def _short(text: str) -> str:
    """What a stranger sent, short and printable."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

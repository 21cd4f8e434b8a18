"""Where results are kept: a file for each part, and all of them in `RESULTS.md`."""

from __future__ import annotations

import datetime as dt
import platform
import re
from typing import TYPE_CHECKING, Final

from machine import describe, dnsperf_version

from dnslb import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from part import Part, Report
    from servers import Server

__all__ = ["keep", "section", "write"]

INTRODUCTION: Final = """\
# Results

Written by `make bench`: a section for each part, as it was measured last. [README.md](README.md)
says how, and how to read them. Figures in brackets are the least and the most of the rounds;
verdicts go by the median.
"""


def section(part: Part, report: Report, servers: Sequence[Server], command: str) -> str:
    """A part's section: what was run, when, where, with what versions; tables; verdicts."""
    lines = [
        f"## {part.title}",
        "",
        f"`{command}`, {dt.datetime.now(tz=dt.timezone.utc):%Y-%m-%d}: {part.about}",
        "",
        f"- machine: {describe()}",
        f"- {dnsperf_version()}, Python {platform.python_version()}, dnslb {__version__}",
    ]
    for server in servers:
        words = "" if server.name == "dnslb" else server.describe()
        about = "" if server.about in {"", words} else server.about
        lines.append(f"- {server.name}: {', '.join(filter(None, (words, about)))}")
    lines += ["", report.text.strip(), ""]
    if report.verdicts:
        lines += [*(f"- {verdict}" for verdict in report.verdicts), ""]
    return "\n".join(lines)


def keep(folder: Path, part: Part, text: str) -> None:
    """Keep a part's section."""
    (folder / "results").mkdir(parents=True, exist_ok=True)
    (folder / "results" / f"{part.name}.md").write_text(text)


def write(folder: Path, parts: Iterable[Part], renewed: Iterable[str]) -> None:
    """Write `RESULTS.md` anew.

    A section that was not `renewed` stays as it is there, or is taken from the part's own file.
    What stands there under no part's title goes to the end.
    """
    path = folder / "RESULTS.md"
    old = _sections(path.read_text() if path.exists() else "")
    written = [INTRODUCTION]
    for part in parts:
        kept = folder / "results" / f"{part.name}.md"
        before = old.pop(part.title, "")
        if part.name in renewed or not before:
            before = kept.read_text() if kept.exists() else before
        if before:
            written.append(before)
    path.write_text("\n".join(text.strip() + "\n" for text in (*written, *old.values())))


def _sections(text: str) -> dict[str, str]:
    """The sections of a page, by their titles."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {title: f"## {title}{body}" for title, body in pairs}

"""The bench: runs its parts and writes `bench/RESULTS.md`.

python bench/run.py [PART ...]      all parts unless some are named; --list shows them
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import latency
import meanwhile
import scripts
import workloads
from machine import install, unfit
from measure import BenchError
from part import Settings, SkipPart
from results import keep, section, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from part import Part

__all__ = ["PARTS", "main", "unfit"]

PARTS: Final = (*workloads.PARTS, *latency.PARTS, *meanwhile.PARTS, *scripts.PARTS)
"""In the order of `RESULTS.md`."""


def main() -> int:
    options = _options()
    if options.list:
        width = max(len(part.name) for part in PARTS)
        for part in PARTS:
            print(f"{part.name:{width}}  {part.about}")
        return 0
    chosen = [part for part in PARTS if not options.parts or part.name in options.parts]
    if not options.no_install:
        install(
            [server for part in chosen for server in part.servers],
            {program for part in chosen for program in part.programs},
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers end with us
    failed = False
    try:
        for part in chosen:
            failed |= not _run(part, options)
    except KeyboardInterrupt:
        return 130
    return int(failed)


def _run(part: Part, options: argparse.Namespace) -> bool:
    """Whether a part could be measured; its section is renewed when it could."""
    print(f"{part.name}: {part.about}", file=sys.stderr)
    if problem := unfit(*part.programs):
        print(f"without {part.name}: {problem}", file=sys.stderr)
        return True
    only = frozenset(options.only) if options.only else None
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        settings = Settings(options.rounds, options.seconds, Path(name), only)
        for server in part.servers:
            if (only is None or server.name in only) and (reason := server.missing()):
                print(f"without {server.name}: {reason}", file=sys.stderr)
        servers = settings.present(part.servers)
        if part.servers and not servers:
            print(f"without {part.name}: none of its servers is here", file=sys.stderr)
            return True
        try:
            report = part.run(settings)
        except SkipPart as reason:
            print(f"without {part.name}: {reason}", file=sys.stderr)
            return True
        except BenchError as error:
            print(f"{part.name} failed: {error}", file=sys.stderr)
            return False
    text = section(part, report, servers, _command(part, options))
    print(text)
    keep(options.out, part, text)
    write(options.out, PARTS, [part.name])
    return True


def _command(part: Part, options: argparse.Namespace) -> str:
    """What makes this part's section again."""
    only = ["--only", *options.only] if options.only else []
    flags = ["--rounds", str(options.rounds), "--seconds", f"{options.seconds:g}", *only]
    return " ".join(["python bench/run.py", part.name, *flags])


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure dnslb beside other servers")
    names = [part.name for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help="all unless some are named")
    parser.add_argument("--list", action="store_true", help="show the parts")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3, help="of load for each server")
    parser.add_argument("--only", nargs="+", metavar="SERVER", help="measure these servers")
    parser.add_argument("--no-install", action="store_true", help="never run apt-get")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent,
        metavar="FOLDER",
        help="where RESULTS.md and results/ are",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(names):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())

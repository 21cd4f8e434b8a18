"""Instructions that the engine takes for one query, by what is asked: counted, not timed.

callgrind counts the same on a busy machine as on an idle one, so what a change costs shows even
where no clock could tell. `instructions.json` holds the counts of the last change that meant to
alter them; `make check` compares.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ENGINE: Final = Path(__file__).parent.parent / "engine"

KEPT: Final = Path(__file__).with_name("instructions.json")

TOLERANCE: Final = 0.10
"""The share by which a count may differ: another compiler orders things in another way."""

ANSWERED: Final = 2_000
"""Queries of each sort: `ROUNDS` times `QUERIES` of the example."""

LINE: Final = re.compile(r"^\s*([\d,]+) \(.*?\)\s+\S*examples/count\.rs:count::(\w+) \[")
"""A line of callgrind_annotate: instructions in and below a function of the example."""

HELPERS: Final = {"main", "run", "answer", "sort", "query", "wire", "snapshot", "plans", "zones"}


def main() -> int:
    options = _options()
    if shutil.which("valgrind") is None:
        print("instructions are not counted without valgrind: apt-get install valgrind")
        return 1 if os.environ.get("CI") else 0
    counts = count()
    if options.write:
        KEPT.write_text(json.dumps(counts, indent=2) + "\n")
    kept = json.loads(KEPT.read_text())
    if not options.quiet:
        print(table(counts, kept))
    problems = compare(counts, kept)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def count() -> dict[str, int]:
    """Instructions for one query of each sort."""
    cargo = ["cargo", "build", "--quiet", "--locked", "--release", "--example", "count"]
    subprocess.run(
        [*cargo, "--message-format=json-render-diagnostics"],
        cwd=ENGINE,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    target = Path(os.environ.get("CARGO_TARGET_DIR", ENGINE / "target"))
    with tempfile.TemporaryDirectory(prefix="dnslb-count-") as folder:
        out = Path(folder) / "out"
        tool = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
        subprocess.run([*tool, target / "release" / "examples" / "count"], check=True)
        done = subprocess.run(
            ["callgrind_annotate", "--inclusive=yes", "--threshold=100", out],
            check=True,
            capture_output=True,
            text=True,
        )
    found = (LINE.match(line) for line in done.stdout.splitlines())
    counts = {one[2]: round(int(one[1].replace(",", "")) / ANSWERED) for one in found if one}
    return {name: counts[name] for name in sorted(counts) if name not in HELPERS}


def compare(counts: dict[str, int], kept: dict[str, int]) -> list[str]:
    """What is wrong with `counts`: each that differs too much from the one kept, or has none."""
    again = "if it is meant, run: python bench/instructions.py --write"
    problems = []
    for name in sorted(counts.keys() | kept.keys()):
        if name not in counts or name not in kept:
            place = "instructions.json" if name in counts else "engine/examples/count.rs"
            problems.append(f"{name} is not in {place}; {again}")
        elif abs(counts[name] - kept[name]) > TOLERANCE * kept[name]:
            word = "more" if counts[name] > kept[name] else "fewer"
            change = abs(counts[name] / kept[name] - 1)
            problems.append(
                f"{name} takes {counts[name]:,} instructions, {change:.0%} {word} than the"
                f" {kept[name]:,} kept in bench/instructions.json; {again}"
            )
    return problems


def table(counts: dict[str, int], kept: dict[str, int]) -> str:
    """The counts beside those kept, as Markdown."""
    rows = ["| query | instructions | kept |", "| --- | --- | --- |"]
    for name, number in counts.items():
        about = name.replace("_", " ")
        rows.append(f"| {about} | {number:,} | {kept.get(name, 0):,} |")
    return "\n".join(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="instructions for one query, by what is asked")
    parser.add_argument("--write", action="store_true", help="keep these counts from now on")
    parser.add_argument("--quiet", action="store_true", help="say nothing when all is as kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

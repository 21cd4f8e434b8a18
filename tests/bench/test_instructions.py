"""Counts that differ from those kept, and lines of callgrind's report."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench"))

from instructions import HELPERS, KEPT, LINE, compare

KEEP = {"hit": 1_000, "miss": 500}


def test_what_is_within_the_tolerance_is_fine():
    assert compare({"hit": 1_099, "miss": 451}, KEEP) == []


def test_more_and_fewer_are_told_with_what_to_do():
    more, fewer = compare({"hit": 1_101, "miss": 449}, KEEP)
    assert more.startswith("hit takes 1,101 instructions, 10% more than the 1,000 kept")
    assert fewer.startswith("miss takes 449 instructions, 10% fewer")
    assert "--write" in more


def test_a_sort_that_only_one_side_has_is_told():
    new, old = compare({"hit": 1_000, "new": 1}, KEEP)
    assert new.startswith("miss is not in engine/examples/count.rs")
    assert old.startswith("new is not in instructions.json")


def test_the_report_is_read():
    line = " 2,454,000 (16.64%)  examples/count.rs:count::static_hit [/x/examples/count]"
    found = LINE.match(line)
    assert found is not None
    assert found.groups() == ("2,454,000", "static_hit")


def test_every_sort_of_the_example_is_kept():
    example = Path(__file__).parents[2] / "engine" / "examples" / "count.rs"
    text = example.read_text().partition("sorts! {\n")[2].partition("\n}")[0]
    names = {line.split(":")[0].strip() for line in text.splitlines()}
    kept = set(json.loads(KEPT.read_text()))
    assert kept == names
    assert not names & HELPERS

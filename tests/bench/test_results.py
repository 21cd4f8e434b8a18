import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

from measure import Sample
from part import Part, Report
from report import Aim, Row, table, verdict
from results import keep, section, write

OURS, THEIRS = Row("dnslb"), Row("gdnsd")


def part(name):
    return Part(name, f"Of {name}", f"about {name}", lambda _: Report(""))


def test_a_part_renews_only_its_section(tmp_path):
    parts = [part("a"), part("b"), part("c")]
    (tmp_path / "RESULTS.md").write_text(
        "# Results\n\nold words\n\n## Of c\n\nold c\n\n## Other\n\nelse\n\n## Of b\n\nold b\n"
    )
    text = section(parts[1], Report("new b", ["aim: one; measured: reached"]), [], "the command")
    keep(tmp_path, parts[1], text)
    write(tmp_path, parts, ["b"])
    written = (tmp_path / "RESULTS.md").read_text()
    titles = [line for line in written.splitlines() if line.startswith("#")]
    assert titles == ["# Results", "## Of b", "## Of c", "## Other"]
    assert "new b" in written
    assert "`the command`" in written
    assert "- aim: one; measured: reached" in written
    assert "old c" in written
    assert "old b" not in written
    assert "old words" not in written


def test_writing_again_changes_nothing(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\n## Of a\n\nold a\n\n## Other\n\nelse\n")
    write(tmp_path, [part("a")], [])
    once = path.read_text()
    write(tmp_path, [part("a")], [])
    assert path.read_text() == once
    assert "\n\n\n" not in once


def test_a_section_that_was_lost_comes_from_its_own_file(tmp_path):
    keep(tmp_path, part("a"), "## Of a\n\nkept\n")
    write(tmp_path, [part("a")], [])
    assert "kept" in (tmp_path / "RESULTS.md").read_text()


@pytest.mark.parametrize(
    ("values", "limits", "word"),
    [
        ([0.9, 0.95, 1.2], {"most": 0.95}, "reached"),
        ([0.9, 0.96, 1.2], {"most": 0.95}, "missed"),
        ([1.0, 1.1, 1.2], {"least": 1.1}, "reached"),
        ([1.0, 1.0, 1.2], {"least": 1.1}, "missed"),
    ],
)
def test_the_median_decides(values, limits, word):
    assert verdict("it", values, **limits).endswith(f": {word}")


def test_ratios_are_taken_within_a_round():
    def round_of(ours, theirs):
        return {OURS: Sample(10, 0, 1e5, ours, 0), THEIRS: Sample(10, 1, 1e5, theirs, 0)}

    rounds = [round_of(1, 2), round_of(10, 10), round_of(4, 8)]
    lines = table(rounds).splitlines()
    assert lines[2].endswith("| 0 of 30 | 0.50 |")
    assert lines[3].endswith("| 3 of 33 | 1.00 |")
    assert "measured 0.500 (0.500-1.000)" in Aim(OURS, THEIRS, most=0.95).verdict(rounds)
    assert "not measured" in Aim(OURS, Row("echo"), most=1).verdict(rounds)

"""Plays every cell of the matrix and prints it, with how many were tested and how many passed.

python tests/health/matrix.py
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class Counting:
    """Counts the tests of cells, by protocol."""

    def __init__(self) -> None:
        self.tested: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "cell[" not in report.nodeid or (report.when != "call" and report.passed):
            return
        cell = report.nodeid.partition("[")[2].rstrip("]")
        # the longest name, since `dns-udp` begins no other, but `grpc` does
        protocol = max((name for name in ALL if cell.startswith(f"{name}-")), key=len)
        self.tested[protocol] += 1
        self.passed[protocol] += report.passed


def main() -> int:
    """Print the matrix; the exit status is pytest's."""
    counting = Counting()
    status = pytest.main(
        ["-q", "-p", "no:cacheprovider", str(HERE / "test_failures.py")], [counting]
    )
    print(markdown())
    for name in ALL:
        print(f"{name:10} {counting.tested[name]:4} cells, {counting.passed[name]:4} passing")
    tested, passed = counting.tested.total(), counting.passed.total()
    print(f"{'in all':10} {tested:4} cells, {passed:4} passing, of {len(CELLS)} in the table")
    return int(status)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    from faults.table import ALL, CELLS, markdown

    sys.exit(main())

"""Every problem and warning of wrong zone files, exactly as they are told.

`cases/*.txt` hold them:

    === name
    the zone file, below a line `nameservers: [ns.example.net.]`; with `(alone)` behind the name
    there is no such line
    !! line:column: what is told, in this order, and nothing else; nothing for a name in `-fine`

Those of `steering.txt` have databases of locations, the others have none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from configs import NS, ZONE, databases, look

ALONE = " (alone)"
FINE = "-fine"


@dataclass
class Case:
    name: str
    zone: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def cases() -> list[Case]:
    found: list[Case] = []
    for file in sorted((Path(__file__).parent / "cases").glob("*.txt")):
        for line in file.read_text("utf-8").splitlines():
            if line.startswith("=== "):
                found.append(Case(f"{file.stem}-{line[4:]}"))
                if not line.endswith(ALONE):
                    found[-1].zone.append(NS.rstrip())
            elif line.startswith("!! "):
                found[-1].told.append(line[3:])
            elif line and found:
                found[-1].zone.append(line)
    return found


CASES = cases()


def test_there_are_cases():
    assert len(CASES) > 100
    assert all(bool(case.told) != case.name.endswith(FINE) for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removesuffix(ALONE))
def test_case(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    server = databases(tmp_path) if case.name.startswith("steering-") else ""
    examined = look(tmp_path, "\n".join(case.zone) + "\n", **{"dnslb.yaml": server})
    told = [(problem, str(problem)) for problem in examined.problems]
    told += [(warning, warning.as_warning()) for warning in examined.warnings]
    assert [line.removeprefix(f"{ZONE}:") for _, line in sorted(told)] == case.told
    assert (examined.config is None) == bool(examined.problems)

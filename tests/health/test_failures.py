"""Every way of failing, in every protocol: the cells of `faults/table.py`, one test each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from faults import network
from faults.certificates import Certificates
from faults.scenes import RUN_OUT, play
from faults.table import ALL, CELLS, COLUMNS, ROWS, markdown


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def outcomes():
    return network.outcomes()


def cells(*, of_network):
    found = [cell for cell in CELLS if network.is_network(cell) is of_network]
    return pytest.mark.parametrize("cell", found, ids=[cell.id for cell in found])


@cells(of_network=False)
def test_cell(cell, certificates):
    result = asyncio.run(play(cell, certificates))
    if result.outcome is not cell.outcome and cell.failure in RUN_OUT:
        # a busy machine may not have come as far by then as the failure
        result = asyncio.run(play(cell, certificates, slower=10))
    assert result.outcome is cell.outcome, result


@cells(of_network=True)
def test_network_cell(cell, outcomes):
    assert outcomes[cell.id].partition(":")[0] == cell.outcome.value, outcomes[cell.id]


def test_what_is_left_out_has_a_reason():
    missing = [
        (protocol, row.name)
        for row in ROWS
        for protocol in ALL
        if row.of(protocol) is None and not row.missing(protocol)
    ]
    assert missing == []


def test_the_docs_show_the_matrix():
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text("utf-8")
    assert markdown() in page, "put what `tests/health/matrix.py` prints into docs/health.md"
    assert {name for group in COLUMNS.values() for name in group} == set(ALL)

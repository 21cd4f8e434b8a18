"""Checks of the operator's own in a zone file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from configs import built, checked, lines, look

from dnslb.health.checks.own import find

EXAMPLES = Path(__file__).parents[2] / "examples" / "checks"


@pytest.fixture(autouse=True)
def _modules(tmp_path, monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.syspath_prepend(tmp_path)
    find.cache_clear()
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    find.cache_clear()


def test_options_are_arguments(tmp_path):
    check = built(tmp_path, "type: 'redis_ping:RedisPing', options: {password: NO}, reuse: true")
    assert type(check) is find("redis_ping:RedisPing")
    assert (check.password, check.reuse, check.effective_port) == ("NO", True, 6379)


def test_lists_and_mappings_are_frozen(tmp_path):
    (tmp_path / "own_lists.py").write_text(OWN)
    check = built(tmp_path, "type: 'own_lists:Mine', options: {words: [a, {b: [c]}]}")
    assert check.words == ("a", (("b", ("c",)),))


OWN = """
from dataclasses import dataclass
from dnslb.health.checks.tcp import TcpCheck

@dataclass(frozen=True, kw_only=True)
class Mine(TcpCheck):
    words: tuple = ()
    def __post_init__(self):
        if "bad" in self.words:
            raise ValueError("no bad words")
"""


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ("type: 'own_missing:Mine'", "own_missing: ModuleNotFoundError: No module named 'own_missing'"),
        ("type: 'redis_ping:Ping'", "redis_ping has no Ping"),
        ("type: 'redis_ping:RedisPing', options: {pass: x}", "unexpected keyword argument 'pass'"),
        ("type: 'redis_ping:RedisPing', path: /", "\"path\" means nothing to a check of one's own"),
        ("type: 'own_lists:Mine', options: {words: [bad]}", "does not take this: no bad words"),
        ("type: 'redis_ping:RedisPing', timeout: 20s", "must be below the interval"),
    ],
)  # fmt: skip
def test_problems(tmp_path, monkeypatch, check, problem):
    (tmp_path / "own_lists.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    told = lines(look(tmp_path, checked(check)))
    assert len(told) == 1
    assert problem in told[0]

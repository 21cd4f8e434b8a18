"""`dnslb check` and `dnslb schema`, as operators and scripts meet them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from dnslb.cli import main
from dnslb.config.schema import schema
from dnslb.policy.strategies import find

ROOT = Path(__file__).parents[2]
GOOD = "nameservers: [ns.example.net.]\nservices: {www: {members: [{address: 192.0.2.1}]}}\n"


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones").mkdir()

    def run(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        return Result(caught.value.code or 0, *capsys.readouterr())

    return run


def zone(text: str) -> None:
    Path("zones/example.com.yaml").write_text(text)
    Path("dnslb.yaml").touch()


def test_fine(run):
    zone(GOOD)
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout == "dnslb.yaml: 1 zone, 1 service, 1 pool, 1 backend; no problems\n"
    assert result.stderr == ""


def test_warnings(run):
    zone(GOOD + "checks: {c: {type: http}}\n")
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout == (
        "zones/example.com.yaml:3:10: warning: checks.c: nothing uses this check\n"
        "dnslb.yaml: 1 zone, 1 service, 1 pool, 1 backend; 1 warning\n"
    )


def test_problems_and_warnings_in_order_of_place(run):
    zone(GOOD + "records: {a: {TXT: b c, A: x}}\nttl: -1\n")
    result = run("check")
    assert result.exit_code == 2
    *lines, last = result.stdout.splitlines()
    assert last == "dnslb.yaml: 2 problems, 1 warning"
    assert [line.split(": ")[0] for line in lines] == [
        "zones/example.com.yaml:3:20",
        "zones/example.com.yaml:3:28",
        "zones/example.com.yaml:4:6",
    ]


def test_another_file(run):
    Path("other.yaml").write_text("zones: nowhere\n")
    result = run("check", "other.yaml")
    assert result.exit_code == 2
    assert result.stdout.startswith("other.yaml:1:8: zones: there is no folder nowhere")


def test_no_file(run):
    result = run("check")
    assert result.exit_code == 2
    assert result.stdout.startswith("dnslb.yaml:1:1: no such file")
    assert result.stdout.endswith("\ndnslb.yaml: 1 problem\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "returned None, which is no plan node"),
        ("raise SystemExit(3)", "SystemExit(3)"),
    ],
    ids=["nothing", "exit"],
)
def test_a_strategy_that_makes_no_plan(run, monkeypatch, body, message):
    Path("broken_strategy.py").write_text(
        "from dnslb.policy.strategies import Strategy\n"
        "class Broken(Strategy):\n"
        "    name = 'broken'\n"
        "    def plan(self, candidates, choice):\n"
        f"        {body}\n"
    )
    monkeypatch.syspath_prepend(".")
    monkeypatch.delitem(sys.modules, "broken_strategy", raising=False)
    find.cache_clear()
    zone(GOOD.replace("{members", "{strategy: 'broken_strategy:Broken', members"))
    result = run("check")
    assert result.exit_code == 2
    assert message in result.stdout
    find.cache_clear()


def test_the_examples(run, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout.endswith("; no problems\n")


@pytest.mark.parametrize("kind", ["zone", "server"])
def test_schema(run, kind):
    result = run("schema", kind)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema(kind)


def test_schema_of_zones_is_the_default(run):
    assert run("schema").stdout == run("schema", "zone").stdout

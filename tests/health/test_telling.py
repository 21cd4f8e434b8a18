"""What the log says of verdicts: each once, with its reason."""

from __future__ import annotations

import logging

from health_script import ERROR, OK, REFUSED, settle
from health_stage import V4, V6, play

from dnslb.config.model import Family
from dnslb.health.checks.base import Outcome, Result


def told(caplog, scenario, level=logging.INFO):
    caplog.set_level(level, "dnslb.health")
    play(scenario)
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_a_verdict_is_one_line_that_says_why(caplog):
    async def scenario(stage):
        await stage.configure(stage.backend("a", V4, V6, fall=2, rise=1))
        assert caplog.messages == [], "passes at the start are no news"
        await stage.results(REFUSED, REFUSED, REFUSED, at=V6)
        await stage.results(OK, at=V6)

    assert told(caplog, scenario) == [
        "WARNING backend p/a down over IPv6: refused: it refuses; [2001:db8::1] (2 of 2)",
        "INFO backend p/a up over IPv6",
    ]


def test_a_first_failure_is_told_and_a_first_pass_in_debug(caplog):
    async def scenario(stage):
        stage.there.results["192.0.2.2"] = REFUSED
        stage.monitor.configure([stage.backend("a"), stage.backend("b", "192.0.2.2")])
        await settle()

    lines = told(caplog, scenario, logging.DEBUG)
    assert [line for line in lines if "backend" in line] == [
        "DEBUG backend p/a up",
        "WARNING backend p/b down: refused: it refuses; 192.0.2.2 (first result)",
    ]


def test_a_family_with_two_dead_addresses_goes_and_comes_once(caplog):
    other = "192.0.2.2"

    async def scenario(stage):
        await stage.configure(stage.backend("a", V4, other, fall=1, rise=1))
        await stage.results(REFUSED, at=V4)
        await stage.results(REFUSED, at=other)
        assert stage.standing().reason == f"refused: it refuses; {V4} and 1 more"
        await stage.results(OK, at=V4)
        assert stage.standing().down == {Family.IPV4}
        assert stage.standing().reason == f"refused: it refuses; {other}"
        await stage.results(OK, at=other)

    assert told(caplog, scenario) == [
        "WARNING backend p/a down: refused: it refuses; 192.0.2.1 (1 of 1)",
        "INFO backend p/a up",
    ]


def test_what_is_odd_about_a_load_report_is_told_once(caplog):
    def odd(note):
        return Result(Outcome.OK, milliseconds=10.0, note=note)

    async def scenario(stage):
        await stage.configure(stage.backend())
        await stage.results(odd("load is 55"), odd("load is 56"), OK, odd("load is 57"))

    assert told(caplog, scenario) == ["WARNING check of 192.0.2.1 passes, but load is 55"]


def test_a_probe_that_itself_fails_leaves_the_verdict_alone(caplog):
    async def scenario(stage):
        await stage.configure(stage.backend("a", fall=1, rise=1))
        await stage.results(ERROR, ERROR)
        assert not stage.standing().down
        await stage.results(REFUSED, ERROR)
        assert stage.standing().down == {Family.IPV4}
        assert stage.changes == [{"a"}]

    lines = told(caplog, scenario)
    assert [line for line in lines if "cannot be made" in line] == [
        "ERROR check of 192.0.2.1 cannot be made: this machine: too many open files",
    ] * 2

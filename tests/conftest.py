"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

from dnslb.engine import new_engine
from dnslb.errors import EngineMissingError

# Time is never judged: a busy machine fails nothing. What hypothesis sets for CI otherwise stays.
settings.register_profile("dnslb", settings.default, deadline=None)
settings.load_profile("dnslb")

NEED_ENGINE = [
    "cli",
    "doctor",
    "config",
    "geo/test_database.py",
    "geo/test_doctor_location.py",
    "policy/test_bound.py",
    "zone/test_master.py",
    "zone/test_zone_data.py",
]
"""Tests that load zones, whose records the engine keeps, or ask it who owns a slot; in CI they run
and fail without it."""


def _missing() -> str:
    try:
        new_engine()
    except EngineMissingError as error:
        return str(error)
    return ""


MISSING = "" if os.environ.get("CI") else _missing()
collect_ignore = NEED_ENGINE if MISSING else []


def pytest_report_header() -> str:
    """Say what is left out, and why."""
    return f"without {', '.join(NEED_ENGINE)}: {MISSING}" if MISSING else ""

"""The version stands in three places; they say the same."""

from __future__ import annotations

from importlib.metadata import version

import dnslb
from dnslb import _engine


def test_the_version_is_one() -> None:
    assert dnslb.__version__ == version("dnslb") == _engine.__version__

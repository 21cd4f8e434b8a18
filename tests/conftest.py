"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# Time is never judged: a busy machine fails nothing. What hypothesis sets for CI otherwise stays.
settings.register_profile("dnslb", settings.default, deadline=None)
settings.load_profile("dnslb")

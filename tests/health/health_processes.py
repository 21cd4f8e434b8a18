"""Checks that tell which process makes them."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass

from dnslb.health.checks.base import Check, Kept, Outcome, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoCheck(Check):
    """Passes with the process's number as its detail. Some addresses do worse."""

    interval: float = 0.05
    timeout: float = 0.05

    async def probe(self, address: str, kept: Kept) -> Result:
        del kept
        if address == "crash":
            os._exit(7)
        if address == "stuck":
            time.sleep(60)  # noqa: ASYNC251 - as a check that is written badly
        if address == "fault":
            raise RuntimeError("a fault of the check")
        if address == "talk":
            logging.getLogger("dnslb.health").warning("heard in %d", os.getpid())
        return Result(Outcome.OK, str(os.getpid()))


@dataclass(frozen=True, kw_only=True)
class HomelyCheck(WhoCheck):
    """Can be packed, and unpacked only where it was."""

    home: int

    def __reduce__(self):
        return unpack, (self.home,)


def unpack(home: int) -> HomelyCheck:
    if os.getpid() != home:
        raise LookupError("it stays at home")
    return HomelyCheck(home=home)

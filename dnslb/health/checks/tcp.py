"""The TCP check: the backend accepts a connection."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass

from dnslb.health.checks.base import Check, Outcome, Result
from dnslb.health.checks.net import failure, place

__all__ = ["TcpCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCheck(Check):
    """Connects to `port` and closes. `port` is required."""

    async def probe(self, address: str) -> Result:
        """Connect once."""
        where = place(address, self.port or 0)
        start = time.perf_counter()
        try:
            connecting = asyncio.open_connection(address, self.port)
            _, writer = await asyncio.wait_for(connecting, self.timeout)
        except (asyncio.TimeoutError, TimeoutError):
            return Result(
                Outcome.CONNECT_TIMEOUT, f"{where} did not answer within {self.timeout:g} s"
            )
        except socket.gaierror as error:
            return Result(Outcome.DNS, f"{address} has no address: {error.strerror}")
        except OSError as error:
            return failure(error, where)
        milliseconds = 1000 * (time.perf_counter() - start)
        # a reset instead of a goodbye: nothing was sent, and nobody need wait for it
        writer.transport.abort()
        return Result(Outcome.OK, milliseconds=milliseconds)

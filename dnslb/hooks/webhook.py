"""Posting events to a URL, signed as Standard Webhooks has it.

    event ─▶ POST ─▶ 2xx: delivered
               ▲ └─▶ 408, 429, 5xx, no answer: again, later and later
               └──────────┘ └─▶ anything else, or too often: given up

The signature is HMAC-SHA256 over `ID.TIME.BODY`, in base64 behind `v1,`. A post that is repeated
has the same `webhook-id`, by which a receiver knows it again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from dnslb import __version__
from dnslb.hooks.message import GiveUpError, as_json

if TYPE_CHECKING:
    from dnslb.config.model import Webhook
    from dnslb.events import Event

__all__ = ["Poster"]

FIRST: Final = 1.0
"""Seconds until a post that failed is tried again; twice as many after each further failure."""

MOST: Final = 300.0
"""Seconds between two attempts at most, whatever the receiver asks for."""

AGAIN: Final = {408, 425, 429}
"""Statuses of a receiver that should be asked again; so are those of a fault, 500 and above."""

RUN: Final = secrets.token_hex(6)
"""Tells the events of this process from those of others."""


class Poster:
    """Posts events to one URL."""

    def __init__(self, hook: Webhook) -> None:
        self._hook = hook
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, event: Event) -> None:
        """Post `event`, again and again if need be.

        Raises:
            GiveUpError: the receiver will not have it, or all attempts have failed.
        """
        body = as_json(event).encode()
        identifier = f"msg_{RUN}_{event.id}"
        pause = FIRST
        for attempt in range(self._hook.retries + 1):
            why, wait = await self._post(identifier, body)
            if why is None:
                return
            if wait is None:
                raise GiveUpError(why)
            if attempt < self._hook.retries:
                jitter = random.uniform(0.75, 1.25)  # noqa: S311 - nothing secret hangs on it
                await asyncio.sleep(min(MOST, max(wait, pause * jitter)))
                pause = min(MOST, pause * 2)
        raise GiveUpError(f"{why}, {self._hook.retries + 1} times")

    async def close(self) -> None:
        """End its connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, identifier: str, body: bytes) -> tuple[str | None, float | None]:
        """Why a post failed, None if it did not, and seconds to wait, None to give up."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._hook.timeout), trust_env=True
            )
        at = int(time.time())
        headers: dict[str, Any] = {
            "Content-Type": "application/json",
            "User-Agent": f"dnslb/{__version__}",
            "webhook-id": identifier,
            "webhook-timestamp": str(at),
        }
        if self._hook.secret is not None:
            headers["webhook-signature"] = sign(self._hook.secret, identifier, at, body)
        try:
            # a signed post is not for whoever a redirect names
            async with self._session.post(
                self._hook.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                if 200 <= status < 300:
                    return None, None
                if status in AGAIN or status >= 500:
                    return f"HTTP {status}", _seconds(response.headers.get("Retry-After", ""))
                return f"HTTP {status}", None
        except (asyncio.TimeoutError, TimeoutError):
            return f"no answer within {self._hook.timeout:g}s", 0.0
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return str(error) or type(error).__name__, 0.0


def sign(secret: bytes, identifier: str, at: int, body: bytes) -> str:
    """The signature of a post."""
    signed = b"%s.%d.%s" % (identifier.encode(), at, body)
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _seconds(retry_after: str) -> float:
    """What a receiver asks for; a date, which few send, counts as nothing."""
    word = retry_after.strip()
    return float(word) if word.isascii() and word.isdecimal() and len(word) < 9 else 0.0

"""Who is told what happens: `hooks` of the server's file."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field

from dnslb.config.model import Command, Webhook
from dnslb.config.secret import read_secret
from dnslb.config.suggest import unknown
from dnslb.config.values import Shape, Text, Texts, Timeout, items, whole
from dnslb.events import KINDS

if TYPE_CHECKING:
    from dnslb.config.model import Hook
    from dnslb.config.spot import Spot

__all__ = ["HookShape", "read_hooks"]

MARK: Final = "whsec_"
"""How secrets of Standard Webhooks begin, whose rest is base64."""

LEAST: Final = 16
"""Octets of a secret that cannot be guessed."""


class HookShape(Shape):
    """Somebody who is told what happens."""

    url: Text | None = Field(default=None, description="Where events are posted to, as JSON.")
    command: Texts | None = Field(
        default=None, description="A program and its arguments; it gets an event as JSON on stdin."
    )
    events: Texts | None = Field(
        default=None, description=f"Kinds of events: {', '.join(KINDS)}; default all."
    )
    secret_file: Text | None = Field(
        default=None, description="Secret that posts are signed with (Standard Webhooks)."
    )
    timeout: Timeout | None = Field(default=None, description="For one attempt; default 10s.")
    retries: Annotated[int, whole(0, 100)] | None = Field(
        default=None, description="Further attempts at a post; default 8."
    )


def read_hooks(shapes: list[HookShape] | None, spot: Spot) -> tuple[Hook, ...]:
    """What `hooks`, which stands at `spot`, means; what is wrong is reported."""
    hooks = (_hook(shape, spot.at(index)) for index, shape in items(shapes))
    return tuple(hook for hook in hooks if hook is not None)


def _hook(shape: HookShape, spot: Spot) -> Hook | None:
    events = _events(shape, spot)
    if (shape.url is None) == (shape.command is None):
        spot.problem('needs either a "url" or a "command"')
        return None
    if shape.url is not None:
        parts = urlsplit(shape.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            spot.at("url").problem(f'"{shape.url}" is no URL; write https://host/path')
            return None
        secret = None if shape.secret_file is None else _secret(shape.secret_file, spot)
        default = Webhook(shape.url)
        return Webhook(
            shape.url,
            events,
            secret,
            default.timeout if shape.timeout is None else shape.timeout,
            default.retries if shape.retries is None else shape.retries,
        )
    for key in ("secret_file", "retries"):
        if getattr(shape, key) is not None:
            spot.at(key).problem("is for posts to a url")
    command = tuple(word for _, word in items(shape.command))
    if not command or not command[0]:
        spot.at("command").problem("names no program")
        return None
    timeout = Command(command).timeout if shape.timeout is None else shape.timeout
    return Command(command, events, timeout)


def _events(shape: HookShape, spot: Spot) -> frozenset[str]:
    if shape.events is None:
        return frozenset(KINDS)
    for index, kind in items(shape.events):
        if kind not in KINDS:
            spot.at("events", index).problem(unknown("kind of events", kind, KINDS))
    return frozenset(kind for _, kind in items(shape.events))


def _secret(name: str, spot: Spot) -> bytes | None:
    here = spot.at("secret_file")
    read = read_secret(
        name,
        here,
        missing="no such file; make it with `openssl rand -hex 24`, for sender and receiver alike",
        danger="who knows the secret can forge events",
    )
    if read is None:
        return None
    if len(read.lines) != 1 or len(read.lines[0][1]) != 1:
        read.whole.problem("holds no secret, or several; write one, alone in the file")
        return None
    ((at, (word,)),) = read.lines
    secret = word.encode()
    if word.startswith(MARK):
        try:
            secret = base64.b64decode(word.removeprefix(MARK), validate=True)
        except binascii.Error:
            at.problem(f"behind {MARK} there is no base64")
            return None
    if len(secret) < LEAST:
        at.problem(f"the secret has {len(secret)} octets, {LEAST} is the least")
        return None
    return secret

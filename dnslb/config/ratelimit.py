"""Response-rate limiting: `rrl` of the server's file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, Tag

from dnslb.config.model import Prefix, RateLimit, Rates
from dnslb.config.networks import read_networks
from dnslb.config.shapes import PrefixShape  # noqa: TC001 # pydantic looks at it
from dnslb.config.values import Burst, Shape, Texts, mapping_or_word, one_of, whole

if TYPE_CHECKING:
    from dnslb.config.spot import Spot

__all__ = ["RateLimitKey", "read_rate_limit"]

MODES: Final = ("on", "off", "log-only")

LEAST_TOTAL: Final = 10
"""Unless it is said, a network gets as many answers in all as this many subjects give it."""

Rate = Annotated[int, whole(1, 100_000)]


class RatesShape(Shape):
    """Answers a second of one class to one network; default `rate`."""

    answer: Rate | None = Field(default=None, description="With records, of one name.")
    nodata: Rate | None = Field(default=None, description="A name without such records.")
    nxdomain: Rate | None = Field(default=None, description="Names that a zone does not have.")
    referral: Rate | None = Field(default=None, description="To the servers of one zone below.")
    error: Rate | None = Field(default=None, description="All that is refused or wrong.")


class RateLimitShape(Shape):
    """Response-rate limiting of answers by UDP."""

    mode: Annotated[str, one_of(*MODES)] | None = Field(
        default=None, description="on, off, or log-only to count without limiting; default on."
    )
    rate: Rate | None = Field(
        default=None,
        description="Answers a second to one network of one class about one subject; default 20.",
    )
    rates: RatesShape | None = Field(default=None, description="The rates of single classes.")
    total: Rate | None = Field(
        default=None,
        description="Answers a second to one network in all; default 10 times the highest rate, "
        "at least 500.",
    )
    burst: Burst | None = Field(
        default=None, description="A network may have the answers of so long at once; default 5s."
    )
    slip: Annotated[int, whole(0, 255)] | None = Field(
        default=None,
        description="One of so many answers beyond the rate is truncated, so that real clients "
        "come back by TCP, the others are dropped; 0: all are dropped; default 2.",
    )
    prefix: PrefixShape | None = Field(
        default=None, description="What a network is; default 24 bits of IPv4, 56 of IPv6."
    )
    exempt: Texts | None = Field(
        default=None, description="Networks that are not limited: 192.0.2.0/24, 2001:db8::/32."
    )


RateLimitKey = Annotated[
    Annotated[str, one_of(*MODES), Tag("(word)")] | Annotated[RateLimitShape, Tag("(mapping)")],
    mapping_or_word,
]
"""A mode, or a mapping with all there is to say."""


def read_rate_limit(shape: str | RateLimitShape | None, spot: Spot) -> RateLimit | None:
    """What `rrl` means; None where nothing is limited. What is wrong is reported."""
    if isinstance(shape, str) or shape is None:
        return None if shape in {None, "off"} else RateLimit(log_only=shape == "log-only")
    limit = RateLimit(
        log_only=shape.mode == "log-only",
        rates=_rates(shape, spot),
        exempt=read_networks(shape.exempt, spot.at("exempt")),
    )
    if shape.burst is not None:
        limit = replace(limit, burst=shape.burst)
    if shape.slip is not None:
        limit = replace(limit, slip=shape.slip)
    if shape.prefix:
        default = Prefix()
        limit = replace(
            limit, prefix=Prefix(shape.prefix.v4 or default.v4, shape.prefix.v6 or default.v6)
        )
    return None if shape.mode == "off" else limit


def _rates(shape: RateLimitShape, spot: Spot) -> Rates:
    default = Rates()
    rate = shape.rate or default.answer
    classes = dict.fromkeys(RatesShape.model_fields, rate)
    classes |= shape.rates.model_dump(exclude_none=True) if shape.rates else {}
    most = max(classes.values())
    total = shape.total or min(max(default.total, LEAST_TOTAL * most), 100_000)
    if total < most:
        spot.at("total").problem(f"is below the rate of a single class, {most}; write it or more")
    return Rates(**classes, total=total)

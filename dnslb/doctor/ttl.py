"""How long clients may go on asking for a backend that is dead: detection, then TTL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.doctor.finding import note, ok, warning
from dnslb.health.checks.group import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnslb.config.model import Config, Service
    from dnslb.doctor.finding import Finding
    from dnslb.health.checks.base import Check

__all__ = ["Detection", "detection", "judge"]

SUBJECT: Final = "failover"


class Detection(NamedTuple):
    """How long it takes at the most until a dead backend is out of answers, in seconds."""

    seconds: float
    check: Check

    def __str__(self) -> str:
        """`33 s (interval 10 s x fall 3, timeout 3 s)`."""
        check = self.check
        return (
            f"{self.seconds:g} s (interval {check.interval:g} s x fall {check.fall}, "
            f"timeout {check.timeout:g} s)"
        )


def detection(check: Check) -> Detection:
    """Its worst case: it dies just after a probe passed, and the last failure is a timeout."""
    return Detection(check.interval * check.fall + check.timeout * (1 + check.retries), check)


def judge(config: Config) -> Iterator[Finding]:
    """Every service: whether its answers outlive detection, and what has no check at all."""
    any_service = False
    for service in config.services():
        any_service = True
        yield from _service(service)
    if not any_service:
        yield note(SUBJECT, "services", "there are none: every answer is static")


def _service(service: Service) -> Iterator[Finding]:
    looked = f"service {service.id}"
    unchecked = sorted(str(one.id) for one in service.backends() if one.check is None)
    if unchecked:
        more = f" and {len(unchecked) - 3} more" if len(unchecked) > 3 else ""
        yield warning(
            SUBJECT,
            looked,
            f"without a check, so always up: {', '.join(unchecked[:3])}{more}",
            "give the service, pool or member a `check`",
        )
    found = [detection(one) for backend in service.backends() for one in leaves(backend.check)]
    if not found:
        return
    slowest = max(found, key=lambda one: one.seconds)
    whole = slowest.seconds + service.ttl
    if service.ttl > slowest.seconds:
        yield warning(
            SUBJECT,
            looked,
            f"ttl {service.ttl} s outlives detection, {slowest}: clients may be sent to a dead "
            f"backend for {whole:g} s",
            f"set ttl to {max(1, int(slowest.check.interval * slowest.check.fall))} or less",
        )
    elif service.ttl == 0:
        found_text = "ttl 0: resolvers ask for every client anew, and some keep answers anyway"
        yield note(SUBJECT, looked, found_text, "a ttl of 5 to 30 spares most queries")
    else:
        yield ok(
            SUBJECT,
            looked,
            f"a dead backend is out of answers after {slowest}, out of caches {service.ttl} s "
            f"(ttl) later: {whole:g} s in all",
        )

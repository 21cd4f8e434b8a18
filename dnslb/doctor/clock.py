"""The clock: what the kernel says of it, and how those of name servers stand to it."""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.doctor.asking import COOKIE
from dnslb.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnslb.doctor.finding import Finding
    from dnslb.doctor.servers import Seen

__all__ = ["Kernel", "judge", "kernel", "offsets"]

SUBJECT: Final = "clock"

UNSYNCED: Final = 0x40
"""STA_UNSYNC of adjtimex(2)."""

ERROR_STATE: Final = 5
"""TIME_ERROR of adjtimex(2)."""

TIMEX_SIZE: Final = 512
"""More than any `struct timex` has."""

MAX_AHEAD: Final = 300
"""Seconds that a cookie may lie in the future (RFC 9018, section 4.3)."""

NOTABLE: Final = 5
"""Seconds beyond which two clocks differ by more than the way and rounding explain."""


class Kernel(NamedTuple):
    """What adjtimex(2) tells."""

    synchronised: bool
    max_error: float  # seconds


def kernel() -> Kernel | None:
    """The state of this machine's clock; None where it is not to be had (other systems)."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    buffer = ctypes.create_string_buffer(TIMEX_SIZE)  # modes 0: only read
    state = adjtimex(buffer)
    if state < 0:
        return None
    # struct timex: modes, offset, freq, maxerror, esterror, status, as the machine aligns them
    _, _, _, max_error, _, status = struct.unpack_from("@Illlli", buffer.raw)
    return Kernel(state != ERROR_STATE and not status & UNSYNCED, max_error / 1e6)


def offsets(seen: Sequence[Seen], now: float) -> dict[str, int]:
    """By how many seconds servers are ahead of `now`, as their cookies (RFC 9018) tell it."""
    found = {}
    for one in seen:
        option = one.cookie.options.get(COOKIE, b"")
        if len(option) == 24 and option[8:12] == b"\1\0\0\0":
            # serial arithmetic: four octets wrap around in 2106
            ahead = (int.from_bytes(option[12:16], "big") - int(now)) & 0xFFFF_FFFF
            found[str(one)] = ahead - (1 << 32) if ahead >= 1 << 31 else ahead
    return found


def judge(state: Kernel | None, ahead: dict[str, int]) -> Iterator[Finding]:
    """`ahead` as `offsets` gives it. No time server is asked."""
    if state is None:
        yield note(SUBJECT, "this machine", "the system does not tell whether its clock is kept")
    elif state.synchronised:
        found = f"kept by a time service, at most {state.max_error:.3f} s off"
        yield ok(SUBJECT, "this machine", found)
    else:
        yield warning(
            SUBJECT,
            "this machine",
            "no time service keeps the clock, as far as the kernel knows",
            "run chrony or systemd-timesyncd; in a container, on its host. Cookies, certificates, "
            "states with an end and the age of databases go by the clock",
        )
    if not ahead:
        yield note(SUBJECT, "name servers", "their cookies do not tell their time")
        return
    fine = True
    for name, seconds in ahead.items():
        if abs(seconds) <= NOTABLE:
            continue
        fine = False
        side = "ahead of" if seconds > 0 else "behind"
        yield (error if abs(seconds) > MAX_AHEAD else warning)(
            SUBJECT,
            name,
            f"its cookies are {abs(seconds):,} s {side} this machine's clock",
            "have a time service keep both clocks: servers that share cookie secrets reject each "
            "other's cookies beyond 300 s",
        )
    if fine:
        yield ok(SUBJECT, "name servers", f"their cookies agree with it to {NOTABLE} s")

"""Who runs first when CPUs are short: those who answer, before those who decide.

With ten thousand checks Python is busy half of the time, milliseconds on end. A query that comes
meanwhile on the same CPU would wait for the end of such a stretch. So the engine's threads ask for
short turns, which lets them in at once when they wake (Linux 6.12 and newer), and Python is nicer.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CALLS", "NICE", "OWN", "answering"]

TURN: Final = 100_000
"""Nanoseconds, the shortest turn that the kernel grants; a batch of queries is answered in less."""

NICE: Final = 5
"""How much nicer Python is than the engine's threads."""

SWITCH: Final = 0.0005
"""Seconds that another thread of Python, such as one that writes the state of many backends, may
keep probes from going on. Each step of each of them waits so long."""

CALLS: Final = {"x86_64": 314, "aarch64": 274}
"""The number of sched_setattr(2), for which there is no function in libc."""


class _Attributes(ctypes.Structure):
    """`struct sched_attr`."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


OWN: Final = os.getpriority(os.PRIO_PROCESS, 0)
"""How nice the operator made the process."""


@contextmanager
def answering() -> Iterator[None]:
    """Threads that are started within are those that answer; afterwards this one gives way.

    So does all that it starts from then on: other threads, probes' processes, programs.
    """
    _set(nice=OWN, turn=TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(SWITCH)
        _set(nice=min(OWN + NICE, 19), turn=0)


def _set(*, nice: int, turn: int) -> None:
    """Ask the kernel for this thread; where it does not know or allow this, all stays as it is."""
    call = CALLS.get(platform.machine())
    if sys.platform != "linux" or call is None:
        return
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return  # the operator knows better
    attributes = _Attributes(size=ctypes.sizeof(_Attributes), nice=nice, runtime=turn)
    ctypes.CDLL(None).syscall(call, 0, ctypes.byref(attributes), 0)

"""A server in whose process Python fails: its loop stands still, then its threads end.

    stalling.py CONFIG [SECONDS]

Says `ready: ADDRESS` and, when a line comes or a second later, `blocked`; after SECONDS, without
them when another line comes, each thread that Python runs is ended by an exception, and then the
main one, which waits for nothing but a line.
"""

from __future__ import annotations

import asyncio
import ctypes
import select
import sys
import threading
import time
from pathlib import Path

from dnslb.config.load import load
from dnslb.server import Server


async def main(path: Path, seconds: float | None) -> Server:
    config, _ = load(path)
    server = Server(config, owns_process=True)
    server.bind()
    await server.start()
    say(f"ready: {server.listening[0]}:")
    if any(await asyncio.to_thread(select.select, [sys.stdin], [], [], 1.0)):
        sys.stdin.readline()
    say("blocked")
    if seconds is None:
        sys.stdin.readline()
    else:
        time.sleep(seconds)  # noqa: ASYNC251 - that is what it is about
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread.ident is not None:
            end(thread.ident)
            say(f"ended {thread.name}")
    return server


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def end(ident: int) -> None:
    """Raise SystemExit in the thread, as soon as it runs Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    given = float(sys.argv[2]) if len(sys.argv) > 2 else None
    running = loop.run_until_complete(main(Path(sys.argv[1]), given))
    # the loop turns no more: nothing of Python is left but this thread, which holds the engine
    say("all threads of Python have ended")
    sys.stdin.readline()
    time.sleep(600)

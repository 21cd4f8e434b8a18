"""The kernel's limit: packets in and out, and nothing done to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servers import REPOSITORY, Server

if TYPE_CHECKING:
    from servers import At

__all__ = ["ASKING", "COST", "echo"]

EXAMPLES: Final = (
    Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "engine" / "target"))
    / "release"
    / "examples"
)
"""Where cargo puts the engine's examples."""

ASKING: Final = EXAMPLES / "asking"
COST: Final = EXAMPLES / "cost"


def echo(octets: int) -> Server:
    """Adds as many zero octets to each packet, so that it sends what the others send."""
    program = str(EXAMPLES / "echo")

    def prepare(_folder: Path, at: At) -> list[str]:
        return [program, f"{at.address}:{at.port}", str(octets)]

    return Server("echo", f"bare recvmmsg/sendmmsg, {octets} octets added", program, prepare)

"""The exceptions of dnslb.

    DnslbError                  anything that an operator can act on
    ├── ConfigError             a configuration with problems: carries all of them
    ├── PlanError               a strategy made a plan that cannot be published
    ├── DatabaseError           a database of locations cannot be used
    ├── EngineMissingError      the native engine is not built
    ├── ListenError             an address to listen on cannot be had
    ├── ReplaceError            the running server does not hand over
    └── UserError               the user to run as cannot be had

Each message says what is wrong, where, and what to do; the command line prints it as it is,
without a traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.config.problem import Problem

__all__ = [
    "ConfigError",
    "DatabaseError",
    "DnslbError",
    "EngineMissingError",
    "ListenError",
    "PlanError",
    "ReplaceError",
    "UserError",
]


class DnslbError(Exception):
    """Anything that an operator can act on."""


class ConfigError(DnslbError):
    """A configuration that cannot be used; `problems` holds every reason, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PlanError(DnslbError):
    """A strategy returned something that is no plan, or one beyond the engine's bounds."""


class DatabaseError(DnslbError):
    """A database of locations is missing, torn, corrupt, or no such database."""


class EngineMissingError(DnslbError):
    """The extension module `dnslb._engine` is not built, or is of another version."""


class ListenError(DnslbError):
    """An address to listen on is taken, not ours, or needs a privilege."""


class ReplaceError(DnslbError):
    """The server that runs does not hand its sockets over."""


class UserError(DnslbError):
    """The user or group that the server is to run as is unknown, or may not be changed to."""

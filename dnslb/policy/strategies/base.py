"""What a strategy is: a pure function from the members that can be chosen to a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dnslb.config.model import Prefix
from dnslb.geo.atlas import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dnslb.config.model import Member
    from dnslb.geo.atlas import Atlas
    from dnslb.policy.plan import Node

__all__ = ["Candidate", "Choice", "Strategy"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member that can be chosen now: it is up, wanted, and has what the query asks for."""

    key: str  # stable and unique in the server: `pool/name`, or the nested pool's name
    weight: int  # as configured, >= 0; in hundredths while any candidate's scale is not 1
    node: Node  # what is answered when this member alone is chosen
    load: float | None = None  # 0 idle, 1 full, may exceed 1; None: nothing reported
    latency: float | None = None  # milliseconds, the median of recent checks; None: not known
    place: int = 0  # in the pool as configured, from 0
    spill: float = 0.0  # the part of its clients that it passes on to the next in order, 0 to 1
    scale: float = 1.0  # how much of its weight counts now; below 1 in its slow start


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked of a strategy besides the candidates."""

    answers: int  # how many backends one response carries, at least 1
    join: Callable[[Sequence[Candidate]], Node]  # the answer that carries several backends at once
    prefix: Prefix = Prefix()  # how many bits of the client's address make its network
    members: Sequence[Member] = ()  # all of the pool's, whether they are candidates or not
    atlas: Atlas = EMPTY  # what is known of the places of addresses
    bound: float | None = None  # how many times its share of the networks a member may have
    peers: Sequence[Candidate] = ()  # with a bound: all who can be chosen for one type or another


class Strategy(ABC):
    """Compiles a pool to a plan. Subclass it, name the class in the configuration, and it runs.

    A strategy keeps no state, reads no clock and draws no numbers: the same candidates give the
    same plan. It runs when something changed, never for a query.
    """

    measured: ClassVar[bool] = True
    """Whether plans depend on load or latency; where they do not, none is made when these move."""

    places: ClassVar[bool] = False
    """Whether plans depend on where clients are: they are made anew with a new database."""

    ordered: ClassVar[bool] = False
    """Whether members serve in an order, in which one that spills passes clients on to the next."""

    ranked: ClassVar[bool] = False
    """Whether the order of backends in an answer is a ranking: SRV and MX records then say so."""

    name: ClassVar[str]
    """The word for it in the configuration, the API and `explain`."""

    @abstractmethod
    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """The plan over `candidates`, of which there is at least one.

        They come in the order written. When one of them is a pool or answers with a CNAME,
        `choice.answers` is 1, since such an answer cannot be joined with others.
        """

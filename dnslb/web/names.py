"""What a request means by a name: names of one kind may stand in several zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import Field

from dnslb.config.suggest import unknown
from dnslb.web.errors import ApiError
from dnslb.web.route import Error, Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnslb.config.model import Backend, Config, Pool, Service

__all__ = ["NO_BACKEND", "NO_POOL", "NO_SERVICE", "InZone", "Names", "absolute"]

AMBIGUOUS: Final = Error(409, "ambiguous", "the name stands in several zones: say which by `zone`")

NO_BACKEND: Final = (Error(404, "unknown-backend", "there is no such backend"), AMBIGUOUS)
NO_POOL: Final = (Error(404, "unknown-pool", "there is no such pool"), AMBIGUOUS)
NO_SERVICE: Final = (Error(404, "unknown-service", "there is no such service"), AMBIGUOUS)

T = TypeVar("T")


class InZone(Parameters):
    """Which zone is meant."""

    zone: Annotated[str | None, Field(description="The origin of the zone that is meant.")] = None


def absolute(zone: str) -> str:
    """An origin as the configuration has it."""
    return zone.lower().rstrip(".") + "."


class Names:
    """What a configuration's names stand for: made once, since reports come by the thousand."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._backends: dict[str, list[tuple[str, Backend]]] = {}
        self._pools: dict[str, list[tuple[str, Pool]]] = {}
        self._services: dict[str, list[tuple[str, Service]]] = {}
        self.backends = tuple(config.backends())
        for backend in self.backends:
            zone, pool, name = backend.id
            self._backends.setdefault(f"{pool}/{name}", []).append((zone, backend))
        for one in config.pools():
            self._pools.setdefault(one.name, []).append((one.zone, one))
        for service in config.services():
            for word in {service.id.name, str(service.id)}:
                self._services.setdefault(word, []).append((service.id.zone, service))

    def backend(self, pool: str, name: str, zone: str | None) -> Backend:
        """The backend of `pool` called `name`.

        Raises:
            ApiError: there is none, or several and no `zone` that tells them apart.
        """
        key = f"{pool}/{name}"
        return _only("backend", key, self._backends.get(key, ()), zone, self._backends)

    def pool(self, name: str, zone: str | None) -> Pool:
        """The pool called `name`.

        Raises:
            ApiError: as for `backend`.
        """
        return _only("pool", name, self._pools.get(name, ()), zone, self._pools)

    def service(self, name: str, zone: str | None) -> Service:
        """The service called `name`, as its zone has it or in full.

        Raises:
            ApiError: as for `backend`.
        """
        found = self._services.get(name) or self._services.get(absolute(name)) or ()
        return _only("service", name, found, zone, self._services)


def _only(
    kind: str,
    name: str,
    found: Iterable[tuple[str, T]],
    zone: str | None,
    known: Iterable[str],
) -> T:
    zones = {origin: one for origin, one in found if zone is None or origin == absolute(zone)}
    if not zones:
        raise ApiError(404, f"unknown-{kind}", unknown(kind, name, sorted(known)))
    if len(zones) > 1:
        where = ", ".join(zones)
        message = f"{kind} {name} stands in the zones {where}; say which with ?zone="
        raise ApiError(409, "ambiguous", message)
    return next(iter(zones.values()))

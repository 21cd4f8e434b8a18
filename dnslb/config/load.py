"""Loading: from files to a configuration that can be used, or every reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dnslb.config.files import is_file, is_folder, real
from dnslb.config.kinds import MASTER, ZONES, is_zone
from dnslb.config.model import Config
from dnslb.config.problem import Problem, Report, shown
from dnslb.config.serverfile import read_server_file
from dnslb.config.steering import check_needs, told_by
from dnslb.config.watch import signature
from dnslb.config.zonefile import ZoneRead, origin_of, read_zone, read_zone_file
from dnslb.errors import ConfigError, PlanError
from dnslb.garbage import paused
from dnslb.geo.atlas import EMPTY
from dnslb.policy.compile import Compiler
from dnslb.policy.strategies import BUILT_IN
from dnslb.zone.names import ancestors, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnslb.config.serverfile import ServerRead
    from dnslb.config.spot import Spot

__all__ = ["Examined", "examine", "load"]


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found at a path; `config` is None exactly when there are problems."""

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def load(path: Path) -> tuple[Config, tuple[Problem, ...]]:
    """The configuration at `path` and what should be known of it, in the order of files.

    Raises:
        ConfigError: it cannot be used; carries all problems of all files.
    """
    examined = examine(path)
    if examined.config is None:
        raise ConfigError(examined.problems)
    return examined.config, examined.warnings


def examine(path: Path) -> Examined:
    """Read the configuration at `path` as far as it goes. Raises nothing."""
    with paused():
        return _examine(path)


def _examine(path: Path) -> Examined:
    report = Report()
    path = Path(path)
    server = read_server_file(path, report)
    zones = _zones(path, server, told_by(server.atlas), report) if server else []
    problems = tuple(sorted(report.problems))
    warnings = tuple(sorted(report.warnings))
    if server is None or problems:
        return Examined(None, problems, warnings)
    config = Config(
        path=path,
        zones={read.zone.origin: read.zone for read in zones},
        listen=server.listen,
        workers=server.workers,
        xdp=server.xdp,
        state=path.parent / server.state,
        log_level=server.log_level,
        log_format=server.log_format,
        settings=server.settings,
        tcp=server.tcp,
        dnstap=server.dnstap,
        top=server.top,
        api=server.api,
        user=server.user,
        group=server.group,
        reload=server.reload,
        health=server.health,
        hooks=server.hooks,
        geo=server.geo,
        atlas=server.atlas or EMPTY,
        files=report.read,
    )
    unsound = tuple(_unsound(config))
    return Examined(None if unsound else config, unsound, warnings)


def _unsound(config: Config) -> Iterator[Problem]:
    """What is wrong with the plans that operators' own strategies make when all is up."""
    built_in = {id(strategy) for strategy in BUILT_IN.values()}
    pools = [pool for zone in config.zones.values() for pool in zone.pools.values()]
    if all(id(pool.strategy) in built_in for pool in pools):
        return
    compiler = Compiler({}, config.atlas)
    told = set()
    for service in config.services():
        try:
            compiler.service(service)
        except PlanError as error:
            if str(error) not in told:
                told.add(str(error))
                yield Problem(config.path, 1, 1, str(error))


def _zones(path: Path, server: ServerRead, told: frozenset[str], report: Report) -> list[ZoneRead]:
    """The zones; `told` are the fields of locations that databases tell."""
    files = list(dict.fromkeys(_files(path.parent, server)))
    found: dict[bytes, ZoneRead] = {}
    origins: dict[bytes, Path] = {}
    included: set[Path] = set()
    # plain files come last: some are parts of others, and no zones by themselves; of which, a zone
    # that cannot be read does not tell
    broken = False
    parts: dict[Path, Report] = {}
    for file in sorted(files, key=lambda file: file.suffix in MASTER):
        if real(file) in included or (broken and file.suffix in MASTER):
            continue
        parts[file] = Report()
        origin = origin_of(file, parts[file])
        if origin is None:
            continue
        if origin in origins:
            parts[file].problem(
                file, f"zone {to_text(origin)} stands already in {shown(origins[origin])}"
            )
            continue
        origins[origin] = file
        reader = read_zone_file if file.suffix in MASTER else read_zone
        read = reader(file, origin, parts[file])
        broken = broken or read is None
        if read is not None:
            found[origin] = read
            included.update(real(part) for part in read.included)
            report.read.update((part, signature(part)) for part in read.included)
    # a plain file may be a part of one that comes after it
    found = {origin: read for origin, read in found.items() if real(read.file) not in included}
    _check_nested(found)
    check_needs((need for read in found.values() for need in read.needs), told)
    for file, part in parts.items():
        report.read.update(part.read)
        if real(file) not in included:
            report.problems.update(part.problems)
            report.warnings.update(part.warnings)
    _finish(found.values(), report)
    return list(found.values())


def _files(folder: Path, server: ServerRead) -> Iterator[Path]:
    """The zone files that the server's `zones` name."""
    for text, spot in server.zones:
        path = folder / text
        spot.report.read[path] = signature(path)
        if is_folder(path):
            yield from _in_folder(path, text, spot)
        elif path.suffix not in ZONES:
            if is_file(path):
                spot.problem(f"{text} is no zone file; they end in .yaml, .yml, .json or .zone")
            else:
                spot.problem(
                    f"there is no folder {text}; create it and put a zone there, as in "
                    f"{text}/example.com.yaml"
                )
        elif not is_file(path):
            spot.problem(f"there is no file {text}; the path is relative to {shown(spot.file)}")
        else:
            yield path


def _in_folder(folder: Path, text: str, spot: Spot) -> Iterator[Path]:
    try:
        files = sorted(file for file in folder.iterdir() if is_zone(file))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        spot.problem(f"the folder {text} cannot be read: {reason}")
        return
    if not files:
        spot.problem(f"no zones in {text}; a zone is a file such as {text}/example.com.yaml")
    yield from files


def _check_nested(zones: dict[bytes, ZoneRead]) -> None:
    """Warn of names that are never answered, since a zone among the files begins above them."""
    nested: dict[bytes, list[bytes]] = {}
    for origin in zones:
        for above in ancestors(origin):
            if above in zones and above != origin:
                nested.setdefault(above, []).append(origin)
    for origin, apexes in nested.items():
        content = zones[origin].content
        found = content.check_nested(apexes)
        for finding in found.warnings:
            file = shown(zones[finding.names[0]].file)
            content.spot(finding.place).warning(
                f"{to_text(finding.owner)} belongs to the zone in {file}, "
                "so it is never answered from here"
            )
        if found.more[1]:
            content.whole.warning(f"there are {found.more[1]} more names that belong elsewhere")


def _finish(zones: Iterable[ZoneRead], report: Report) -> None:
    """Have the zones compiled, as far as nothing is wrong with them: they change no more."""
    if report.problems:
        return
    for read in zones:
        try:
            read.zone.rrsets.finish()
        except ValueError as error:
            report.problem(read.file, str(error))

"""The age of location databases."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from dnslb.config.suggest import counted
from dnslb.doctor.finding import note, ok, warning
from dnslb.geo.watch import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnslb.config.model import Config
    from dnslb.doctor.finding import Finding

__all__ = ["judge"]

SUBJECT: Final = "location"
DAY: Final = 86_400.0


def judge(config: Config, now: float) -> Iterator[Finding]:
    """Every database of `geo`; `now` is in seconds since 1970."""
    if not config.atlas.files:
        if not needed(config):
            yield note(SUBJECT, "geo", "no database, and no pool that would need one")
        return
    for key, opened in config.atlas.files.items():
        built = opened.database.built
        days = (now - built) / DAY
        text = f"built on {datetime.fromtimestamp(built, timezone.utc):%Y-%m-%d}"
        looked = f"geo.{key} {opened.path.name}"
        if days < -1:
            yield warning(
                SUBJECT, looked, f"{text}, in the future", "set this machine's clock, or the file"
            )
        elif now - built > config.geo.max_age:
            yield warning(
                SUBJECT,
                looked,
                f"{text}, {counted(int(days), 'day')} ago: networks have moved since",
                "fetch it anew, regularly (geoipupdate, weekly); the server notices the new file",
            )
        else:
            yield ok(SUBJECT, looked, f"{text}, {counted(max(0, int(days)), 'day')} ago")

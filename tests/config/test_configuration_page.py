"""docs/configuration.md names every key and every record type."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from configs import NS, databases, lines, look

from dnslb.config.schema import schema
from dnslb.zone.readers import READERS

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")


def keys() -> set[str]:
    found: set[str] = set()
    for kind in ("zone", "server"):
        made = schema(kind)
        for shape in [made, *made["$defs"].values()]:
            found |= set(shape.get("properties", {}))
    return found


@pytest.mark.parametrize("key", sorted(keys()))
def test_every_key_is_there(key):
    assert any(f"{start}{key}{end}" in PAGE for start in "`.{ " for end in "`:,.")


def test_every_type_is_there():
    section = PAGE.partition("Types with a form of their own: ")[2].partition(". The zone's")[0]
    assert sorted(section.replace("\n", " ").split(", ")) == sorted(set(READERS) - {"SOA"})


def test_the_records_shown_are_right(tmp_path):
    section = PAGE.partition("### records\n")[2].partition("Under each owner")[0]
    assert lines(look(tmp_path, NS + textwrap.dedent(section).lstrip("\n"))) == []


def test_the_conditions_shown_are_right(tmp_path):
    section = PAGE.partition("#### Whose first choice a member is\n")[2].partition("The members")[0]
    names = ("office", "california", "america", "europe", "asia", "everywhere")
    pools = "".join(f"  {name}: {{members: [{{address: 192.0.2.1}}]}}\n" for name in names)
    zone = NS + textwrap.dedent(section).lstrip("\n").rstrip() + "\n" + pools
    examined = look(tmp_path, zone, **{"dnslb.yaml": databases(tmp_path)})
    assert lines(examined) == []

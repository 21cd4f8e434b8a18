"""Old databases, as the doctor tells them."""

from __future__ import annotations

import pytest
from databases import BUILT, city, write

from dnslb.config.load import load
from dnslb.doctor.finding import Level
from dnslb.doctor.geo import judge

DAY = 86_400
ZONE = "nameservers: [ns.example.net.]\nrecords: {www: {A: 192.0.2.1}}\n"


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (3, Level.OK, "3 days ago"),
        (91, Level.WARNING, "91 days ago"),
        (-9, Level.WARNING, "future"),
    ],
    ids=["new", "old", "of-tomorrow"],
)
def test_age(tmp_path, days, level, words):
    write(tmp_path / "city.mmdb", {"192.0.2.0/24": city("DE", "EU")})
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.org.yaml").write_text(ZONE)
    (tmp_path / "dnslb.yaml").write_text("geo: {city: city.mmdb}\n")
    config, _ = load(tmp_path / "dnslb.yaml")
    (finding,) = judge(config, BUILT + days * DAY)
    assert finding.level is level
    assert words in finding.found
    assert bool(finding.do) is (level is Level.WARNING)

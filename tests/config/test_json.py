"""JSON files: the same as YAML, faster; what is no JSON, and where."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from configs import NS, ZONE, databases, write
from hypothesis import given
from hypothesis import strategies as st
from test_problems import CASES, FINE, Case

from dnslb.config import jsontree, tree
from dnslb.config.document import Document
from dnslb.config.load import examine, load
from dnslb.config.nodes import MalformedError, MapNode

JSON = "zones/example.com.json"
EXAMPLES = sorted((Path(__file__).parents[2] / "zones").glob("*.yaml"))
MINIMAL = '{"nameservers": ["ns.example.net."]}'


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def told(folder: Path, text: str) -> list[str]:
    write(folder, {JSON: text})
    examined = examine(Path("dnslb.yaml"))
    return [str(problem) for problem in examined.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: not valid JSON: the file is empty; an empty mapping is {}"),
        (" \n", "2:1: not valid JSON: the file is empty; an empty mapping is {}"),
        ("[]", "1:1: must be a mapping of keys to values"),
        ('{"ttl": 5', "1:10: not valid JSON: } is missing"),
        ('{"ttl": 5}\n}', "2:1: not valid JSON: something follows after the end"),
        ('{"ttl" 5}', "1:8: not valid JSON: a colon goes between a key and its value"),
        ("{ttl: 5}", "1:2: not valid JSON: a key stands between double quotes"),
        ("{'ttl': 5}", "1:2: not valid JSON: a key stands between double quotes"),
        ('{\n "ttl": 5,\n}', "3:1: not valid JSON: the last comma before } has to go"),
        ('{"include": ["a",]}', "1:18: not valid JSON: the last comma before ] has to go"),
        ('{"include": ["a" "b"]}', "1:18: not valid JSON: there must be a comma or ]"),
        ('{"ttl": }', "1:9: not valid JSON: a value is missing"),
        ('{"ttl":, "a": 1}', "1:8: not valid JSON: a value is missing"),
        ('{"ttl": 5m}', '1:9: not valid JSON: 5m is no value; quote text, as in "5m"'),
        ('{"ttl": 012}', '1:9: not valid JSON: 012 is no value; quote text, as in "012"'),
        ('{"ttl": NaN}', '1:9: not valid JSON: NaN is no value; quote text, as in "NaN"'),
        ('{"ttl": -Infinity}',
         '1:9: not valid JSON: -Infinity is no value; quote text, as in "-Infinity"'),
        ('{"ttl": // five\n 5}', "1:9: not valid JSON: there are no comments in JSON"),
        ('{"soa": "a\n"}', "1:11: not valid JSON: text ends in its line; a line break is \\n, a tab \\t"),
        ('{"soa": "a', "1:9: not valid JSON: the quote that ends this text is missing"),
        ('{"soa": "\\x"}', "1:10: not valid JSON: \\x is no escape; a backslash is \\\\"),
        ('{"soa": "\\ud800"}',
         "1:9: not valid JSON: half of a letter: \\ud800 to \\udfff stand in pairs"),
        ('{"ttl": ' + "9" * 1001 + "}", "1:9: not valid JSON: a number of more than 1000 digits"),
        ('{\n "ttl": 5,\n  "ttl": 6\n}', '3:3: the key "ttl" stands twice, first in line 2'),
        ("[" * 40, "1:33: nested deeper than 32 levels"),
        ("[" * 100_000, "1:33: nested deeper than 32 levels"),
        ('{"a": ' + "[" * 32 + "]" * 32 + "}", "1:38: nested deeper than 32 levels"),
    ],
)  # fmt: skip
def test_what_is_no_json(tmp_path, text, expected):
    assert told(tmp_path, text) == [f"{JSON}:{expected}"]


def test_places(tmp_path):
    text = """{
  "nameservers": ["ns.example.net."],
  "pools": {
    "p": {"strategy": "weighted", "members": [
      {"name": "é", "address": "192.0.2.1", "wieght": 1},
      {"address": "192.0.2.300"},
      {"address": "192.0.2.4", "weight": "2"},
      {"address": "192.0.2.5", "weight": null}
    ]}
  },
  "services": {"www": {"pool": "q"}}
}
"""
    assert told(tmp_path, text) == [
        f'{JSON}:5:45: pools.p.members[0]: unknown key "wieght"; did you mean "weight"?',
        f'{JSON}:6:19: pools.p.members[1].address: "192.0.2.300" is no IP address',
        f"{JSON}:7:42: pools.p.members[2].weight: must be a whole number, 0 to 1,000,000",
        f"{JSON}:8:42: pools.p.members[3].weight: has no value; write one, or remove the key",
        f'{JSON}:11:32: services.www.pool: unknown pool "q"; there is p',
    ]


def test_a_letter_in_two_halves(tmp_path):
    (line,) = told(tmp_path, '{"soa": {"contact": "\\ud83d\\ude00"}, "nameservers": "ns.example."}')
    assert line.startswith(f'{JSON}:1:21: soa.contact: "😀" is no domain name: names are ASCII')


def test_text_is_spelled_as_in_the_file(tmp_path):
    assert told(tmp_path, '{"nameservers": true}') == [
        f'{JSON}:1:17: nameservers: must be text; quote it: "true"'
    ]


def test_a_zone_and_its_schema(tmp_path):
    write(tmp_path, {JSON: '{"$schema": "schema.json", "nameservers": ["ns.example.net."]}',
                     "zones/schema.json": "{}", "zones/zone.schema.json": "{}"})  # fmt: skip
    examined = examine(Path("dnslb.yaml"))
    assert not examined.problems
    assert list(examined.config.zones) == ["example.com."]


def test_a_zone_stands_in_one_file(tmp_path):
    write(tmp_path, {JSON: MINIMAL, ZONE: NS})
    assert [str(problem) for problem in examine(Path("dnslb.yaml")).problems] == [
        f"{ZONE}:1:1: zone example.com. stands already in {JSON}"
    ]


def test_the_servers_file_in_json(tmp_path):
    write(tmp_path, {JSON: MINIMAL})
    (tmp_path / "dnslb.json").write_text('{"zones": "zones",\n "workers": 0}')
    assert [str(problem) for problem in examine(Path("dnslb.json")).problems] == [
        "dnslb.json:2:13: workers: must be auto or a whole number, 1 to 1,024"
    ]


def readable(text: str) -> dict | None:
    """The mapping that a text in YAML holds; None when it is none, or JSON cannot say it."""
    try:
        found = tree.parse(text)
    except MalformedError:
        return None
    if not isinstance(found, MapNode):
        return None
    plain = found.plain()
    try:
        json.dumps(plain, allow_nan=False).encode()
    except ValueError:
        return None
    return plain


def in_json() -> list[tuple[Case, str]]:
    """The cases of `cases/*.txt` that JSON can say, and that need no databases."""
    zones = [(case, readable("\n".join(case.zone) + "\n")) for case in CASES]
    return [
        (case, json.dumps(zone, indent=2))
        for case, zone in zones
        if zone is not None and not case.name.startswith("steering-")
    ]


@pytest.mark.parametrize(
    ("case", "text"), [pytest.param(*one, id=one[0].name) for one in in_json()]
)
def test_every_case_in_json(tmp_path, case, text):
    """What is told of a zone is the same in YAML and in JSON."""
    write(tmp_path, {JSON: text})
    examined = examine(Path("dnslb.yaml"))
    found = sorted(
        re.sub(r"^\S+?:\d+:\d+: ", "", text)
        for text in (
            *map(str, examined.problems),
            *(warning.as_warning() for warning in examined.warnings),
        )
    )
    expected = sorted(re.sub(r"^\d+:\d+: ", "", line) for line in case.told)
    assert found == (expected if not case.name.endswith(FINE) else [])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_same_configuration(tmp_path, file):
    """Services, pools and the serial of a zone are the same in both."""
    text = file.read_text("utf-8")
    found = []
    for suffix, content in ((".yaml", text), (".json", json.dumps(readable(text)))):
        folder = tmp_path / suffix
        folder.mkdir()
        name = f"zones/{file.stem}{suffix}"
        config, _ = load(write(folder, {"dnslb.yaml": databases(folder), name: content}))
        found.append(config.zones[f"{file.stem}."])
    one, other = found
    assert one.services
    assert (other.services, other.pools) == (one.services, one.pools)
    assert (other.written, other.rrsets.digest()) == (one.written, one.rrsets.digest())


plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), plain), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_both_ways_to_read_it_agree(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert jsontree.parse(text).plain() == value
    assert Document(text, is_json=True).values == {
        key: item for key, item in value.items() if key != "$schema"
    }


@given(st.text('{}[]",:\\u \ntruefalsnd08.-+eE"', max_size=40))
def test_whatever_stands_there(text):
    """What the short way takes, the other takes as well, as the same."""
    try:
        short = jsontree.values(text)
    except (ValueError, RecursionError):
        short = None
    try:
        whole = jsontree.parse(text).plain()
    except MalformedError:
        whole = None
    assert short in (None, whole)

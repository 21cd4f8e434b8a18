"""Whatever stands in the files: either a configuration, or problems with places."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from configs import ZONE, write
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnslb.config.load import load
from dnslb.errors import ConfigError

EXAMPLES = [
    path.read_text("utf-8")
    for path in sorted((Path(__file__).parents[2] / "zones").glob("example.*.yaml"))
]
CASES = "".join(
    path.read_text("utf-8") for path in sorted((Path(__file__).parent / "cases").glob("*.txt"))
)
WORDS = sorted(set(CASES.replace("{", " ").replace("}", " ").split()))

values = st.recursive(
    st.sampled_from([*WORDS, "", "~", "1", "-1", "1.5", "true", "'*'", '"\\0"', "&a x", "*a"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(WORDS), inner), max_size=4).map(
            lambda pairs: f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
        ),
    ),
    max_leaves=12,
)
SECTIONS = ["ttl", "nameservers", "soa", "records", "include", "checks", "pools", "services"]
made = st.lists(st.tuples(st.sampled_from(SECTIONS), values), max_size=5).map(
    lambda pairs: "".join(f"{key}: {value}\n" for key, value in dict(pairs).items()).encode()
)


@st.composite
def spoiled(draw):
    """An example zone with a few pieces cut out, doubled or replaced."""
    text = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        piece = draw(st.sampled_from(["", " ", "\n", ":", "[", "x: ", "- ", text[start:end] * 2]))
        text = text[:start] + piece + text[end:]
    return text.encode()


def survives(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), {ZONE: ""})
        file = Path(folder) / name
        file.write_bytes(content)
        try:
            config, told = load(path)
        except ConfigError as error:
            config, told = None, error.problems
    if config is None:
        assert told
    else:
        assert "example.com." in config.zones or name != ZONE
    for problem in told:
        assert problem.message
        assert problem.line >= 1
        assert problem.column >= 1


@given(st.one_of(st.binary(max_size=300), made, spoiled()))
@settings(max_examples=300)
@example(b"nameservers: [x.]\nservices: {w: {members: [{address: []}]}}")
@example(b"nameservers: []")
@example(b"nameservers: [[]]")
@example(b"include: ['']\nnameservers: [x.]")
@example(b"include: ['\\0', '..', '/']\nnameservers: [x.]")
@example(b'include: ["a\\0b"]\nnameservers: [x.]')
@example(b"checks: {a: {type: https, tls: {ca_file: '/'}}}")
@example(b"pools: {a: {members: [{pool: ''}]}}")
@example(
    b"pools: {a: {strategy: geo, members: [{country: [[]], subdivision: ['-'], unknown: true}]}}"
)
@example(b"pools: {a: {strategy: geo, members: [{network: ['::%1/64', '::1%x', '1/1/1', '\\0']}]}}")
def test_zone_files(content):
    survives(ZONE, content)


member = st.dictionaries(
    st.sampled_from(["network", "continent", "country", "subdivision", "city", "asn", "unknown",
                     "location", "bias", "weight", "pool"]),
    st.one_of(
        values,
        st.lists(
            st.sampled_from(["EU", "DE", "US", "US-CA", "CA", "California", "10.0.0.0/8", "64496",
                             "10.1.0.0/16", "AS64496", "true", "[1, 2]", "0", "uk", "Europe"]),
            max_size=3,
        ).map(lambda items: f"[{', '.join(items)}]" if len(items) != 1 else items[0]),
    ),
    max_size=4,
)  # fmt: skip
steered = st.tuples(st.sampled_from(["geo", "nearest", "weighted"]), st.lists(member, max_size=4))


@given(steered)
@settings(max_examples=200)
def test_pools_that_steer(pool):
    strategy, members = pool
    written = ", ".join(
        "{"
        + ", ".join(f"{key}: {value}" for key, value in {"address": f"192.0.2.{at}", **one}.items())
        + "}"
        for at, one in enumerate(members)
    )
    zone = f"nameservers: [x.]\nservices: {{w: {{strategy: {strategy}, members: [{written}]}}}}\n"
    survives(ZONE, zone.encode())


server_keys = st.sampled_from(["zones", "geo", "ecs", "rrl", "cookies", "tcp"])


@given(
    st.one_of(
        st.binary(max_size=300),
        st.tuples(server_keys, values).map(lambda pair: f"{pair[0]}: {pair[1]}".encode()),
    )
)
@example(b"geo: {city: '\\0', asn: '', max_age: off}")
@example(b'geo: {city: "\\0", asn: /dev/null}')
@example(b"ecs: {trust: ['', '::/0', 0.0.0.0/0, 1]}")
@example(b"zones: ['']")
@example(b'zones: "a\\0b"')
@example(b"zones: /dev/null")
@example(b'state: "\\0"')
def test_server_files(content):
    survives("dnslb.yaml", content)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(alphabet=st.sampled_from('@a1.$;()"\\ \t\n*'), max_size=80).map(str.encode),
        st.lists(
            st.sampled_from(["@", "a", "\n", "\n", " ", "300", "IN", "A", "TXT", "$TTL", "MX", "(",
                             ")", "192.0.2.1", '"x"', "\\#", "CNAME", "NS", "SOA", "$ORIGIN", "b."]),
            max_size=40,
        ).map(lambda words: " ".join(words).encode()),
    )
)  # fmt: skip
def test_master_files(content):
    survives("zones/example.net.zone", content)


@pytest.mark.parametrize("example_zone", EXAMPLES, ids=["com", "net"])
def test_any_line_may_be_missing(example_zone):
    rows = example_zone.splitlines(keepends=True)
    for at in range(len(rows)):
        survives(ZONE, "".join(rows[:at] + rows[at + 1 :]).encode())

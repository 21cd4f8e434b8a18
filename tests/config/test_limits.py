"""The bounds of names, records, nesting and YAML, at the bound and just beyond it."""

from __future__ import annotations

import pytest
from configs import NS, lines, look

WWW = "services: {www: {pool: p0}}\n"


def chain(length: int) -> str:
    """Pools p0 to p(length - 1), each a member of the one before."""
    pools = "".join(f"  p{at}: {{members: [{{pool: p{at + 1}}}]}}\n" for at in range(length - 1))
    return f"{NS}pools:\n{pools}  p{length - 1}: {{members: [{{address: 192.0.2.1}}]}}\n{WWW}"


def nested(depth: int) -> str:
    return "ttl: " + "[" * depth + "]" * depth + "\n"


def laughs(width: int) -> str:
    """Aliases of aliases: about width⁴ values."""
    rows = [f"a: &a [{', '.join('x' * width)}]"]
    for name, before in ("ba", "cb", "dc"):
        rows.append(f"{name}: &{name} [{', '.join([f'*{before}'] * width)}]")
    return "\n".join(rows) + "\n"


def txt(records: int) -> str:
    strings = ", ".join(f"'\"{number:03}{'x' * 247}\"'" for number in range(records))
    return f"{NS}records: {{t: {{TXT: [{strings}]}}}}\n"


def owner(*lengths: int) -> str:
    """An owner name of labels of these lengths, in a zone whose origin takes 13 octets."""
    return f"{NS}records: {{{'.'.join('a' * length for length in lengths)}: {{A: 192.0.2.1}}}}\n"


@pytest.mark.parametrize(
    "zone",
    [
        pytest.param(chain(8), id="pools"),
        pytest.param(owner(63), id="label"),
        pytest.param(owner(60, 60, 60, 58), id="name"),
        pytest.param(txt(228), id="rrset"),
        pytest.param(f"{NS}ttl: 2147483647\n", id="ttl"),
    ],
)
def test_at_the_bound(tmp_path, monkeypatch, zone):
    monkeypatch.chdir(tmp_path)
    assert lines(look(tmp_path, zone)) == []


@pytest.mark.parametrize(
    ("zone", "where", "what"),
    [
        pytest.param(chain(9), "3:3: pools.p0", "nests pools 9 deep, 8 is the most", id="pools"),
        pytest.param(chain(11), "5:3: pools.p2", "9 deep", id="pools-much"),
        pytest.param(owner(64), "2:11: ", "a label has 64 octets, 63 is the most", id="label"),
        pytest.param(
            owner(60, 60, 60, 59), "2:11: ", "the name takes 256 octets, 255 is the most", id="name"
        ),
        pytest.param(txt(229), "2:21: ", "takes 60227 octets, 60000 is the most", id="rrset"),
        pytest.param(nested(32), "1:37: ", "nested deeper than 32 levels", id="nesting"),
        pytest.param(nested(5000), "1:", "nested deeper than 32 levels", id="nesting-much"),
        pytest.param(laughs(40), "4:", "aliases add more than 100000 values", id="aliases"),
        pytest.param('ttl: 1\nx: "a\x01"\n', "2:6: ", "a control character", id="control"),
    ],
)
def test_beyond_the_bound(tmp_path, monkeypatch, zone, where, what):
    monkeypatch.chdir(tmp_path)
    (line,) = lines(look(tmp_path, zone))
    assert line.startswith(where)
    assert what in line


def test_aliases_cannot_nest_beyond_the_bound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["a0: &a0 [x]"]
    rows += [f"a{at}: &a{at} [[[[[*a{at - 1}]]]]]" for at in range(1, 20)]
    (line,) = lines(look(tmp_path, "\n".join(rows)))
    assert line.startswith("8:")
    assert "nested deeper than 32 levels" in line


def test_pools_that_share_pools_cost_no_more_than_they_are(tmp_path):
    """Ten ways through each of seven levels are ten million ways, and eight pools a level."""
    width = 10
    rows = [f"{NS}pools:\n"]
    for level in range(7):
        members = ", ".join(f"{{pool: p{level + 1}x{at}}}" for at in range(width))
        rows += [f"  p{level}x{at}: {{members: [{members}]}}\n" for at in range(width)]
    rows += [f"  p7x{at}: {{members: [{{address: 192.0.2.{at}}}]}}\n" for at in range(width)]
    top = ", ".join(f"{{pool: p1x{at}}}" for at in range(width))
    rows.append(f"services: {{www: {{members: [{top}]}}}}\n")
    examined = look(tmp_path, "".join(rows))
    assert examined.problems == ()
    assert examined.config is not None
    assert len(list(examined.config.backends())) == width

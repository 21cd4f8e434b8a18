from __future__ import annotations

import gzip
import zlib

import pytest
from health_servers import probe, response

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.body import MAX_BODY, unpack
from dnslb.health.load import LoadSource

TEXT = b'{"load": 0.4, "is": "ready"}'


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT), " X-GZIP "),
        (zlib.compress(TEXT), "deflate"),
    ],
    ids=["none", "identity", "gzip", "x-gzip", "deflate"],
)
def test_unpack(packed, encoding):
    assert unpack(packed, encoding) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "br", "\x1b[31m"])
def test_what_cannot_be_unpacked(encoding):
    with pytest.raises(ValueError, match=r"body is no gzip|content-encoding") as caught:
        unpack(TEXT, encoding)
    assert str(caught.value).isprintable()


def test_a_bomb_unpacks_to_no_more_than_the_bound():
    packed = gzip.compress(bytes(50_000_000))
    assert len(unpack(packed[:MAX_BODY], "gzip")) == MAX_BODY


def test_a_packed_body_is_searched_and_read_for_load():
    reply = response(body=gzip.compress(TEXT), content_encoding="gzip")
    result, _ = probe(reply, body="ready", load=LoadSource(kind="json", field="load"))
    assert (result.outcome, result.load) == (Outcome.OK, 0.4)


def test_a_body_packed_in_another_way_is_malformed():
    result, _ = probe(response(body=TEXT, content_encoding="br"), body="ready")
    assert result.outcome is Outcome.MALFORMED


def test_a_body_that_nobody_asks_for_may_be_packed_in_any_way():
    assert probe(response(body=TEXT, content_encoding="br"))[0].ok

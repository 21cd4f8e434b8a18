"""HTTP/2's frames in bytes that come in any pieces."""

from __future__ import annotations

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, PingFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.h2frames import MAX_FRAME, Frames, Goodbye
from dnslb.health.checks.network import FailedError

SENT = [
    SettingsFrame(0).serialize(),
    DataFrame(1, b"HTTP/1.1 fine").serialize(),
    GoAwayFrame(0, last_stream_id=7, error_code=11, additional_data=b"calm").serialize(),
    PingFrame(0, b"12345678").serialize(),
    DataFrame(1, b"x" * MAX_FRAME).serialize(),
]


@given(st.lists(st.integers(1, 60), max_size=30))
def test_pieces_make_no_difference(sizes):
    frames, data, seen = Frames(), b"".join(SENT), []
    for size in [*sizes, len(data)]:
        frames.feed(data[:size])
        data = data[size:]
        seen += frames.whole()
    assert seen == [*SENT[:2], Goodbye(7, 11), *SENT[3:]]
    assert not frames.partial


def test_a_frame_that_has_begun():
    frames = Frames()
    frames.feed(SENT[1][:-1])
    assert not list(frames.whole())
    assert frames.partial


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "the server answers as HTTP/1"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "a frame of 5460808 bytes"),
        (b"\0\0\4\7\0\0\0\0\0abcd", "a GOAWAY that is none"),
        (b"\0\0\x08\7\0\0\0\0\1abcdefgh", "a GOAWAY that is none"),
    ],
    ids=["http-1", "ssh", "short-goaway", "goaway-of-a-stream"],
)
def test_what_is_none(data, detail):
    frames = Frames()
    frames.feed(data)
    with pytest.raises(FailedError) as failed:
        list(frames.whole())
    assert failed.value.result.outcome is Outcome.MALFORMED
    assert failed.value.result.detail == f"no HTTP/2: {detail}"

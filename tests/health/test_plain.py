"""What is read by hand is read as the parser reads it."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.checks.plain import plain


def parsed(data):
    """What h11 makes of a response, or None where it is not whole or wrong."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    body = b""
    try:
        head = connection.next_event()
        if not isinstance(head, h11.Response):
            return None
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.EndOfMessage):
        return None
    headers = {name.decode(): value.decode() for name, value in head.headers}
    lasts = connection.our_state is connection.their_state is h11.DONE
    return head.status_code, headers, body, lasts


WHOLE = b"HTTP/1.1 200 OK\r\nServer: a b\r\nContent-Length: 3\r\n\r\nok\n"

names = st.sampled_from(
    [
        b"Content-Length",
        b"content-length",
        b"Connection",
        b"Server",
        b"X-Y",
        b"Transfer-Encoding",
        b"",
    ]
)
values = st.sampled_from(
    [
        b"3",
        b"0",
        b"03",
        b"3, 3",
        b"-1",
        b"close",
        b"keep-alive, Close",
        b"a b",
        b"chunked",
        b"",
        b" 3",
        b"\xe4",
    ]
)
lines = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    names,
    st.sampled_from([b": ", b":", b" : ", b":\t"]),
    values,
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r\n "]),
)
responses = st.builds(
    lambda first, head, end, body: first + b"".join(head) + end + body,
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 503 \r\n",
         b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 200\r\n", b"HTTP/1.1 304 a\r\n"]
    ),
    st.lists(lines, max_size=4),
    st.sampled_from([b"\r\n", b"\n", b""]),
    st.sampled_from([b"", b"ok\n", b"ok\nmore", b"ok"]),
)  # fmt: skip


@given(responses)
def test_what_is_read_by_hand_is_what_the_parser_reads(data):
    read = plain(data)
    assert read is None or tuple(read) == parsed(data)


@given(st.data())
def test_so_it_is_with_an_octet_changed(data):
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    octet = data.draw(st.integers(0, 255))
    changed = WHOLE[:at] + bytes([octet]) + WHOLE[at + 1 :]
    read = plain(changed)
    assert read is None or tuple(read) == parsed(changed)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ],
)
def test_the_commonest_are_read_by_hand(data):
    assert tuple(plain(data)) == parsed(data)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-1],
        WHOLE + b"x",
        WHOLE.replace(b"1.1", b"1.0"),
        WHOLE.replace(b"Server", b"Content-Length"),
        WHOLE.replace(b"a b", b"x" * 5000),
        b"HTTP/1.1 200 OK\r\n\r\nok\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["part", "more", "old", "twice", "long", "until-closed", "no-content"],
)
def test_others_are_left_to_the_parser(data):
    assert plain(data) is None

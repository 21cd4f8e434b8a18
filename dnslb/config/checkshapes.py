"""The shape of checks: their keys and what they take, before their meaning is looked at."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, Tag

from dnslb.config.values import (
    Count,
    Days,
    Flag,
    Interval,
    Name,
    Pause,
    Port,
    Positive,
    Shape,
    Statuses,
    Switch,
    Text,
    Texts,
    Timeout,
    kept,
    mapping_or_word,
    one_of,
    whole,
)

__all__ = ["CheckRef", "CheckShape", "ExpectShape", "HoldDownShape", "LoadShape", "TlsShape"]

CheckRef = Annotated[
    Annotated[Name, Tag("(word)")] | Annotated["CheckShape", Tag("(mapping)")], mapping_or_word
]
"""A check's name, or a check written in place."""


class ExpectShape(Shape):
    """What a response has to be for a check to pass."""

    status: Statuses | None = Field(
        default=None,
        description="Status codes: 200, 200-399, or a list; default 200-399. With exec, exit "
        "statuses; default 0.",
    )
    body: Text | None = Field(
        default=None,
        description="A regular expression that the first 64 KiB of the answer must contain.",
    )
    rcode: Texts | None = Field(
        default=None, description="With dns, response codes that pass; default NOERROR."
    )
    answer: Texts | None = Field(
        default=None, description="With dns, rdata that the answer must have, as in 192.0.2.1."
    )


class TlsShape(Shape):
    """How a check uses TLS."""

    verify: Flag | None = Field(
        default=None, description="Whether the certificate must be valid for `host`; default true."
    )
    ca_file: Text | None = Field(
        default=None,
        description="Authorities to trust instead of the system's; relative to this file.",
    )
    min_days: Days | None = Field(
        default=None, description="Days that the certificate must still be valid for; default 0."
    )


class LoadShape(Shape):
    """Where an answer says how loaded its backend is."""

    source: Text | None = Field(
        default=None,
        description='orca, json:field.path, prometheus:metric{label="x"}, or agent.',
    )
    full: Positive | None = Field(default=None, description="The figure that is full; default 1.")
    max_age: Timeout | None = Field(
        default=None, description="How long a report counts; default three intervals."
    )


class HoldDownShape(Shape):
    """How long a backend that goes down again and again has to stay down."""

    first: Pause | None = Field(
        default=None, description="After its second fall; each further one doubles it. 0s: never."
    )
    most: Pause | None = Field(default=None, description="The longest; default 5m.")
    calm: Pause | None = Field(
        default=None, description="Time up after which its falls are forgotten; default 10m."
    )


class CheckShape(Shape):
    """How it is found out whether a backend works."""

    type: Text | None = Field(
        default=None,
        description="The protocol: http, https, http2, http3, websocket, tcp, tls, udp, dns, grpc, "
        "icmp, exec, agent, push; or all, any, quorum of several checks; or your own as "
        "package.module:Class.",
    )
    port: Port | None = Field(
        default=None, description="Where to connect; default the protocol's own."
    )
    path: Text | None = Field(default=None, description="What to ask for; default /.")
    host: Text | None = Field(
        default=None, description="Host of the request and of the certificate; default the address."
    )
    method: Text | None = Field(default=None, description="Method of the request; default GET.")
    headers: dict[str, Text] | None = Field(
        default=None, description="Further headers of the request."
    )
    send: Text | None = Field(
        default=None, description="What to send first: text, or hex: and hexadecimal digits."
    )
    query: Text | None = Field(
        default=None, description="With dns, a name and a type, as in example.com SOA; default A."
    )
    transport: Annotated[str, one_of("udp", "tcp")] | None = Field(
        default=None, description="With dns, udp (default) or tcp."
    )
    service: Text | None = Field(
        default=None, description="With grpc, the service; default the whole server."
    )
    command: Texts | None = Field(
        default=None,
        description="With exec, a program and its arguments; {address} and {port} are replaced.",
    )
    deadline: Interval | None = Field(
        default=None, description="With push, the longest time between two heartbeats."
    )
    checks: list[Annotated[CheckRef, kept]] | None = Field(
        default=None, description="With all, any and quorum, checks by name or written in place."
    )
    quorum: Count | None = Field(
        default=None, description="With quorum, how many of the checks have to pass."
    )
    options: dict[str, Any] | None = Field(
        default=None, description="With a check of your own, the arguments of its class."
    )
    expect: (
        Annotated[
            Annotated[Text, Tag("(word)")] | Annotated[ExpectShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(
        default=None,
        description="What the answer has to be: a mapping, or what its content must match.",
    )
    load: (
        Annotated[
            Annotated[Text, Tag("(word)")] | Annotated[LoadShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(
        default=None,
        description="Where the answer tells the load: orca, json:field.path, prometheus:metric, "
        "agent; or a mapping.",
    )
    tls: (
        Annotated[
            Annotated[Switch, Tag("(word)")] | Annotated[TlsShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(default=None, description="How TLS is used: on, off, or a mapping.")
    interval: Interval | None = Field(default=None, description="Between two probes; default 10s.")
    timeout: Timeout | None = Field(default=None, description="For one attempt in all; default 3s.")
    rise: Count | None = Field(
        default=None, description="Passes in a row that make up; default 2, with push 1."
    )
    fall: Count | None = Field(
        default=None, description="Failures in a row that make down; default 3, with push 1."
    )
    hold_down: (
        Annotated[
            Annotated[Pause, Tag("(word)")] | Annotated[HoldDownShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(
        default=None,
        description="How long a flapping backend stays down: its first delay, or a mapping; "
        "default the interval, doubled with each fall.",
    )
    retries: Annotated[int, whole(0, 10)] | None = Field(
        default=None, description="Further attempts within one probe; default 0."
    )
    retry_on: Texts | None = Field(
        default=None,
        description="Results after which there is another attempt; default connect-timeout, "
        "reset, reset-midway, closed and read-timeout.",
    )
    reuse: Flag | None = Field(
        default=None, description="Whether the connection stays for the next probe; default false."
    )
    address: Text | None = Field(
        default=None, description="Where to probe instead of the backend's own address."
    )

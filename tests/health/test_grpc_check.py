"""The gRPC health service of grpcio, and answers that are none."""

from __future__ import annotations

import asyncio
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2
from test_http2_check import answering

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.grpc import GrpcCheck
from dnslb.health.checks.tls import Tls
from dnslb.health.load import LoadSource

LOOPBACK = "127.0.0.1"
HOST = "grpc.example.com"
Status = health_pb2.HealthCheckResponse


class Loaded(health.HealthServicer):
    """Says its load in the trailers, as ORCA has it."""

    def Check(self, request, context):  # noqa: N802 - gRPC's name
        context.set_trailing_metadata((("endpoint-load-metrics", "TEXT cpu_utilization=0.3"),))
        return super().Check(request, context)


@contextmanager
def running(*handlers, credentials=None, address=LOOPBACK, port=0):
    """A gRPC server that has these handlers, if any."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=handlers)
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    taken = (
        server.add_secure_port(where, credentials)
        if credentials
        else server.add_insecure_port(where)
    )
    server.start()
    try:
        yield taken
    finally:
        server.stop(None).wait(5)


def health_service(servicer=None):
    """The handlers of a health service that knows three services."""
    servicer = servicer or Loaded()
    servicer.set("", Status.SERVING)
    servicer.set("shop.Cart", Status.SERVING)
    servicer.set("shop.Pay", Status.NOT_SERVING)
    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(
            servicer.Check,
            request_deserializer=health_pb2.HealthCheckRequest.FromString,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        )
    }
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)


def serving(credentials=None, servicer=None, **where):
    return running(health_service(servicer), credentials=credentials, **where)


def run(check, address=LOOPBACK, times=1):
    async def probe():
        kept = Kept()
        results = [await check.probe(address, kept) for _ in range(times)]
        kept.close()
        return results

    results = asyncio.run(probe())
    return results[0] if times == 1 else results


@pytest.mark.parametrize("address", [LOOPBACK, "::1"])
def test_services(address):
    with serving(address=address) as port:
        assert run(GrpcCheck(port=port), address).outcome is Outcome.OK
        assert run(GrpcCheck(port=port, service="shop.Cart"), address).outcome is Outcome.OK
        result = run(GrpcCheck(port=port, service="shop.Pay"), address)
        assert (result.outcome, result.detail) == (
            Outcome.STATUS,
            "NOT_SERVING, expected SERVING",
        )
        result = run(GrpcCheck(port=port, service="no.Such"), address)
        assert result.outcome is Outcome.STATUS
        assert result.detail.startswith("NOT_FOUND")


def test_a_server_without_the_health_service():
    with running() as port:
        result = run(GrpcCheck(port=port))
    assert result.outcome is Outcome.STATUS
    assert result.detail.startswith("UNIMPLEMENTED")


def test_a_response_that_is_too_large():
    much = grpc.unary_unary_rpc_method_handler(lambda *_: b"x" * 100_000)
    handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": much})
    with running(handler) as port:
        result = run(GrpcCheck(port=port))
    assert (result.outcome, result.detail) == (
        Outcome.TOO_LARGE,
        "the response is beyond 64 KiB",
    )


@pytest.mark.parametrize(
    ("host", "authority"),
    [
        ("grpc.example.com:99", "grpc.example.com:99"),
        ("2001:db8::1", "[2001:db8::1]"),
        (None, "127.0.0.1:{port}"),
    ],
)
def test_who_is_meant(host, authority):
    seen = {}

    def note(connection, number):
        seen.update(connection.asked)
        http_error(connection, number)

    async def probe():
        async with answering(note) as port:
            await GrpcCheck(port=port, host=host).probe(LOOPBACK, Kept())
            return authority.format(port=port)

    assert asyncio.run(probe()) == seen[b":authority"].decode()
    assert seen[b"te"] == b"trailers"


def test_over_tls(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = ca.issue_cert(HOST)
    pair = issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()
    with serving(grpc.ssl_server_credentials([pair])) as port:
        tls = Tls(ca_file=str(tmp_path / "ca.pem"))
        result = run(GrpcCheck(port=port, host=HOST, tls=tls))
        assert result.outcome is Outcome.OK
        assert result.expires
        assert run(GrpcCheck(port=port, host="x.example", tls=tls)).outcome is Outcome.TLS_NAME
        assert run(GrpcCheck(port=port, host=HOST, tls=Tls())).outcome is Outcome.TLS_UNTRUSTED


class LoadedInBinary(health.HealthServicer):
    """The same in binary form: field 1, cpu_utilization, a double."""

    def Check(self, request, context):  # noqa: N802 - gRPC's name
        report = b"\x09" + struct.pack("<d", 0.25)
        context.set_trailing_metadata((("endpoint-load-metrics-bin", report),))
        return super().Check(request, context)


@pytest.mark.parametrize(("servicer", "load"), [(Loaded, 0.3), (LoadedInBinary, 0.25)])
def test_load_stands_in_the_trailers(servicer, load):
    with serving(servicer=servicer()) as port:
        assert run(GrpcCheck(port=port, load=LoadSource(kind="orca"))).load == load


def test_a_connection_is_reused_and_outlives_a_restart():
    async def probe():
        kept = Kept()
        with serving() as port:
            check = GrpcCheck(port=port, reuse=True)
            outcomes = [(await check.probe(LOOPBACK, kept)).outcome for _ in range(2)]
        with serving(port=port):
            outcomes.append((await check.probe(LOOPBACK, kept)).outcome)
            kept.close()
        return outcomes

    assert asyncio.run(probe()) == [Outcome.OK] * 3


def http_error(connection, number):
    connection.send_headers(number, [(":status", "502")], end_stream=True)


def no_grpc(connection, number):
    connection.send_headers(
        number, [(":status", "200"), ("content-type", "text/html")], end_stream=True
    )


def no_status(connection, number):
    headers = [(":status", "200"), ("content-type", "application/grpc")]
    connection.send_headers(number, headers, end_stream=True)


def message(data):
    def act(connection, number):
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        connection.send_headers(number, headers)
        connection.send_data(number, data)
        connection.send_headers(number, [("grpc-status", "0")], end_stream=True)

    return act


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (http_error, Outcome.STATUS),
        (no_grpc, Outcome.MALFORMED),
        (no_status, Outcome.MALFORMED),
        (message(b""), Outcome.MALFORMED),
        (message(b"\0\0\0\0\x09\x08\x01"), Outcome.MALFORMED),
        (message(b"\0\0\0\0\x02\x10\x01"), Outcome.MALFORMED),
        (message(b"\0\0\0\0\0"), Outcome.STATUS),
        (message(b"\0\0\0\0\x02\x08\x01"), Outcome.OK),
    ],
    ids=[
        "http-error", "no-grpc", "no-status", "no-message", "length", "field", "unknown", "fine",
    ],
)  # fmt: skip
def test_answers(act, outcome):
    async def probe():
        async with answering(act) as port:
            return await GrpcCheck(port=port).probe(LOOPBACK, Kept())

    assert asyncio.run(probe()).outcome is outcome

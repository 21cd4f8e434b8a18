"""Databases that change under a running server: real files, a real server, looks at will."""

from __future__ import annotations

import asyncio
import logging
import os

import aiohttp
import pytest
from databases import city, write
from dnslib import DNSRecord

from dnslb.config.load import load
from dnslb.engine import new_engine
from dnslb.errors import EngineMissingError
from dnslb.server import Server

try:
    new_engine()
except EngineMissingError as error:
    if os.environ.get("CI"):
        raise
    pytest.skip(str(error), allow_module_level=True)

CLIENT = "203.0.113.9"
ZONE = """\
nameservers: [ns1.example.net.]
pools:
  eu: {members: [{name: a, address: 192.0.2.1}]}
  us: {members: [{name: b, address: 192.0.2.2}]}
  world: {strategy: geo, members: [{pool: eu, country: DE}, {pool: us}]}
services: {www: {pool: world}}
"""


class Scene:
    """A server, and the database that it steers by."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "city.mmdb"
        self.make(self.file, "DE")
        (folder / "zones").mkdir()
        (folder / "zones" / "example.com.yaml").write_text(ZONE)
        config = folder / "dnslb.yaml"
        config.write_text('listen: ["127.0.0.1:0"]\ngeo: {city: city.mmdb, max_age: off}\n')
        self.server = Server(load(config)[0])

    def make(self, path, country):
        return write(path, {"203.0.113.0/24": city(country, "EU")})

    def other(self, country="US"):
        return self.make(self.folder / "new.mmdb", country)

    def answer(self):
        packet = bytes(DNSRecord.question("www.example.com").pack())
        (record,) = DNSRecord.parse(self.server._engine.answer(packet, CLIENT)).rr
        return str(record.rdata)

    async def looks(self, times=2):
        for _ in range(times):
            await self.server.databases.look()

    @property
    def reason(self):
        return self.server.databases.status["city"]


def play(tmp_path, plot):
    async def run():
        scene = Scene(tmp_path)
        scene.server.bind()
        try:
            await scene.server.start()
            assert scene.answer() == "192.0.2.1"
            await plot(scene)
        finally:
            await scene.server.stop()

    asyncio.run(run())


@pytest.mark.parametrize("way", ["rename", "in-place"])
def test_a_new_database_is_in_force_once_it_has_settled(tmp_path, caplog, way):
    caplog.set_level(logging.INFO, "dnslb.geo")

    async def plot(scene):
        new = scene.other()
        if way == "rename":
            new.replace(scene.file)
        else:
            scene.file.write_bytes(new.read_bytes() + b"")
            os.utime(scene.file, ns=(1, 1))
        await scene.looks(1)
        assert scene.answer() == "192.0.2.1"
        await scene.looks(1)
        assert (scene.answer(), scene.reason) == ("192.0.2.2", None)
        assert await scene.server.reload()
        assert scene.answer() == "192.0.2.2"

    play(tmp_path, plot)
    assert "city.mmdb in force: GeoLite2-City, built on 2023-11-14, " in caplog.text


def test_what_cannot_be_used_changes_nothing_and_is_told_once(tmp_path, caplog):
    caplog.set_level(logging.ERROR, "dnslb.geo")

    async def plot(scene):
        whole = scene.other().read_bytes()
        lacking = write(
            scene.folder / "l.mmdb", {"203.0.113.0/24": {"autonomous_system_number": 1}}
        )
        for number, bad in enumerate(
            (whole[: len(whole) // 2], b"\xff" * len(whole), lacking.read_bytes()), 1
        ):
            scene.file.write_bytes(bad)
            os.utime(scene.file, ns=(number, number))
            await scene.looks(5)
            assert scene.answer() == "192.0.2.1"
            assert scene.reason
            assert len(caplog.records) == number
        assert "does not tell country" in scene.reason
        scene.file.unlink()
        await scene.looks(5)
        assert len(caplog.records) == 4
        assert scene.answer() == "192.0.2.1"
        scene.file.write_bytes(whole)
        await scene.looks()
        assert (scene.answer(), scene.reason) == ("192.0.2.2", None)

    play(tmp_path, plot)


def test_a_file_that_is_being_written_is_not_read(tmp_path, caplog):
    caplog.set_level(logging.INFO, "dnslb.geo")

    async def plot(scene):
        whole = scene.other().read_bytes()
        for size in range(1, len(whole), len(whole) // 5):
            scene.file.write_bytes(whole[:size])
            await scene.looks(1)
        assert not caplog.records
        scene.file.write_bytes(whole)
        await scene.looks()
        assert scene.answer() == "192.0.2.2"

    play(tmp_path, plot)


@pytest.mark.parametrize("token", ["", "secret"])
def test_metrics_tell_databases(tmp_path, token):
    async def run():
        scene = Scene(tmp_path)
        key = ""
        if token:
            (tmp_path / "token").write_text(f"{token}\n")
            key = ", token_file: token"
        text = (tmp_path / "dnslb.yaml").read_text()
        (tmp_path / "dnslb.yaml").write_text(f"{text}api: {{listen: '127.0.0.1:0'{key}}}\n")
        server = scene.server = Server(load(tmp_path / "dnslb.yaml")[0])
        server.bind()
        try:
            await server.start()
            scene.answer()
            scene.file.write_bytes(b"torn")
            await scene.looks()
            url = f"http://{server.api}"
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{url}/healthz") as reply:
                    assert reply.status == 200
                for given, status in (
                    ("", 401 if token else 200),
                    ("Bearer x", 401 if token else 200),
                ):
                    async with session.get(
                        f"{url}/metrics", headers={"Authorization": given}
                    ) as reply:
                        assert reply.status == status
                headers = {"Authorization": f"Bearer {token}"}
                async with session.get(f"{url}/metrics", headers=headers) as reply:
                    return (await reply.text()).splitlines()
        finally:
            await server.stop()

    lines = asyncio.run(run())
    assert 'dnslb_geo_database_build_time_seconds{database="city"} 1.7e+09' in lines
    assert 'dnslb_geo_database_refused{database="city"} 1.0' in lines
    assert 'dnslb_backend_up{backend="a",pool="eu",zone="example.com."} 1.0' in lines
    assert 'dnslb_queries_total{rcode="NOERROR",transport="udp"} 1.0' in lines
    assert 'dnslb_answers_total{backend="a",pool="eu",service="www.example.com."} 1.0' in lines

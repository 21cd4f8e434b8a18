"""A server with an API, in this process, and requests to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import aiohttp

from dnslb.config.load import load
from dnslb.server import Server

ZONE = """
nameservers: [ns.example.net.]
checks:
  beat: {type: push, deadline: 30s}
pools:
  p:
    strategy: weighted
    max_down: 1
    check: beat
    members:
      - {name: a, address: 192.0.2.1}
      - {name: b, address: [192.0.2.2, "2001:db8::2"]}
  plain: {members: [{name: c, address: 192.0.2.3}]}
services:
  www: {pool: p, when_down: nodata}
  other: {pool: plain}
"""


@asynccontextmanager
async def serving(folder, more="", zones=("example.com",), token="", services=""):
    (folder / "zones").mkdir()
    for name in zones:
        (folder / "zones" / f"{name}.yaml").write_text(ZONE + services)
    if token:
        (folder / "token").write_text(f"{token}\n")
        more += ", token_file: token"
    config = folder / "dnslb.yaml"
    config.write_text(f"listen: [127.0.0.1:0]\napi: {{listen: 127.0.0.1:0{more}}}\n")
    loaded, _ = load(config)
    server = Server(loaded)
    server.bind()
    try:
        await server.start()
        scheme = "http" if loaded.api.tls is None else "https"
        base = f"{scheme}://127.0.0.1:{server.api.port}"
        async with aiohttp.ClientSession(base) as session:
            yield session, server
    finally:
        await server.stop()


def played(tmp_path, scenario, **options):
    """Run `scenario` with a session of requests to a server."""

    async def run():
        async with serving(tmp_path, **options) as (session, _):
            await scenario(session)

    asyncio.run(run())


async def call(session, method, path, body=None, **options):
    async with session.request(method, f"/api/v1/{path}", json=body, **options) as response:
        return response.status, await response.json()

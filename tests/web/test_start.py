"""How a server with an API starts."""

from __future__ import annotations

import socket
import time

import uvloop

from dnslb.config.load import load
from dnslb.config.model import BackendId
from dnslb.server import Server
from dnslb.web.site import Site


def test_no_probe_runs_out_while_modules_are_imported(tmp_path, monkeypatch):
    prepare = Site.prepare

    async def slowly(site):
        time.sleep(2)  # noqa: ASYNC251 - which imports do to the loop
        await prepare(site)

    monkeypatch.setattr(Site, "prepare", slowly)
    with socket.create_server(("127.0.0.1", 0)) as backend:  # the kernel connects
        check = f"{{type: tcp, port: {backend.getsockname()[1]}, timeout: 1500ms, interval: 30s}}"
        (tmp_path / "zones").mkdir()
        (tmp_path / "zones/example.com.yaml").write_text(
            "nameservers: [ns.example.net.]\nservices:\n  www:\n"
            f"    check: {check}\n    members: [{{name: a, address: 127.0.0.1}}]\n"
        )
        config = tmp_path / "dnslb.yaml"
        config.write_text("listen: [127.0.0.1:0]\napi: {listen: 127.0.0.1:0}\n")
        server = Server(load(config)[0])

        async def run():
            server.bind()
            try:
                await server.start()
                assert not server.monitor.standing(BackendId("example.com.", "www", "a")).down
            finally:
                await server.stop()

        uvloop.run(run())

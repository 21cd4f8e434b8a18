"""Debian's nginx, with HTTP/2 over TLS and without, on ports of the system's choice."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ports import free_port
from tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = "127.0.0.1"

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    log_format connection $connection; access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen {loopback}:{h2c} http2;
        listen {loopback}:{h2} ssl http2;
        ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
        location /ok {{ return 200 "fine\\n"; }}
        location /503 {{ return 503; }}
        location /away {{ return 302 https://elsewhere.example/; }}
        location /connection {{ access_log {folder}/connections connection; return 200 $connection; }}
        location /load {{
            add_header endpoint-load-metrics "TEXT application_utilization=0.4"; return 200;
        }}
        location /big {{ root {folder}; }}
    }}
}}
"""


@dataclass
class Nginx:
    """A running nginx."""

    folder: Path
    h2c: int
    h2: int

    def connections(self) -> int:
        """How many connections have asked for /connection."""
        return len(set((self.folder / "connections").read_text().split()))


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Run nginx from `folder`, which holds server.pem."""
    program = tool("nginx", "nginx-light")
    (folder / "big").write_bytes(b"x" * 200_000)
    h2c, h2 = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, loopback=LOOPBACK, h2c=h2c, h2=h2))
    process = subprocess.Popen([program, "-c", config, "-p", folder], stderr=subprocess.DEVNULL)
    try:
        _wait(process, h2)
        yield Nginx(folder, h2c, h2)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, "nginx ended"
        with socket.socket() as sock:
            if not sock.connect_ex((LOOPBACK, port)):
                return
        time.sleep(0.02)
    pytest.fail("nginx does not listen")

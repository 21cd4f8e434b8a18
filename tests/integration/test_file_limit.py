"""TCP clients cannot take the files that the checks need."""

from __future__ import annotations

import socket
import subprocess
import sys

from harness import PATIENCE, ask


def test_clients_in_a_crowd_leave_the_checks_alone(write, webs):
    (web,) = webs(1)
    config = write(
        'listen: ["127.0.0.1:0"]\nworkers: 1\n',
        example_com=(
            "nameservers: [ns.example.net.]\n"
            f"checks: {{web: {{type: http, port: {web.port}, interval: 1s, timeout: 900ms}}}}\n"
            "services: {www: {check: web, when_down: nodata, members: "
            f"[{{address: {web.host}}}]}}}}\n"
        ),
    )
    command = f"ulimit -n 700; exec {sys.executable} -m dnslb serve {config}"
    process = subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    clients = []
    try:
        port = int(process.stdout.readline().split(", ")[0].split(": ")[1].rpartition(":")[2])
        assert "only 700 files may be open" in process.stderr.readline()
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
        web.stop()
        assert any("down: refused" in line for line in process.stderr)
        assert any("service www.example.com. down" in line for line in process.stderr)
        web.start()
        assert any("service www.example.com. up" in line for line in process.stderr)
        assert ask(port, "www.example.com", tcp=True, source="127.0.0.9").header.rcode == 0
    finally:
        for client in clients:
            client.close()
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0

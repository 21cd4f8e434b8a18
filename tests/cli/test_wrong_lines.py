"""Command lines that are wrong, and what a newcomer is told."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dnslb.cli import main

ZONE = """\
nameservers: [ns.example.com.]
services:
  www: {members: [{name: a, address: 192.0.2.1}]}
  mail: {members: [{name: b, address: 192.0.2.2}]}
"""

LINES = [
    ("chek", 'unknown command "chek"; did you mean "check"?'),
    ("reload-all now", "unknown command"),
    ("ecs ww.example.org", 'unknown service "ww.example.org"; did you mean "www.example.org"?'),
    ("ecs x.test", "there are www.example.org and mail.example.org"),
    ("explain a..org", "Invalid value for NAME: 'a..org' is no domain name: a label is empty"),
    ("doctor a..org", "Invalid value for DOMAIN: 'a..org' is no domain name"),
    ("demo --seconds x", "'x' is not a valid number."),
    ("doctor example.org --port x", "'x' is not a valid number."),
    ("explain --clint 1 x", "'--client'"),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.org.yaml").write_text(ZONE)
    (tmp_path / "dnslb.yaml").touch()
    return lambda line: CliRunner().invoke(main, line.split(" "))


@pytest.mark.parametrize(("line", "words"), LINES, ids=[line for line, _ in LINES])
def test_what_a_wrong_line_is_told(run, line, words):
    result = run(line)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("run")
def test_the_apis_port_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "dnslb.yaml").write_text(
            f'listen: ["127.0.0.1:0"]\napi: {{listen: "127.0.0.1:{port}"}}\n'
        )
        command = [sys.executable, "-m", "dnslb", "serve"]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port} for the API: another program has" in done.stderr
    assert "Traceback" not in done.stderr

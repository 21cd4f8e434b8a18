"""The manual page: well-formed, and as complete as the help."""

from __future__ import annotations

import subprocess

import click
import pytest
from click.testing import CliRunner

from dnslb.cli import main
from tools import tool


@pytest.fixture
def page(tmp_path):
    result = CliRunner().invoke(main, ["man"])
    assert result.exit_code == 0
    file = tmp_path / "dnslb.1"
    file.write_text(result.output)
    return file


def test_well_formed(page):
    lint = [tool("mandoc", "mandoc"), "-Tlint", "-Wwarning", str(page)]
    done = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert done.stdout == done.stderr == ""
    man = [tool("man", "man-db"), "--warnings", "-l", str(page)]
    done = subprocess.run(man, check=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_every_command_and_option_stands_in_it(page):
    render = [tool("mandoc", "mandoc"), "-Tascii", "-O", "width=200", str(page)]
    done = subprocess.run(render, check=True, capture_output=True, text=True)
    overstruck = done.stdout
    text = subprocess.run(
        ["col", "-b"], input=overstruck, check=True, capture_output=True, text=True
    ).stdout
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command
        assert f"dnslb {name}" in text
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in text, (name, parameter.opts)
    assert max(map(len, text.splitlines())) <= 200

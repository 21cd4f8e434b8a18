"""Completion, in the shells themselves: what the Tab key would offer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import tool

ZONE = """\
nameservers: [ns.example.com.]
pools:
  europe: {members: [{name: fra1, address: 192.0.2.1}, {name: ams1, address: 192.0.2.2}]}
services: {www: {pool: europe}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.org.yaml").write_text(ZONE)
    (tmp_path / "dnslb.yaml").touch()
    command = tmp_path / "bin" / "dnslb"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom dnslb.cli import main\nmain()\n")
    command.chmod(0o755)
    return tmp_path


BASH = """
source <(dnslb completion bash)
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _dnslb_completion dnslb
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def complete(folder, shell, line):
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    if shell == "bash":
        command = ["bash", "--norc", "-c", BASH.format(words=quoted)]
    else:
        script = f"dnslb completion fish | source; complete --do-complete '{line}'"
        command = [tool("fish", "fish"), "--no-config", "-c", script]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PATH": path, "HOME": str(folder)},
        timeout=60,
    )
    assert not done.stderr
    return [text.split("\t")[0] for text in done.stdout.splitlines()]


CASES = [
    ("dnslb exp", ["explain"]),
    ("dnslb explain --cl", ["--client"]),
    ("dnslb explain www", ["www.example.org"]),
    ("dnslb explain www.example.org AA", ["AAAA"]),
    ("dnslb explain www.example.org --down europe/f", ["europe/fra1"]),
    ("dnslb doctor exa", ["example.org"]),
    ("dnslb completion ", ["bash", "zsh", "fish"]),
    ("dnslb explain --config nothing.yaml www", []),
]


@pytest.mark.parametrize(("line", "offered"), CASES, ids=[line for line, _ in CASES])
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_what_is_offered(folder, shell, line, offered):
    assert sorted(filter(None, complete(folder, shell, line))) == sorted(offered)


def test_zsh_completes_what_is_typed(folder):
    """Zsh completes only where somebody types, so it types into a terminal of its own."""
    script = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source <(dnslb completion zsh)'
zpty -w shell 'echo loa""ded'
zpty -r -m shell seen '*loaded*'
zpty -w -n shell $'dnslb explain www.exa\t'
zpty -r -m shell seen '*www.example.org*'
print -r -- $seen
zpty -d shell
"""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [tool("zsh", "zsh"), "-f", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PATH": path, "HOME": str(folder), "TERM": "dumb"},
        timeout=60,
    )
    assert "www.example.org" in done.stdout


def test_the_other_configuration_is_completed(folder):
    other = folder / "other"
    (other / "zones").mkdir(parents=True)
    (other / "zones" / "example.net.yaml").write_text(ZONE)
    (other / "dnslb.yaml").touch()
    line = f"dnslb explain --config {Path('other') / 'dnslb.yaml'} www"
    assert complete(folder, "bash", line) == ["www.example.net"]

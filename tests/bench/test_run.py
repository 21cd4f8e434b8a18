"""The command of the bench: its list, its configurations, what it writes. No figure is looked at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import tool

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import scripts
from part import Settings

BENCH = Path(scripts.__file__).parent

PARTS = [
    "weighted",
    "static",
    "nxdomain",
    "case",
    "edns",
    "answers",
    "types",
    "tcp",
    "workers",
    "flood",
    "latency",
    "overload",
]


def run(*arguments, folder, path=None):
    environment = os.environ | ({"PATH": path} if path else {})
    return subprocess.run(
        [sys.executable, BENCH / "run.py", "--no-install", "--out", folder, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.fixture
def without_peers(tmp_path):
    """A PATH with what measuring needs, and no server."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program, package in (("dnsperf", "dnsperf"), ("taskset", "util-linux")):
        (folder / program).symlink_to(tool(program, package))
    if not {0, 1} <= os.sched_getaffinity(0):
        pytest.skip("measuring needs two CPUs")
    return str(folder)


def test_list(tmp_path):
    done = run("--list", folder=tmp_path)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(PARTS) <= set(names)
    assert len(set(names)) == len(names)
    assert all(len(line.split(maxsplit=1)) == 2 for line in done.stdout.splitlines())
    assert not (tmp_path / "RESULTS.md").exists()


SCRIPTS = {part.name: part for part in scripts.PARTS if part.name != "engine"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_knows_what_it_is_told(name, tmp_path):
    command = SCRIPTS[name].run.args[0](Settings(rounds=2, seconds=1.5, folder=tmp_path))
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, script, *arguments = command
    assert Path(script).name in done.stdout
    options = [argument for argument in arguments if argument.startswith("--")]
    assert all(option in done.stdout for option in options)


def test_a_part_that_there_is_not(tmp_path):
    done = run("weihgted", folder=tmp_path)
    assert done.returncode == 2
    assert "no part weihgted" in done.stderr


def test_without_peers(tmp_path, without_peers):
    done = run("weighted", "--rounds", "1", "--seconds", "0.3", folder=tmp_path, path=without_peers)
    assert done.returncode == 0, done.stderr
    assert "apt-get install gdnsd" in done.stderr
    written = (tmp_path / "RESULTS.md").read_text()
    assert "\n| dnslb |" in written
    assert "gdnsd (CPU per answer); not measured" in written
    assert (tmp_path / "results" / "weighted.md").read_text() in written


def test_beside_gdnsd(tmp_path, without_peers):
    path = f"{without_peers}:{Path(tool('gdnsd', 'gdnsd')).parent}"
    only = ("--only", "dnslb", "gdnsd")
    done = run("case", "--rounds", "1", "--seconds", "0.3", *only, folder=tmp_path, path=path)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "RESULTS.md").read_text()
    for row in ("dnslb, hit", "dnslb, mixed case", "gdnsd, hit", "gdnsd, mixed case"):
        assert f"\n| {row} |" in written
    assert "not measured" not in written

"""What the tests of whole daemons share."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import Daemon, Web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def webs() -> Iterator[Callable[[int], list[Web]]]:
    """Make so many web servers, on 127.0.0.11 and on."""
    made: list[Web] = []

    def make(count: int) -> list[Web]:
        first = 11 + len(made)
        made.extend([Web(f"127.0.0.{first + index}") for index in range(count)])
        return made[-count:]

    yield make
    for web in made:
        web.stop()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a configuration: zone file contents by origin."""

    def write(server: str = "", **zones: str) -> Path:
        folder = tmp_path / "zones"
        folder.mkdir(exist_ok=True)
        for origin, text in zones.items():
            (folder / f"{origin.replace('_', '.')}.yaml").write_text(text)
        config = tmp_path / "dnslb.yaml"
        config.write_text(server or 'listen: ["127.0.0.1:0"]\n')
        return config

    return write


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder with one for zones, that other users may look into, which those of pytest are not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    (path / "zones").mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def serve() -> Iterator[Callable[..., Daemon]]:
    """Start daemons, which end with the test; an end that is not clean fails it."""
    daemons: list[Daemon] = []

    def serve(config: Path, *arguments: str, cwd: Path | None = None) -> Daemon:
        daemon = Daemon(config, *arguments, cwd=cwd)
        daemons.append(daemon)
        return daemon

    yield serve
    for daemon in daemons:
        code = daemon.end()
        assert "Traceback" not in "\n".join(daemon.lines)
        assert daemon.killed or code in {0, 1, 2}

"""The document says what the API does: a walk through all of it, with many requests of all kinds."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from serving import call, played, serving

from dnslb.web.openapi import document
from dnslb.web.site import ROUTES

TOKEN = "0123456789abcdef"

# without names that are there, nothing but errors would be seen
NAMES = """
[parameters]
"path.pool" = "p"
"path.name" = "a"
"path.service" = "www"
"""

# what a schema cannot say: that a text is a domain name, or printable in every language
UNSAID = "positive_data_acceptance"

# A request is followed by up to two that try bad tokens; a fast machine would ask more than the API
# takes of one client, and find 429 where 401 is awaited.
CALM = "100/s"


def test_the_document_is_true(tmp_path):
    async def run():
        async with serving(tmp_path, token=f"all operate {TOKEN}") as (_, server):
            (tmp_path / "schemathesis.toml").write_text(NAMES)
            url = f"http://127.0.0.1:{server.api.port}/api/v1/openapi.json"
            done = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("schemathesis"), "run", url,
                "-H", f"Authorization: Bearer {TOKEN}", "--max-examples", "15", "--seed", "1",
                "--rate-limit", CALM,
                "--exclude-checks", UNSAID, "--exclude-path", "/api/v1/events",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path,
            )  # fmt: skip
            output, _ = await done.communicate()
            text = output.decode()
            assert done.returncode == 0, text
            cases = re.search(r"(\d+) generated, (\d+) passed", text)
            assert cases, text
            assert int(cases[1]) > 200

    asyncio.run(run())


def test_every_route_is_in_it():
    shown = document(ROUTES, tokens=True)
    found = {(method.upper(), path) for path, one in shown["paths"].items() for method in one}
    assert found == {(route.method, f"/api/v1/{route.path}") for route in ROUTES}
    assert shown["security"]
    identifiers = [one["operationId"] for path in shown["paths"].values() for one in path.values()]
    assert len(identifiers) == len(set(identifiers))


def test_it_is_served(tmp_path):
    async def scenario(session):
        status, shown = await call(session, "GET", "openapi.json")
        assert (status, shown["openapi"]) == (200, "3.1.0")
        assert "security" not in shown

    played(tmp_path, scenario)

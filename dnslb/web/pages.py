"""The dashboard at `/`: one page and its parts, as they stand in `dnslb/web/dashboard/`.

The page holds nothing secret, so it needs no token; what it shows comes from the API, which does.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from aiohttp import web
from aiohttp.helpers import ETag

__all__ = ["add_pages"]

KINDS: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
}
"""What is served, by the end of its name; all of it is UTF-8."""

POLICY: Final = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "connect-src 'self'; "
    "img-src 'self' data:; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing from elsewhere, no script or style within the page, and no frame of others around it."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # asked for again each time, and answered 304 while it is the same
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_pages(router: web.UrlDispatcher) -> None:
    """Add the routes `/` and `/static/{file}`."""
    pages = {
        file.name: file.read_bytes()
        for file in files("dnslb.web").joinpath("dashboard").iterdir()
        if file.name.rpartition(".")[2] in KINDS
    }
    tags = {name: hashlib.sha256(body).hexdigest()[:32] for name, body in pages.items()}

    async def page(request: web.Request) -> web.Response:
        name = request.match_info.get("file", "index.html")
        if name not in pages:
            raise web.HTTPNotFound
        tag = ETag(tags[name])
        known = request.if_none_match or ()
        if any(one.value in {tag.value, "*"} for one in known):
            response = web.Response(status=304, headers=HEADERS)
        else:
            response = web.Response(
                body=pages[name],
                content_type=KINDS[name.rpartition(".")[2]],
                charset="utf-8",
                headers=HEADERS,
            )
            response.enable_compression()
        response.etag = tag
        return response

    router.add_get("/", page)
    router.add_get("/static/{file}", page)

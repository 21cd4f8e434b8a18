"""What the API answers when it cannot do what it is asked: one form for all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

__all__ = ["ApiError", "errors_as_json"]

log = logging.getLogger("dnslb.api")


class ApiError(Exception):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.problems = problems  # one by one, where there are several

    def response(self) -> web.Response:
        """`{"error": {"code": ..., "message": ...}}`."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else self.headers
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.problems:
            error["problems"] = list(self.problems)
        body = {"error": error}
        return web.json_response(body, status=self.status, headers=headers)


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every error in the same form."""
    try:
        return await handler(request)
    except ApiError as error:
        return error.response()
    except web.HTTPRequestEntityTooLarge:
        return ApiError(413, "too-large", "the body is too large").response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = "not-found" if error.status == 404 else error.reason.lower().replace(" ", "-")
        answer = ApiError(error.status, code, f"{request.method} {request.path}: {error.reason}")
        response = answer.response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return ApiError(500, "fault", "a fault in the server; its log says more").response()

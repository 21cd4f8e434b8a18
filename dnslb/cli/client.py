"""Talking to the running server by its API, which its configuration says how to reach."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import click

from dnslb.config.load import load
from dnslb.config.secret import words_of
from dnslb.errors import DnslbError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from dnslb.config.model import Api

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["Client", "RefusedError", "client_of", "running"]

TIMEOUT: Final = 60.0
"""Seconds that an answer may take: a reload checks what is new first."""

PREFIX: Final = "/api/v1/"

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class RefusedError(DnslbError):
    """What the server answers when it does not do what it is asked."""

    def __init__(self, code: str, message: str, problems: list[str]) -> None:
        super().__init__(message)
        self.code = code
        self.problems = problems


class Client:
    """Asks the API at `url`."""

    def __init__(self, url: str, token: str | None = None, anchor: Path | None = None) -> None:
        parts = urlsplit(url)
        self._url = url
        self._https = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._https else 80)
        self._token = token
        self._anchor = anchor  # the server's own certificate, where it stands in our configuration

    @classmethod
    def of(cls, api: Api) -> Client:
        """The client of a server with this configuration, on this machine.

        Raises:
            DnslbError: the tokens cannot be read.
        """
        host = str(api.listen.address)
        host = _ANY.get(host, host)
        name = f"[{host}]" if ":" in host else host
        scheme = "http" if api.tls is None else "https"
        token = None if api.token_file is None else read_token(api.token_file)
        return cls(
            f"{scheme}://{name}:{api.listen.port}", token, api.tls.certificate if api.tls else None
        )

    def get(self, path: str, **query: str | None) -> Any:
        """What the server tells.

        Raises:
            DnslbError: it cannot be reached.
            RefusedError: it refuses.
        """
        return self._ask("GET", path, query, None)

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str | None
    ) -> Any:
        """Have the server do something.

        Raises:
            DnslbError, RefusedError: as for `get`.
        """
        return self._ask(method, path, query, body)

    def events(self, kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens, until the connection ends."""
        connection = self._connect(None)
        try:
            response = self._respond(connection, "GET", f"{PREFIX}events?kind={kinds}", None)
            kind = ""
            for raw in response:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)
        finally:
            connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None],
        body: Mapping[str, Any] | None,
    ) -> Any:
        given = {key: value for key, value in query.items() if value is not None}
        target = PREFIX + quote(path, safe="/") + (f"?{urlencode(given)}" if given else "")
        connection = self._connect(TIMEOUT)
        try:
            response = self._respond(connection, method, target, body)
            content = response.read()
        except TimeoutError:
            raise DnslbError(f"{self._url}: no answer within {TIMEOUT:g}s") from None
        finally:
            connection.close()
        try:
            answer = json.loads(content)
        except ValueError:
            raise DnslbError(f"{self._url}: this is no API of dnslb") from None
        if response.status >= 400:
            error = answer.get("error", {}) if isinstance(answer, dict) else {}
            raise RefusedError(
                str(error.get("code", "")),
                str(error.get("message", f"HTTP {response.status}")),
                list(error.get("problems", [])),
            )
        return answer

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        if not self._https:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        context = ssl.create_default_context()
        if self._anchor is not None:
            # it is this very certificate, whatever name it carries
            context.load_verify_locations(self._anchor)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = False
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)

    def _respond(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: Mapping[str, Any] | None,
    ) -> http.client.HTTPResponse:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        try:
            connection.request(method, target, content, headers)
            return connection.getresponse()
        except ConnectionRefusedError:
            raise DnslbError(
                f"nothing listens at {self._url}: start the server (`dnslb serve`), or say where "
                "its API is with --api"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DnslbError(f"{self._url}: {reason}") from None


def read_token(file: Path) -> str:
    """The token in `file` that may do most.

    Raises:
        DnslbError: there is none that can be read.
    """
    try:
        tokens = [words for _, words in words_of(file.read_text("utf-8"))]
    except OSError as error:
        raise DnslbError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise DnslbError(f"{file}: is not UTF-8 text") from None
    if not tokens:
        raise DnslbError(f"{file}: holds no token")
    operating = (words[-1] for words in tokens if len(words) != 3 or words[1] == "operate")
    return next(operating, tokens[0][-1])


def running(function: F) -> F:
    """Options that say which running server is meant; the command gets its `client`."""
    options = (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            default=Path("dnslb.yaml"),
            show_default=True,
            help="The configuration of the running server, which says where its API is.",
        ),
        click.option("--api", metavar="URL", help="Where its API is instead."),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            help="The token, or the server's file of tokens; with --api.",
        ),
    )

    def command(config: Path, api: str | None, token_file: Path | None, **arguments: Any) -> Any:
        return function(client=client_of(config, api, token_file), **arguments)

    command.__doc__ = function.__doc__
    wrapped: Any = command
    wrapped.__click_params__ = getattr(function, "__click_params__", [])
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def client_of(config: Path, url: str | None = None, token_file: Path | None = None) -> Client:
    """The client of the server that runs `config`, or has its API at `url`.

    Raises:
        DnslbError: it has no API that can be found.
    """
    if url is not None:
        if urlsplit(url).scheme not in {"http", "https"}:
            message = f"{url!r} is no URL; write http://127.0.0.1:8053"
            raise click.BadParameter(message, param_hint="--api")
        return Client(url.rstrip("/"), None if token_file is None else read_token(token_file))
    loaded, _ = load(config)
    if loaded.api is None:
        raise DnslbError(f"{config}: the server has no API; set `api: {{}}` and restart it")
    if loaded.api.listen.port == 0:
        raise DnslbError(f"{config}: the API has any free port; say which with --api")
    return Client.of(loaded.api)

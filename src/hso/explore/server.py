"""The page over HTTP, for a browser on this machine and nobody else.

- It listens on the loopback address only.
- A request must name this address as its host. A page on the web that lets its own name point here (DNS rebinding) is
  refused.
- A request that another page makes (``Origin``, ``Sec-Fetch-Site``) is refused. Questions must be JSON, which another page
  cannot send without asking first, and nothing here answers that.
- The only files are those of the page, in a fixed list, and the images of the run, by number. No path comes from a request.
- The page may load nothing from anywhere else (``Content-Security-Policy``).

Every error is one line of JSON, and nothing is printed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, NamedTuple

from hso.errors import ArgumentError, HSOError
from hso.explore.answers import Explorer
from hso.explore.state import State
from hso.version import VERSION

LOOPBACK = "127.0.0.1"
MOST_BODY = 256 * 1024
# A browser that opens a connection and says nothing is cut off after so many seconds.
PATIENCE = 60
KINDS = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class RequestError(Exception):
    """A request that is not answered: the status, and one line that says why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


class Reply(NamedTuple):
    """What is sent."""

    status: HTTPStatus
    kind: str
    content: bytes


def page_files() -> dict[str, bytes]:
    """The files of the page by name."""
    folder = files("hso.explore").joinpath("static")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in KINDS}


def _asked(content: Any) -> tuple[State, dict[str, Any]]:
    """The state of a question, and its other fields."""
    if not isinstance(content, dict):
        raise ArgumentError("request", "a JSON object", content)
    rest = dict(content)
    return State.read(rest.pop("state", None)), rest


def _text(explorer: Explorer, content: Any) -> Any:
    state, rest = _asked(content)
    return explorer.text(state, str(rest.get("host")))


def _images(explorer: Explorer, content: Any) -> Any:
    if explorer.pictures is None:
        raise ArgumentError("run", "the folder of a comparison, --run DIR", None)
    return explorer.pictures.images(content.get("entry") if isinstance(content, dict) else None)


# What may be asked. A new question is one line here.
QUESTIONS: Mapping[str, Callable[[Explorer, Any], Any]] = {
    "/api/catalogue": lambda explorer, content: explorer.catalogue(),
    "/api/view": lambda explorer, content: explorer.view(_asked(content)[0]),
    "/api/judge": lambda explorer, content: explorer.judge(_asked(content)[0]),
    "/api/compared": lambda explorer, content: explorer.compared(_asked(content)[0]),
    "/api/text": _text,
    "/api/images": _images,
}


class Page(ThreadingHTTPServer):
    """The server of one page.

    Args:
        explorer: What may be asked.
        port: The port; 0 picks a free one.

    Raises:
        ArgumentError: If the port cannot be had.
    """

    daemon_threads = True
    block_on_close = False
    # Of two servers on one port each would get some of the requests. On Windows this switch allows that.
    allow_reuse_address = os.name == "posix"

    def __init__(self, explorer: Explorer, port: int = 0) -> None:
        self.explorer, self.files = explorer, page_files()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise ArgumentError("port", "a free port", port, f"{error.strerror}; 0 picks a free one") from None

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request may name as its host."""
        return (f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that goes away in the middle of an answer is no error of the program."""


class _Handler(BaseHTTPRequestHandler):
    server: Page
    protocol_version = "HTTP/1.1"
    server_version, sys_version = f"hso/{VERSION}", ""
    timeout = PATIENCE
    # An answer is sent at once, in one piece; waiting for more would cost forty milliseconds.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(self._file)

    def do_HEAD(self) -> None:
        self._answer(self._file)

    def do_POST(self) -> None:
        self._answer(self._question)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class refuses, such as an unknown method, like everything else."""
        status = HTTPStatus(code)
        self.close_connection = True
        self._send(_error(status, message or status.phrase))

    def _answer(self, find: Callable[[], Reply]) -> None:
        try:
            self._check_sender()
            reply = find()
        except RequestError as error:
            # What is left of the request is not read, so the connection cannot be used again.
            self.close_connection = True
            reply = _error(error.status, error.reason)
        except HSOError as error:
            reply = _error(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:
            reply = _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"unexpected {type(error).__name__}: {error} (a bug)")
        self._send(reply)

    def _check_sender(self) -> None:
        """Refuse what a page from elsewhere sends."""
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            raise RequestError(HTTPStatus.FORBIDDEN, f"the host must be {self.server.hosts[0]}")
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        if origin is not None and origin not in [f"http://{host}" for host in self.server.hosts]:
            raise RequestError(HTTPStatus.FORBIDDEN, "requests of other pages are refused")
        if self.command == "POST" and site not in ("same-origin", "none"):
            raise RequestError(HTTPStatus.FORBIDDEN, "requests of other pages are refused")

    def _file(self) -> Reply:
        name = self.path.partition("?")[0].removeprefix("/") or "index.html"
        if name not in self.server.files:
            raise RequestError(HTTPStatus.NOT_FOUND, "there is no such page")
        return Reply(HTTPStatus.OK, KINDS[name.rpartition(".")[2]], self.server.files[name])

    def _question(self) -> Reply:
        ask = QUESTIONS.get(self.path)
        if ask is None:
            raise RequestError(HTTPStatus.NOT_FOUND, "there is no such question")
        found = ask(self.server.explorer, self._body())
        return Reply(HTTPStatus.OK, "application/json", json.dumps(found, allow_nan=False).encode())

    def _body(self) -> Any:
        if self.headers.get_content_type() != "application/json":
            raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "questions are JSON")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, "the length of the question is missing")
        # Before the number is made: one of a million digits takes long.
        if len(length) > len(str(MOST_BODY)) or int(length) > MOST_BODY:
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a question has at most {MOST_BODY} bytes")
        try:
            return json.loads(self.rfile.read(int(length)))
        except (RecursionError, ValueError):
            raise RequestError(HTTPStatus.BAD_REQUEST, "expected JSON, got something else") from None

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content)


def _error(status: HTTPStatus, reason: str) -> Reply:
    line = " ".join(reason.split())
    return Reply(status, "application/json", json.dumps({"error": line}).encode())

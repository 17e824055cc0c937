"""The report page on loopback, for who has its address and for nobody else.

Any program and any web page of this machine can reach a port on loopback. So the address holds a token made at the start, and
the Host header must name this server: a page of another site that points its own name at 127.0.0.1 is refused.
"""

from __future__ import annotations

import hmac
import http.server
import secrets
import sys
from http import HTTPStatus
from typing import Any, Final

HOST: Final = "127.0.0.1"


def new_token() -> str:
    """A token for an address, another one at each start."""
    return secrets.token_urlsafe(24).replace("-", "x").replace("_", "y")


class PageServer(http.server.ThreadingHTTPServer):
    """Serves one page at `address`. Raises `OSError` where the port is taken."""

    daemon_threads = True

    def __init__(self, page: bytes, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.page = page
        self.token = new_token()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a Host header may say."""
        return tuple(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away before it had the whole page is no fault of the server, and nothing to say."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of one page; everything else is refused in a line of text."""

    server: PageServer
    server_version = "dlprof"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            self._send(
                HTTPStatus.FORBIDDEN, b"This server answers to its own address alone.\n", "text/plain", body=body
            )
        elif not hmac.compare_digest(self.path.encode(), f"/{self.server.token}/".encode()):
            told = b"There is nothing at this address. `dlprof view` printed the right one, with a token in it.\n"
            self._send(HTTPStatus.NOT_FOUND, told, "text/plain", body=body)
        else:
            self._send(HTTPStatus.OK, self.server.page, "text/html", body=body)

    def _send(self, status: HTTPStatus, content: bytes, kind: str, *, body: bool) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Requests are nobody's business."""

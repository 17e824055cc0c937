"""The report page is served to who has its address, and to nobody else."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator

import pytest

from dlprof.cli.page_server import HOST, PageServer, new_token

PAGE = b"<!doctype html><title>report</title>"


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer(PAGE, 0) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def asked(server: PageServer, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of the answer. host: what the Host header says, else the server's own."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host or f"{HOST}:{server.server_port}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_address_with_its_token_gives_the_page(server: PageServer) -> None:
    assert server.address == f"http://{HOST}:{server.server_port}/{server.token}/"
    assert asked(server, f"/{server.token}/") == (200, PAGE)
    assert asked(server, f"/{server.token}/", host=f"localhost:{server.server_port}") == (200, PAGE)


def test_head_gives_no_body(server: PageServer) -> None:
    assert asked(server, f"/{server.token}/", method="HEAD") == (200, b"")


@pytest.mark.parametrize("path", ["/", "/index.html", "/wrong-token/"])
def test_another_path_gives_nothing(path: str, server: PageServer) -> None:
    status, body = asked(server, path)
    assert status == 404
    assert PAGE not in body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1"])
def test_a_page_of_another_site_that_points_here_is_refused_even_with_the_token(host: str, server: PageServer) -> None:
    status, body = asked(server, f"/{server.token}/", host=host)
    assert status == 403
    assert PAGE not in body


def test_what_is_not_a_reading_is_refused(server: PageServer) -> None:
    assert asked(server, f"/{server.token}/", method="POST")[0] == 501


def test_each_start_has_another_token_that_needs_no_escaping_in_an_address() -> None:
    tokens = {new_token() for _ in range(20)}
    assert len(tokens) == 20
    assert all(token.isalnum() and len(token) == 32 for token in tokens)

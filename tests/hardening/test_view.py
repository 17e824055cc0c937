"""The served page answers who has its address and nobody else; the page itself runs its own script alone."""

import base64
import hashlib
import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from places import ROOT

from dlprof.cli.page_server import PageServer, new_token
from dlprof.report.html import parts


@pytest.fixture
def server():
    with PageServer(b"<!DOCTYPE html>secret", 0) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield served
        served.shutdown()


def ask(server: PageServer, path: str, host: str | None = None, verb: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(verb, path, skip_host=True)
    for one in [f"127.0.0.1:{server.server_port}"] if host is None else host.split("|") if host else []:
        connection.putheader("Host", one)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_who_has_the_address_gets_the_page(server):
    assert ask(server, f"/{server.token}/") == (200, b"<!DOCTYPE html>secret")
    assert ask(server, f"/{server.token}/", host=f"localhost:{server.server_port}")[0] == 200
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:PORT",
        "[::1]:PORT",
        "",
        "127.0.0.1:PORT|evil.example",
    ],
)
def test_a_page_of_another_site_that_names_this_machine_gets_nothing(server, attacked, host):
    attacked()
    status, content = ask(server, f"/{server.token}/", host=host.replace("PORT", str(server.server_port)))
    assert status == 403
    assert b"secret" not in content


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index.html",
        "/TOKEN",
        "/TOKEN/../",
        "/TOKEN/index.html",
        "/TOKEN/?x",
        "/x/",
        "/%2e%2e/etc/passwd",
        "/../../etc/passwd",
        "/TOKEN//etc/passwd",
        "http://evil/TOKEN/",
        "*",
    ],
)
def test_any_other_path_is_answered_in_plain_words(server, attacked, path):
    attacked()
    status, content = ask(server, path.replace("TOKEN", server.token))
    assert status == 404
    assert content.startswith(b"There is nothing at this address")


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_it_can_only_be_read(server, attacked, verb):
    attacked()
    status, content = ask(server, f"/{server.token}/", verb=verb)
    assert status == 501
    assert b"secret" not in content


def test_a_browser_that_goes_away_is_nothing_to_speak_of(capfd):
    with PageServer(b"x" * (64 << 20), 0) as served:
        threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", served.server_port), timeout=10) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                head = f"GET /{served.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}\r\n\r\n"
                gone.sendall(head.encode())
                assert gone.recv(12) == b"HTTP/1.0 200"
        served.shutdown()
    for thread in threading.enumerate():
        if thread.name.startswith("Thread-") and "process_request" in thread.name:
            thread.join(10)
    assert capfd.readouterr().err == ""


def test_the_token_is_another_at_each_start():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", token) for token in tokens)


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none_is_refused_in_plain_words(attack, capture, port):
    done = attack("view", capture, "--port", port)
    assert done.code == 2
    assert f"--port {port}: not a port" in done.stderr


@pytest.mark.parametrize("viewer", ["report", "tensorboard"])
def test_a_busy_port_is_refused_in_plain_words(dlprof, attacked, capture, viewer):
    attacked()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = dlprof("view", capture, "--port", port, "--in", viewer)
    assert done.returncode == 2
    assert f"--port {port} is in use" in done.stderr
    assert "--port" in done.stderr.splitlines()[-1]


@pytest.fixture
def capture(tmp_path) -> Path:
    file = tmp_path / "t.json"
    file.write_text(
        '{"traceEvents": [{"name": "op", "cat": "cpu_op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2}]}'
    )
    return file


def test_the_page_lets_its_own_script_run_and_no_other():
    page = parts.page("t", "", [], {"name": "</script><script>alert(1)</script>"})
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in re.search(r"script-src [^;]+", policy)[0]
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 1
    assert base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode() in policy
    assert not re.search(r"\son[a-z]+=", page)


def test_where_there_is_no_browser_it_says_how_the_page_is_reached(tmp_path):
    words = [sys.executable, "-m", "dlprof", "view", str(ROOT / "traces" / "matmul-tf-exact"), "--open"]
    bare = {name: value for name, value in os.environ.items() if name not in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")}
    with subprocess.Popen(
        words, env={**bare, "PATH": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        port = urlsplit(process.stdout.readline().split()[0]).port
        told = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert told.startswith("no browser was found here")
    assert f"ssh -L {port}:127.0.0.1:{port} HOST" in told
    assert process.returncode == 0

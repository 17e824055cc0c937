"""`dlprof view`: look at a result in TensorBoard, or at its report page served on this machine only."""

from __future__ import annotations

import argparse
import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dlprof.cli.terminal import line

_T = TypeVar("_T")

EXAMPLES = """examples:
  dlprof view my-comparison               the report page, on http://127.0.0.1:…
  dlprof view my-capture --tensorboard    in TensorBoard's profile plugin; dlprof makes its environment at the first time
  dlprof view my-comparison --open        and open a browser"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_pair_argument

    add_pair_argument(parser)
    parser.add_argument("a", type=Path, metavar="A", help="comparison or capture directory, or a raw trace")
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="a second capture or raw trace")
    parser.add_argument("--in", dest="viewer", choices=["report", "tensorboard"], default="report")
    parser.add_argument(
        "--tensorboard", dest="viewer", action="store_const", const="tensorboard", help="the same as --in tensorboard"
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--open", action="store_true", help="open a browser")


def run(arguments: argparse.Namespace) -> int:
    from dlprof import temporary
    from dlprof.api.load import opened_any
    from dlprof.api.rankings import RankingResult
    from dlprof.api.render import logdir, page

    with (
        temporary.folder("view") as folder,
        opened_any(arguments.a, arguments.b, arguments.pair) as result,
    ):
        if arguments.viewer == "tensorboard":
            logdir(result.named(None) if isinstance(result, RankingResult) else result, folder / "logdir")
            return _tensorboard(folder / "logdir", arguments.port, arguments.open)
        (folder / "index.html").write_text(page(result), encoding="utf-8")
        return _serve(folder, arguments.port, arguments.open)


def _serve(folder: Path, port: int, browse: bool) -> int:
    """Serve the page of a folder on loopback until Ctrl-C."""
    from dlprof.cli.page_server import PageServer

    with _listening(port, lambda: PageServer((folder / "index.html").read_bytes(), port)) as server:
        try:
            _tell(server.address, browse)
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _listening(port: int, start: Callable[[], _T]) -> _T:
    """What `start` gives. Raises `UsageError` where the port cannot be had."""
    from dlprof.errors import UsageError

    if not 0 <= port <= 65_535:
        raise UsageError(f"--port {port}: not a port", hint="a number from 1 to 65535, or 0 for a free one")
    try:
        return start()
    except OSError as error:
        why = {errno.EADDRINUSE: "is in use", errno.EACCES: "may only be used by the administrator"}
        said = why.get(error.errno or 0, f"cannot be used: {error.strerror}")
        raise UsageError(f"--port {port} {said}", hint="leave --port out for a free one") from None


def _tensorboard(folder: Path, port: int, browse: bool) -> int:
    """TensorBoard on the log directory until Ctrl-C, from an environment of its own."""
    from dlprof.capture.environments import viewer
    from dlprof.cli import tensorboard_server
    from dlprof.cli.terminal import Progress

    _listening(port, lambda: _free(port))
    with Progress() as progress:
        progress.stage("TensorBoard")
        python = viewer.python(progress.detail, progress.say)
    try:
        with tensorboard_server.served(python, folder, port) as (address, child):
            _tell(address, browse)
            tensorboard_server.ended(child)
    except KeyboardInterrupt:
        return 0
    return 0


def _free(port: int) -> None:
    """Raises `OSError` where the port is taken: said before an environment is made and a process started."""
    import socket

    from dlprof.cli.page_server import HOST

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


def _tell(address: str, browse: bool) -> None:
    line(f"{address}   (Ctrl-C ends it)")
    if browse:
        import webbrowser
        from urllib.parse import urlsplit

        from dlprof.cli.terminal import say

        if not webbrowser.open(address):
            port = urlsplit(address).port
            say(
                "no browser was found here: open the address in one of this machine, or of yours after "
                f"`ssh -L {port}:127.0.0.1:{port} HOST`"
            )

"""`dlprof view`: look at a result in TensorBoard, or at its report page served on this machine only."""

from __future__ import annotations

import argparse
from pathlib import Path

from dlprof.cli.terminal import line

EXAMPLES = """examples:
  dlprof view my-comparison               the report page, on http://127.0.0.1:…
  dlprof view my-capture --in tensorboard   needs dlprof[tensorboard]
  dlprof view my-comparison --open        and open a browser"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="comparison or capture directory, or a raw trace")
    parser.add_argument("b", type=Path, nargs="?", metavar="B", help="a second capture or raw trace")
    parser.add_argument("--in", dest="viewer", choices=["report", "tensorboard"], default="report")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--open", action="store_true", help="open a browser")


def run(arguments: argparse.Namespace) -> int:
    from dlprof import temporary
    from dlprof.api.load import opened_result
    from dlprof.api.render import logdir, page

    with (
        temporary.folder("view") as folder,
        opened_result(arguments.a, arguments.b) as result,
    ):
        if arguments.viewer == "tensorboard":
            logdir(result, folder / "logdir")
            return _tensorboard(folder / "logdir", arguments.port, arguments.open)
        (folder / "index.html").write_text(page(result), encoding="utf-8")
        return _serve(folder, arguments.port, arguments.open)


def _serve(folder: Path, port: int, browse: bool) -> int:
    """Serve a folder on loopback until Ctrl-C."""
    import functools
    import http.server

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Requests are nobody's business."""

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", port), functools.partial(Quiet, directory=str(folder))
    ) as server:
        _tell(f"http://127.0.0.1:{server.server_port}/", browse)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _tensorboard(folder: Path, port: int, browse: bool) -> int:
    from dlprof.errors import Unsupported

    try:
        from tensorboard import program
    except ImportError:
        raise Unsupported("TensorBoard is not installed", hint="python3 -m pip install 'dlprof[tensorboard]'") from None
    import signal

    board = program.TensorBoard()
    board.configure(
        argv=[None, "--logdir", str(folder), "--host", "127.0.0.1", "--port", str(port), "--load_fast=false"]
    )
    _tell(board.launch(), browse)
    try:
        signal.pause()
    except KeyboardInterrupt:
        return 0
    return 0


def _tell(address: str, browse: bool) -> None:
    line(f"{address}   (Ctrl-C ends it)")
    if browse:
        import webbrowser

        webbrowser.open(address)

"""Data sets of ranks at URLs: written to a real FTP server, read from it and from a real HTTP server; what cannot be is said."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rank_traces import job

from dlprof.api.ranks.build import build
from dlprof.cli.main import main
from dlprof.errors import DlprofError, UsageError
from dlprof.store.rank_set import TABLES
from dlprof.store.remote_set import here, place

pytest.importorskip("fsspec", reason="the extra dlprof[urls]")
pytest.importorskip("pyftpdlib", reason="a real FTP server")

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:write permissions assigned to anonymous:RuntimeWarning"),  # on loopback
    pytest.mark.filterwarnings("ignore:The asyn(core|chat) module is deprecated:DeprecationWarning"),  # the server's
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return job(tmp_path_factory.mktemp("traces") / "job", lambda rank, _: 90.0 * (rank == 2))


@pytest.fixture(scope="module")
def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("local") / "set"
    build(folder, target, jobs=1)
    return target


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that it serves."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

    served = tmp_path / "served"
    served.mkdir()

    class Handler(FTPHandler):  # type: ignore[misc, unused-ignore]
        authorizer = DummyAuthorizer()

    Handler.authorizer.add_anonymous(str(served), perm="elradfmwMT")
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), Handler, ioloop=loop)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            loop.loop(timeout=0.01, blocking=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"ftp://127.0.0.1:{server.address[1]}", served
    finally:
        over.set()
        thread.join()
        server.close_all()


@pytest.fixture
def web(local: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(local.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def contents(data: Path) -> dict[str, bytes]:
    """All files; of the index what does not tell when and by which command."""
    found = {str(file.relative_to(data)): file.read_bytes() for file in sorted(data.rglob("*")) if file.is_file()}
    index = {**json.loads(found.pop("_dlprof/dataset.json")), "created": "", "command": []}
    return {**found, "index": json.dumps(index).encode()}


def ranks(data: Path | str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["ranks", str(data)]) == 0
    return capsys.readouterr().out


def test_what_is_written_to_a_server_is_what_a_folder_would_hold(
    ftp: tuple[str, Path], folder: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, served = ftp
    assert main(["import", str(folder), "-o", f"{address}/deep/set", "--jobs", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == f"{address}/deep/set"
    assert f"{address}/deep/set: 4 ranks of 1 run" in said.err
    assert contents(served / "deep" / "set") == contents(local)
    assert ranks(f"{address}/deep/set", capsys) == ranks(local, capsys)


def test_only_what_is_new_is_sent(
    ftp: tuple[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, served = ftp
    some = job(tmp_path / "job", lambda rank, _: 90.0 * (rank == 2))
    last = (some / "rank3.json").read_bytes()
    (some / "rank3.json").unlink()
    words = ["import", str(some), "-o", f"{address}/set", "--jobs", "1"]
    assert main(words) == 0
    parts = sorted((served / "set").glob("run=*/rank=*/part.parquet"))
    before = {part: part.stat().st_mtime_ns for part in parts}
    assert len(parts) == 3
    (some / "rank3.json").write_bytes(last)
    capsys.readouterr()
    assert main(words) == 0
    assert "4 ranks of 1 run" in (said := capsys.readouterr().err)
    assert "3 of the files unchanged" in said
    assert {part: part.stat().st_mtime_ns for part in parts} == before
    assert "4 ranks, 12 steps" in ranks(f"{address}/set", capsys)


def test_an_import_that_fails_leaves_nothing(
    ftp: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, served = ftp
    broken = tmp_path / "broken"
    broken.mkdir()
    for rank in range(2):
        (broken / f"rank{rank}.json").write_text('{"schemaVersion": 1, "traceEvents": [{"ph": "X"')
    assert main(["import", str(broken), "-o", f"{address}/set", "--as", "ranks", "--jobs", "1"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert not [file for file in served.rglob("*") if file.is_file()]


def test_a_web_server_is_read(web: str, local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ranks(f"{web}/set", capsys) == ranks(local, capsys)
    assert ranks(f"{web}/set/", capsys) == ranks(local, capsys)


def test_what_is_not_there_is_said_by_its_url(web: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranks", f"{web}/nothing"]) == 1
    said = capsys.readouterr().err
    assert f"{web}/nothing: no data set of ranks" in said
    assert "Traceback" not in said


def test_a_server_that_takes_no_files_is_said_before_anything_is_read(
    web: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(folder), "-o", f"{web}/new"]) == 1
    said = capsys.readouterr().err
    assert f"{web}/new: " in said
    assert "Traceback" not in said


def test_a_damaged_table_is_said_by_its_url(
    ftp: tuple[str, Path], local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, served = ftp
    for name, content in contents(local).items():
        if name.startswith("_dlprof/"):
            (served / name).parent.mkdir(exist_ok=True, parents=True)
            (served / name).write_bytes(content[: len(content) // 2] if "steps" in name else content)
    (served / "_dlprof" / "dataset.json").write_bytes((local / "_dlprof" / "dataset.json").read_bytes())
    moved = served / "set"
    moved.mkdir()
    (served / "_dlprof").rename(moved / "_dlprof")
    assert main(["ranks", f"{address}/set"]) == 1
    assert f"{address}/set/_dlprof/steps.parquet" in capsys.readouterr().err.replace("\n", "")


def test_a_server_that_lists_other_files_has_none_of_them_fetched(
    ftp: tuple[str, Path], folder: Path, tmp_path: Path
) -> None:
    address, served = ftp
    assert main(["import", str(folder), "-o", f"{address}/set", "--jobs", "1"]) == 0
    strange = served / "set" / "run=job" / "rank=0" / "more.bin"
    strange.write_bytes(b"x" * 10)
    (served / "set" / "run=job" / "rank=9").mkdir()
    assert main(["import", str(folder), "-o", f"{address}/set", "--jobs", "1"]) == 0
    assert strange.read_bytes() == b"x" * 10
    assert tuple(TABLES)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://me:secret@127.0.0.1/set", "a password in a URL"),
        ("memory://set", "ends with this command"),
        ("nothing://bucket/set", "nothing"),
        ("file://relative/set", "no absolute path"),
        ("s3://", "names no data set"),
        ("http://[::1/set", "no"),
        ("ftp://127.0.0.1/set?x=1", "no plain URL"),
        ("simplecache::ftp://127.0.0.1/set", "no"),
        ("ftp://127.0.0.1:9/set", "ftp://127.0.0.1:9/set: ConnectionRefused"),
        ("http://127.0.0.1:9/set", "Cannot connect"),
    ],
)
def test_urls_that_cannot_be_are_said(url: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranks", url]) in (1, 2)
    said = capsys.readouterr().err
    assert says in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_a_file_url_is_a_path(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place(f"file://{local}") == local
    assert ranks(f"file://{local}", capsys) == ranks(local, capsys)
    assert place("ranks") == Path("ranks")
    assert place("C:\\ranks") == Path("C:\\ranks")


def test_without_the_library_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(UsageError, match="need fsspec") as caught, here("ftp://127.0.0.1/set"):
        pass
    assert caught.value.hint == "pip install 'dlprof[urls]'"


def test_without_a_stores_library_its_name_is_said() -> None:
    """smbprotocol is in no extra of dlprof's."""
    with pytest.raises(DlprofError, match="smb"), here("smb://host/share/set"):
        pass


@pytest.mark.parametrize("more", [["--as", "run"], ["--scheduler", "tcp://127.0.0.1:9"]])
def test_what_cannot_be_at_a_url_is_said(folder: Path, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(folder), "-o", "ftp://127.0.0.1:9/set", *more]) == 2
    assert "URL" in capsys.readouterr().err

"""What all tests share: running the command line as a user does, and the recorded traces of others."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from places import ROOT, TRACES

# On a busy machine an example may take a second, and to make one too: neither says anything about dlprof.
settings.register_profile("dlprof", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dlprof")

# A shell that starts the tests in the background ignores SIGINT for them, nohup SIGHUP, and every dlprof that they start would
# inherit that.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# A shell may tell Python to keep no compiled code (PYTHONDONTWRITEBYTECODE): the tests start hundreds of processes, each of which
# would compile all of dlprof anew, and pytest its tests, which takes a third of their time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

Dlprof = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def system_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The system's temporary directory for what tests share, and where their own ones lie."""
    place = tmp_path_factory.mktemp("system")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(place))
        patch.setattr(tempfile, "tempdir", str(place))
        yield place


@pytest.fixture(autouse=True)
def system_folder(system_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the system for each test alone, also for the processes that it starts: what the children that one
    test kills leave there, the next run of dlprof removes and says so, which no other test may see."""
    place = Path(tempfile.mkdtemp(dir=system_folders))
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one test run see: pytest-xdist gives each of its workers a place of its own inside it."""
    own = tmp_path_factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def dlprof() -> Dlprof:
    """`dlprof("show", path)` runs the command in a process of its own and returns it finished, output as text."""

    def run(
        *words: object, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 560
    ) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        command = [sys.executable, "-m", "dlprof", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environ, cwd=cwd, timeout=timeout, check=False
        )

    return run


def _forget_packages() -> None:
    """What dlprof keeps of the packages that supply frameworks and readers."""
    from dlprof import frameworks
    from dlprof.ingest.dialects import registry

    for kept in (frameworks.registry, frameworks.thread_variables, registry.others):
        kept.cache_clear()


@pytest.fixture(scope="session")
def here() -> Dlprof:
    """The same in this process, a second sooner each, for tests of what a command says or leaves and not of its process. That
    both do alike is tested verb by verb (test_in_process.py)."""

    def run(
        *words: object, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        from dlprof.cli.main import main

        said, told = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with contextlib.ExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            if env and "PYTHONPATH" in env:  # a package of frameworks and readers is installed there
                patch.setattr(sys, "path", [*env["PYTHONPATH"].split(os.pathsep), *sys.path])
                _forget_packages()
                stack.callback(_forget_packages)
            stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
            stack.enter_context(contextlib.redirect_stdout(said))
            stack.enter_context(contextlib.redirect_stderr(told))
            try:
                code = main([str(word) for word in words])
            except SystemExit as ended:  # of the parser
                code = int(ended.code or 0)
        texts = [one.buffer.getvalue().decode() for one in (said, told)]
        return subprocess.CompletedProcess(words, code, *texts)

    return run


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Real traces that others recorded; they do not ship with the project."""
    if not TRACES.is_dir():
        pytest.skip("needs the traces of others, which do not ship with the project")
    return TRACES

"""Environments with the real uv and a tiny wheel made on the spot: made once, mended when broken, honest when impossible."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from dlprof.capture.environments import pythons
from dlprof.capture.environments.env_store import EnvStore, user_environment
from dlprof.errors import EnvironmentFailed, UsageError
from dlprof.plugin import EnvSpec

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

MakeSpec = Callable[..., EnvSpec]


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def wheel(folder: Path, version: str, code: str) -> Path:
    """A wheel of the module `tiny`."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"__version__ = {version!r}\n{code}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = (
        "".join(f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items()) + f"{info}/RECORD,,\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def make_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSpec:
    """Specs of `tiny`, served from a folder; uv has a cache of its own here and no way to an index."""
    links = tmp_path / "links"
    links.mkdir()
    for name, value in {"UV_FIND_LINKS": str(links), "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)

    def make(version: str = "1.0", code: str = "", sha256: str | None = None, python: str = PYTHON) -> EnvSpec:
        file = wheel(links, version, code)
        lock = tmp_path / f"tiny-{version}.txt"
        lock.write_text(f"tiny=={version} --hash=sha256:{sha256 or hashlib.sha256(file.read_bytes()).hexdigest()}\n")
        return EnvSpec(f"tiny-{version}", "tiny", version, "cpu", python, lock)

    return make


@pytest.fixture
def store(tmp_path: Path) -> EnvStore:
    return EnvStore(tmp_path / "cache")


def installed(environment_root: Path | None) -> Path:
    assert environment_root is not None
    return next(environment_root.glob("lib/python*/site-packages/tiny.py"))


def leftovers(store: EnvStore) -> list[str]:
    return sorted(path.name for path in store.root.iterdir() if path.suffix != ".lock")


def test_an_environment_is_made_once_and_then_found(store: EnvStore, make_spec: MakeSpec) -> None:
    spec, said = make_spec(), []
    made = store.ensure(spec, said.append)
    assert made.version == "1.0"
    assert made.packages == {"tiny": "1.0"}
    assert set(made.contents) == {"tiny"}
    assert made.python_version.startswith(PYTHON)
    assert "installing tiny-1.0" in said
    told = subprocess.run([made.python, "-c", "import tiny; print(tiny.__file__)"], capture_output=True, text=True)
    assert told.stdout.strip() == str(installed(made.root))
    said.clear()
    assert store.ensure(spec, said.append) == made
    assert said == []
    assert store.list() == [made]
    assert leftovers(store) == ["tiny-1.0"]


def _without_marker(root: Path) -> None:
    (root / "dlprof-env.json").unlink()


def _torn_marker(root: Path) -> None:
    (root / "dlprof-env.json").write_text('{"name":')


def _without_file(root: Path) -> None:
    installed(root).unlink()


def _cut_file(root: Path) -> None:
    installed(root).write_text("")  # uv hard-links: this damages its cache too


def _without_python(root: Path) -> None:
    (root / "bin" / "python").unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_without_marker, "half made"),
        (_torn_marker, "half made"),
        (_without_file, "tiny.py is missing"),
        (_cut_file, "tiny.py has 0 bytes"),
        (_without_python, "its Python is gone"),
    ],
)
def test_a_broken_environment_is_noticed_and_made_anew(
    store: EnvStore, make_spec: MakeSpec, damage: Callable[[Path], None], reason: str
) -> None:
    spec, said = make_spec(), []
    made = store.ensure(spec)
    assert made.root is not None
    damage(made.root)
    again = store.ensure(spec, said.append)
    assert any(f"tiny-1.0 is broken ({reason}" in line for line in said)
    assert again == made
    assert "1.0" in installed(again.root).read_text()


def test_a_changed_lock_file_makes_it_anew(store: EnvStore, make_spec: MakeSpec) -> None:
    first = store.ensure(make_spec())
    spec = make_spec()
    assert spec.requirements is not None
    spec.requirements.write_text("# another lock\n" + spec.requirements.read_text())
    said: list[str] = []
    second = store.ensure(spec, said.append)
    assert "tiny-1.0 is broken (its lock file has changed): making it anew" in said
    assert second.digest != first.digest


def test_a_hash_that_does_not_match_is_an_error_and_leaves_nothing(store: EnvStore, make_spec: MakeSpec) -> None:
    with pytest.raises(EnvironmentFailed, match=r"cannot make the environment tiny-1.0: .*Hash mismatch") as error:
        store.ensure(make_spec(sha256="0" * 64))
    assert "another file than the one locked" in str(error.value.hint)
    log = Path(error.value.message.rsplit("log: ", 1)[1])
    assert "Hash mismatch" in log.read_text()
    assert leftovers(store) == []


def test_a_framework_that_does_not_import_is_an_error_and_leaves_nothing(store: EnvStore, make_spec: MakeSpec) -> None:
    with pytest.raises(EnvironmentFailed, match=r"installed but does not work: .*RuntimeError: no AVX"):
        store.ensure(make_spec(code="raise RuntimeError('no AVX')"))
    assert leftovers(store) == []


def test_a_long_exception_is_told_by_the_line_that_names_it(store: EnvStore, make_spec: MakeSpec) -> None:
    with pytest.raises(EnvironmentFailed, match="failed: TypeError: wrong protobuf") as error:
        store.ensure(make_spec(code="raise TypeError('wrong protobuf\\nfirst advice\\nMore information: elsewhere')"))
    assert "More information" not in error.value.message


def test_a_framework_that_dies_at_import_is_told_by_its_signal(store: EnvStore, make_spec: MakeSpec) -> None:
    with pytest.raises(EnvironmentFailed, match=r"signal 4 \(SIGILL\)"):
        store.ensure(make_spec(code="import os, signal; os.kill(os.getpid(), signal.SIGILL)"))


def test_an_unknown_version_names_those_that_are_known(store: EnvStore, make_spec: MakeSpec) -> None:
    make_spec("1.0")
    spec = EnvSpec("tiny-9.9", "tiny", "9.9", "cpu", PYTHON, None, resolve=("tiny==9.9",))
    with pytest.raises(EnvironmentFailed, match=r"tiny==9\.9") as error:
        store.ensure(spec, known_versions=["1.0"])
    assert error.value.hint == "is 9.9 a release of tiny? known to work: 1.0"
    assert leftovers(store) == []


def test_a_version_without_lock_is_resolved_with_a_warning_and_says_so(store: EnvStore, make_spec: MakeSpec) -> None:
    make_spec("1.3")
    spec, said = EnvSpec("tiny-1.3", "tiny", "1.3", "cpu", PYTHON, None, resolve=("tiny==1.3",)), []
    made = store.ensure(spec, said.append)
    assert (made.version, made.locked) == ("1.3", False)
    assert any(line.startswith("warning: tiny 1.3 has no shipped lock file") for line in said)
    assert made.root is not None
    assert "--hash=sha256:" in (made.root / "requirements.txt").read_text()


def test_no_network_is_told_as_such(store: EnvStore, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec()
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(EnvironmentFailed, match="cannot make the environment") as error:
        store.ensure(spec)
    assert str(error.value.hint).startswith("no network")


def test_a_python_that_is_nowhere_is_told_with_the_places_searched(
    store: EnvStore, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", "/nowhere/pyenv")
    with pytest.raises(EnvironmentFailed, match=r"no Python 3\.99 found, and uv could not download one") as error:
        store.ensure(make_spec(python="3.99"))
    assert "/nowhere/pyenv/versions/3.99*/bin/python3.99" in error.value.message
    assert "python3.99 on PATH" in error.value.message


def test_a_python_of_pyenv_is_found_when_uv_knows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "pyenv" / "versions" / "3.99.1" / "bin" / "python3.99"
    fake.parent.mkdir(parents=True)
    fake.write_text("#!/bin/sh\necho 3.99\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert pythons.find("3.99") == fake
    fake.write_text("#!/bin/sh\necho 'pyenv: python3.99: command not found'; exit 127\n")
    assert pythons.find("3.99") is None


def ensure_elsewhere(store: EnvStore, spec: EnvSpec, on_progress: str) -> subprocess.Popen[str]:
    """Another process that ensures the same; `on_progress`: the body of a function of `line`."""
    code = f"""
    import os, pathlib, signal
    from dlprof.capture.environments.env_store import EnvStore
    from dlprof.plugin import EnvSpec
    def on_progress(line):
        {on_progress}
    spec = EnvSpec({spec.name!r}, 'tiny', {spec.version!r}, 'cpu', {spec.python!r}, pathlib.Path({str(spec.requirements)!r}))
    print(EnvStore(pathlib.Path({str(store.root.parent)!r})).ensure(spec, on_progress).version)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)


def test_being_killed_in_the_middle_leaves_nothing_under_the_final_name(store: EnvStore, make_spec: MakeSpec) -> None:
    spec = make_spec()
    killed = ensure_elsewhere(store, spec, "'trying import' in line and os.kill(os.getpid(), signal.SIGKILL)")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not (store.root / spec.name).exists()
    assert any(name.startswith(".making-") for name in leftovers(store))
    assert store.ensure(spec).version == "1.0"
    assert leftovers(store) == [spec.name]


def test_two_at_once_do_not_break_each_other(store: EnvStore, make_spec: MakeSpec) -> None:
    spec = make_spec()
    both = [ensure_elsewhere(store, spec, "pass") for _ in range(2)]
    assert [each.communicate(timeout=120)[0].strip() for each in both] == ["1.0", "1.0"]
    assert len(list((store.root.parent / "logs").iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, make_spec: MakeSpec) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(EnvironmentFailed, match="cannot write to") as error:
        EnvStore(tmp_path / "cache").ensure(make_spec())
    assert "DLPROF_CACHE" in str(error.value.hint)


def test_removing_says_what_there_is(store: EnvStore, make_spec: MakeSpec) -> None:
    store.ensure(make_spec())
    with pytest.raises(UsageError, match="no environment 'tiny'") as error:
        store.remove("tiny")
    assert error.value.hint == "there are: tiny-1.0"
    store.remove("tiny-1.0")
    assert store.list() == []
    assert leftovers(store) == []


def test_the_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DLPROF_CACHE", str(tmp_path / "elsewhere"))
    assert EnvStore().root == tmp_path / "elsewhere" / "envs"


def spec_of(framework: str, **more: Any) -> EnvSpec:
    """A release of a framework, as `--python` has one beside it."""
    return EnvSpec(f"{framework}-1.0-cpu", framework, "1.0", "cpu", PYTHON, None, **more)


def test_a_variable_of_the_release_holds_in_an_environment_of_the_users_own(
    store: EnvStore, make_spec: MakeSpec
) -> None:
    made = store.ensure(make_spec())
    wired = spec_of("tiny", environ={"TINY_BACKEND": "x", "LD_LIBRARY_PATH": "{site}/tiny/*/lib"})
    assert user_environment(made.python, wired).environ == {"TINY_BACKEND": "x"}


def test_an_environment_of_the_users_own_is_looked_into(store: EnvStore, make_spec: MakeSpec) -> None:
    made = store.ensure(make_spec())
    found = user_environment(made.python, spec_of("tiny"))
    assert (found.version, found.packages, found.locked, found.root) == ("1.0", {"tiny": "1.0"}, False, None)
    assert made.root is not None
    assert user_environment(made.root, spec_of("tiny")).python == made.python
    with pytest.raises(EnvironmentFailed, match="No module named 'tensorflow'") as error:
        user_environment(made.python, spec_of("tf", module="tensorflow"))
    assert "install tensorflow there" in str(error.value.hint)


def test_a_framework_may_be_called_otherwise_than_its_module(store: EnvStore, make_spec: MakeSpec) -> None:
    made = store.ensure(make_spec())
    assert user_environment(made.python, spec_of("small", module="tiny")).version == "1.0"


def pips_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set for uv any more, and pip's find-links name the folder, in its file for the user alone."""
    for name in ("UV_FIND_LINKS", "UV_NO_INDEX", *(one for one in os.environ if one.startswith("PIP_"))):
        monkeypatch.delenv(name, raising=False)
    file = folder.parent / "pip.conf"
    file.write_text(f"[global]\nno-index = true\nfind-links = {folder}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))


def test_packages_come_from_where_pip_would_take_them(
    store: EnvStore, make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, told = make_spec(), []
    pips_own(tmp_path / "links", monkeypatch)
    assert store.ensure(spec, announce=told.append).version == "1.0"
    assert told == [f"tiny-1.0: 1 packages: 0.0 MB from {tmp_path / 'links'}"]


def test_a_constraint_of_pips_that_rules_out_the_lock_is_no_secret(
    store: EnvStore, make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec()
    pips_own(tmp_path / "links", monkeypatch)
    (tmp_path / "constraints.txt").write_text("tiny<1.0\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraints.txt"))
    with pytest.raises(EnvironmentFailed, match=r"tiny<1\.0") as error:
        store.ensure(spec)
    assert "constraint" in str(error.value.hint)
    (tmp_path / "constraints.txt").write_text("tiny<2\n")  # not pinned, beside hashes
    assert store.ensure(spec).version == "1.0"


def test_an_index_of_the_frameworks_is_asked_where_the_users_have_no_such_package(
    store: EnvStore, make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, told, announced = make_spec(), [], []
    empty, index = tmp_path / "empty", tmp_path / "index" / "tiny"
    index.mkdir(parents=True)
    (tmp_path / "links" / "tiny-1.0-py3-none-any.whl").rename(index / "tiny-1.0-py3-none-any.whl")
    (index / "index.html").write_text('<a href="tiny-1.0-py3-none-any.whl">tiny-1.0-py3-none-any.whl</a>')
    empty.mkdir()
    pips_own(empty, monkeypatch)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_DEFAULT_INDEX", empty.as_uri())
    place = (tmp_path / "index").as_uri()
    made = store.ensure(dataclasses.replace(spec, indexes=(place,)), told.append, announce=announced.append)
    assert made.version == "1.0"
    assert f"not where pip's settings look: asking {place} too" in told
    assert announced == [f"tiny-1.0: 1 packages: 0.0 MB from {index}"]


def test_a_path_that_is_no_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="no such Python"):
        user_environment(tmp_path / "none", spec_of("tf"))
    plain = tmp_path / "plain"
    plain.write_text("hello")
    with pytest.raises(EnvironmentFailed, match=r"cannot run .*plain: Permission denied"):
        user_environment(plain, spec_of("tf"))
    with pytest.raises(EnvironmentFailed, match="failed"):
        user_environment(Path("/bin/false"), spec_of("tf"))


LOCKS = sorted((*(ROOT / "dlprof/frameworks").glob("*/locks/*.txt"), *(ROOT / "dlprof/api/published").glob("*.txt")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_shipped_lock_pins_and_hashes_everything_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    entries = [part for part in text.replace("\\\n", " ").splitlines() if part.strip()]
    assert entries
    for entry in entries:
        assert "==" in entry.split()[0], entry
        assert entry.count("--hash=sha256:") >= 1, entry
    assert not any(word in text for word in ("://", os.sep + "home", os.sep + "tmp", "--find-links", "index-url"))

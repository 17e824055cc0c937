"""A changed file of an installed environment is noticed by its content, whatever its size and its date."""

import base64
import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from dlprof.capture.data import datasets
from dlprof.capture.environments.env_store import EnvStore, _environment, _Marker, _write_marker, digest
from dlprof.capture.machine import probe
from dlprof.plugin import EnvSpec


@pytest.fixture
def environment(tmp_path) -> Path:
    """An environment with one package of two files, looked at once."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    (site / "p").mkdir(parents=True)
    (site / "p-1.dist-info").mkdir()
    rows = []
    for name in ("p/a.py", "p/b.so"):
        (site / name).write_bytes(b"x = 1\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},6\n")
    (site / "p-1.dist-info" / "RECORD").write_text("".join(rows) + "p-1.dist-info/RECORD,,\n")
    assert probe.damage(tmp_path) is None
    return tmp_path


def changed(file: Path, how: str) -> None:
    times = file.stat()
    if how == "replaced":
        file.unlink()
    file.write_bytes(b"x = 2\n")
    if how != "plainly":
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", ["p/a.py", "p/b.so"])
@pytest.mark.parametrize("how", ["plainly", "with its old date", "replaced"])
def test_another_content_of_the_same_size_is_noticed(environment, attacked, name, how):
    attacked()
    changed(environment / "lib" / "python3.11" / "site-packages" / name, how)
    assert probe.damage(environment) == f"{name} has another content than was installed"
    assert probe.damage(environment) == f"{name} has another content than was installed", "and the next time too"


def test_what_was_found_right_is_not_read_again(environment, monkeypatch):
    monkeypatch.setattr(probe, "_digest", lambda *_: pytest.fail("read again"))
    assert probe.damage(environment) is None


def test_a_touched_file_is_read_and_found_right(environment):
    os.utime(environment / "lib" / "python3.11" / "site-packages" / "p" / "a.py")
    assert probe.damage(environment) is None


@pytest.mark.parametrize("stamps", ["", "[]", "{", '{"a": 1}', "null"])
def test_damaged_stamps_make_all_be_read(environment, attacked, stamps):
    attacked()
    (environment / probe.STAMPS).write_text(stamps)
    assert probe.damage(environment) is None


SPEC = EnvSpec(
    name="p-1", framework="p", version="1", device="cpu", python="3.11", requirements=None, resolve=("p==1",)
)


@pytest.fixture
def store(environment, tmp_path_factory) -> EnvStore:
    """A cache with one whole environment, `p-1`."""
    made = EnvStore(tmp_path_factory.mktemp("cache"))
    made.root.mkdir()
    marker = _Marker(name="p-1", framework="p", version="1", python_version="3.11.0", digest=digest(SPEC), packages={},
                     contents=probe.content_hashes(environment))  # fmt: skip
    _write_marker(environment, marker)
    (environment / "bin").mkdir()
    (environment / "bin" / "python").symlink_to(sys.executable)
    shutil.copytree(environment, made.root / "p-1", symlinks=True)
    assert made.ensure(SPEC) == _environment(made.root / "p-1", marker, SPEC.variables)
    return made


def fitting(record: Path, name: str) -> str:
    """The RECORD that states a file as it is now."""
    digest = base64.urlsafe_b64encode(hashlib.sha256((record.parent.parent / name).read_bytes()).digest())
    kept = [line for line in record.read_text().splitlines() if not line.startswith(name)]
    return "\n".join([*kept, f"{name},sha256={digest.rstrip(b'=').decode()},6"])


@pytest.mark.parametrize(
    "how", ["removed", "emptied", "rewritten to fit", "no text", "a folder", "with a folder's size"]
)
def test_a_list_of_files_that_was_changed_with_them_is_noticed(store, attacked, how):
    attacked()
    record = next(store.root.glob("p-1/lib/*/site-packages/p-1.dist-info/RECORD"))
    changed(record.parent.parent / "p" / "a.py", "plainly")
    text = {"rewritten to fit": fitting(record, "p/a.py"), "with a folder's size": "p/a.py,sha256=x,many\n"}.get(
        how, ""
    )
    record.unlink()
    if how == "a folder":
        record.mkdir()
    elif how != "removed":
        record.write_bytes(b"\xff\0\n" if how == "no text" else text.encode())
    found = store._problem(store.root / "p-1", SPEC)
    assert found
    assert "RECORD" in found or "cannot be read" in found


# what lies in the cache under the names of environments


def test_of_an_environment_that_is_a_link_only_the_link_is_removed(store, attack, monkeypatch, tmp_path):
    monkeypatch.setenv("DLPROF_CACHE", str(store.root.parent))
    elsewhere = tmp_path / "elsewhere"
    (store.root / "p-1").rename(elsewhere)
    (store.root / "p-1").symlink_to(elsewhere)
    assert attack("env", "remove", "p-1").code == 0
    assert (elsewhere / "bin" / "python").exists()
    assert sorted(path.name for path in store.root.iterdir()) == ["p-1.lock"]


def test_what_is_left_half_made_is_removed_and_counted_once_whatever_it_is_called(store, attack, monkeypatch, tmp_path):
    monkeypatch.setenv("DLPROF_CACHE", str(store.root.parent))
    (tmp_path / "precious").write_text("kept")
    (store.root / ".making-p-1-12345678").symlink_to(tmp_path)
    (store.root / ".making-a\nb-12345678").mkdir()
    (store.root.parent / "datasets").mkdir()
    (store.root.parent / "datasets" / ".making-mnist-1").symlink_to(tmp_path)
    assert EnvStore(store.root.parent).clean() + datasets.clean(store.root.parent) == 3
    assert EnvStore(store.root.parent).clean() + datasets.clean(store.root.parent) == 0
    assert (tmp_path / "precious").read_text() == "kept"
    assert not list(store.root.parent.glob("*/.making-*"))


@pytest.mark.parametrize("lock", ["a link", "a link to nothing", "a folder"])
def test_a_lock_that_is_none_is_passed_over_in_words(store, attack, monkeypatch, tmp_path, lock):
    monkeypatch.setenv("DLPROF_CACHE", str(store.root.parent))
    (tmp_path / "precious").write_text("kept")
    for place in (store.root / "q.lock", store.root.parent / "datasets" / "mnist.lock"):
        place.parent.mkdir(exist_ok=True)
        if lock == "a folder":
            place.mkdir()
        else:
            place.symlink_to(tmp_path / ("precious" if lock == "a link" else "nothing"))
    (store.root / ".making-q-12345678").mkdir()
    (store.root / ".making-r-12345678").mkdir()
    done = attack("env", "clean", tmp_path)
    assert done.code == 0
    assert "q.lock: passed over" in done.stderr
    assert "mnist.lock: passed over" in done.stderr
    assert [path.name for path in store.root.glob(".making-*")] == [".making-q-12345678"]
    assert not (tmp_path / "nothing").exists()
    (store.root / "p-1.lock").unlink()
    (store.root / "p-1.lock").symlink_to(tmp_path / "nothing")
    refused = attack("env", "remove", "p-1")
    assert refused.code == 1
    assert "a link, where a lock should be" in refused.stderr

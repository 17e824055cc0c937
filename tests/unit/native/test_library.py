"""The compiled part of the readers is chosen, built and told of; what cannot be had is said."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
from pathlib import Path

import msgspec
import pytest
from places import ROOT

from dlprof.errors import UsageError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import Pools
from dlprof.ingest.json.blocks import Scanner
from dlprof.ingest.json.elements import EventDecoder
from dlprof.ingest.reader import Context
from dlprof.native import library


def test_an_unknown_reader_and_one_that_was_not_built_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(library.VARIABLE, "rust")
    with pytest.raises(UsageError, match="DLPROF_READER=rust is no reader"):
        library.functions()
    monkeypatch.setattr(library, "found", lambda: library.load(tmp_path / "nothing.so"))
    monkeypatch.setenv(library.VARIABLE, "native")
    with pytest.raises(UsageError, match="was installed without a C compiler"):
        library.functions()
    monkeypatch.delenv(library.VARIABLE)
    assert library.functions() is None
    assert library.statement().startswith("python (dlprof was installed without a C compiler; for the native one")
    (tmp_path / "nothing.so").write_bytes(b"no library")
    assert "cannot be loaded" in library.load(tmp_path / "nothing.so").missing


@pytest.fixture
def hook() -> object:
    pytest.importorskip("hatchling", reason="the build hook needs hatchling, which only building installs")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sources(hook: object) -> list[Path]:
    return [ROOT / "dlprof" / "native" / name for name in hook.SOURCES]  # type: ignore[attr-defined]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_the_library_is_compiled_without_a_warning_and_loads(
    hook: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    target = tmp_path / library.FILE
    assert hook.compiled(sources(hook), target, "-Werror", "-O0") == ""  # type: ignore[attr-defined]
    assert library.load(target).missing == ""


def test_without_a_compiler_it_is_said_why_nothing_is_built(
    hook: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / library.FILE
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    assert "cannot be run" in hook.compiled(sources(hook), target)  # type: ignore[attr-defined]
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.compiled(sources(hook), target) == "no C compiler (cc, gcc, clang) is on PATH"  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


SPACES = [b" ", b"\n", b"\r", b"\t", b"\x0b", b"\n  "]
ENDS = [b'"', b"\\n", b"\\u00e9", b"\x1f", b"\x00", b"", "\u00e9".encode(), b"\x7f", b"\x20", b"\x80"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_strings_end_alike_with_and_without_the_processors_vectors(
    hook: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of every length, and what ends a run at every place of a vector, at every distance from the end of the text; white
    space of every length too."""
    texts = [
        b'{"ph":"X","ts":1,"dur":1,"name":"' + b"a" * size + end + b"b" * rest + b'"}' + b" " * (rest % 4)
        for size in range(40)
        for end in ENDS
        for rest in range(0, 20, 3)
    ]
    for size in range(40):
        for space in SPACES:
            texts.append(b'{"ph":"X","ts":1,' + space * size + b'"dur":1,"name": ' + space * size + b'"a"}')
            texts.append(b'{"ph":"X","ts":1,"dur":1,"name":"a"' + b" " * (size % 3) + b"}" + space * size)
    monkeypatch.delenv("CC", raising=False)
    found = []
    for flags in ((), ("-DDLPROF_SCALAR",)):
        target = tmp_path / f"{len(flags)}.so"
        assert hook.compiled(sources(hook), target, "-Werror", "-O1", *flags) == ""  # type: ignore[attr-defined]
        functions = library.load(target).functions
        assert functions is not None
        scanner, read = Scanner(functions, 0, arguments=True), []
        for text in texts:
            block = scanner.scan(text, EventDecoder(Context("m", "m", Pools(), Anomalies())))
            read.append(None if block is None else (block.texts("name"), block.used, block.numbers["start"].tolist()))
        found.append(read)
    assert found[0] == found[1]
    for text, one in zip(texts, found[0], strict=True):
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            assert one is None, text
        else:
            assert one is not None, text
    assert 500 < sum(one is not None for one in found[0]) < len(found[0]) - 500


@pytest.mark.skipif(library.found().functions is None, reason="no native reader here")
def test_bytes_are_taken_for_utf8_where_python_takes_them_for_it() -> None:
    """Every pair of bytes, and what begins with each of the first bytes of three and four, at the ends of what may follow."""
    functions = library.found().functions
    assert functions is not None
    scanner, decoder = Scanner(functions, 0, arguments=True), EventDecoder(Context("m", "m", Pools(), Anomalies()))
    edges = [0x22, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    tried = [bytes((first, second)) for first in range(0x80, 0x100) for second in range(0x5D, 0x100)]
    for first in range(0xE0, 0x100):
        for rest in itertools.product(edges, edges, (0x7F, 0x80, 0xBF, 0xC0)):
            tried += [bytes((first, *rest[:2])), bytes((first, *rest))]
    plain = 0
    for name in tried:
        block = scanner.scan(b'{"ph":"X","ts":1,"dur":1,"name":"' + name + b'"}', decoder)
        try:
            text = name.decode()
        except UnicodeDecodeError:
            assert block is None, name
        else:
            plain += 1
            assert block is not None, name
            assert block.texts("name") == [text]
    assert 2000 < plain < len(tried) // 2

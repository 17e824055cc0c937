"""Directories that do not fit: each field of real ones removed, nulled, of another type, nested deep; each file cut, foreign,
empty or a folder. Whatever reads them succeeds or raises an error of dlprof's own that names the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dlprof
from dlprof.api import results, verify
from dlprof.cli.main import main
from dlprof.errors import DlprofError
from dlprof.report import json as report_json
from dlprof.store import Capture

ROOT = Path(__file__).parents[2]
COMPARISON = ROOT / "tests" / "older" / "schema-1" / "comparison"
PUBLISHED = ROOT / "analysis" / "audit" / "data"

DEEP = 10_000
DEPTH = 4
ODD: dict[str, Any] = {
    "null": None,
    "a number": 7,
    "a huge number": 10**30,
    "a negative number": -1,
    "a huge float": 1e308,
    "a text": "odd",
    "an empty text": "",
    "a list": [],
    "a list of lists": [[1], [2]],
    "an object": {},
    "an object of objects": {"a": {"b": None}},
    "true": True,
}
REMOVED = object()
NESTED = "@nested@"


def fields(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every field; of a list or of an object with names for keys, its first two entries."""
    if isinstance(value, dict):
        for key in list(value)[:40]:
            yield (*at, key)
            yield from fields(value[key], (*at, key))
    elif isinstance(value, list):
        for index in range(min(len(value), 1)):
            yield (*at, index)
            yield from fields(value[index], (*at, index))


def changed(plain: Any, at: tuple[str | int, ...], value: Any) -> bytes:
    """The JSON with one field replaced."""
    again = json.loads(json.dumps(plain))
    inner = again
    for key in at[:-1]:
        inner = inner[key]
    if value is REMOVED:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    text = json.dumps(again)
    return text.replace(f'"{NESTED}"', "[" * DEEP + "]" * DEEP).encode()


def changes(plain: Any) -> Iterator[tuple[str, bytes]]:
    """(what, JSON) of every field up to DEPTH: removed, or one of the odd values in turn. All of both would take an hour."""
    turn = itertools.cycle([*ODD.items(), (f"nested {DEEP} deep", NESTED)])
    places = [at for at in fields(plain) if len(at) <= DEPTH]
    for number, at in enumerate(places):
        if number % 2:
            yield f"{at} removed", changed(plain, at, REMOVED)
        else:
            name, value = next(turn)
            yield f"{at} is {name}", changed(plain, at, value)


WHOLE: dict[str, bytes] = {
    "empty": b"",
    "not UTF-8": b'{"kind": "\xff\xfe"}',
    "not JSON": b"PK\x03\x04",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "a number": b"3",
    "nested deep": b"[" * DEEP + b"]" * DEEP,
    "objects nested deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a bare NaN": b'{"kind": NaN}',
    "a long integer": b'{"manifest_version": ' + b"9" * 5000 + b"}",
}


def tables(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """(what, table) of every column: missing, twice, of another type, all null; and other tables altogether."""
    for at, field in enumerate(table.schema):
        name, rows = field.name, table.num_rows
        yield f"{name} missing", table.drop_columns([name])
        yield f"{name} twice", table.append_column(name, table.column(name))
        for what, column in columns(field.type, rows):
            yield f"{name} {what}", table.set_column(at, name, column)
    yield "no rows", table.slice(0, 0)
    yield "no columns", table.select([])
    yield "another table", pa.table({"x": [1, 2]})


def columns(kind: pa.DataType, rows: int) -> Iterator[tuple[str, pa.Array]]:
    """(what, column) that should not be where a column of that type is."""
    for other, value in ((pa.string(), "odd"), (pa.float64(), 0.5), (pa.list_(pa.int64()), [1]), (pa.int8(), 1)):
        if not kind.equals(other):
            yield f"is {other}", pa.array([value] * rows, other)
    yield "null", pa.nulls(rows, kind)
    if pa.types.is_integer(kind):
        for value in (-(2 ** (kind.bit_width - 1)), -1, 2 ** (kind.bit_width - 1) - 1):
            yield f"is {value}", pa.array([value] * rows, kind)
    elif pa.types.is_dictionary(kind):
        yield "other words", pa.array(["odd"] * rows).dictionary_encode()


def contents(file: Path) -> Iterator[tuple[str, bytes]]:
    """(what, bytes) of a Parquet file: cut, foreign, or any of `tables`."""
    whole = file.read_bytes()
    with pq.ParquetFile(file) as parquet:
        table = parquet.read()
    for size in (0, 1, 4, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        yield f"cut to {size} bytes", whole[:size]
    yield "a text", b"hello, world\n"
    draw = random.Random(7)
    for _ in range(20):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        yield "a flipped bit", bytes(flipped)
    for what, made in tables(table):
        sink = io.BytesIO()
        pq.write_table(made, sink)
        yield what, sink.getvalue()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(shutil.copytree(COMPARISON, tmp_path / "theirs"))


@pytest.fixture(scope="module")
def of_today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with its findings computed by today's rules, so that it agrees before something is removed."""
    path = Path(shutil.copytree(COMPARISON, tmp_path_factory.mktemp("of-today") / "theirs"))
    stated_anew(path, report_json.comparison(results.load_comparison(Capture.open(path)).found).encode())
    assert verify.outcome(list(verify.verify(path))) == "agrees"
    return path


def stated_anew(path: Path, content: bytes) -> None:
    """Put other content into comparison.json, with its new digest, as one who hides something would state it."""
    (path / "comparison.json").write_bytes(content)
    stated = json.loads((path / "manifest.json").read_bytes())
    stated["files"]["comparison.json"]["sha256"] = hashlib.sha256(content).hexdigest()
    (path / "manifest.json").write_text(json.dumps(stated))


class Reader:
    """Runs what reads directories, and counts how it ended."""

    def __init__(self, out: Path, names: tuple[str, ...]) -> None:
        self.out = out
        self.names = names
        self.ended: Counter[str] = Counter()

    def command(self, what: str, *words: object) -> None:
        """A command line: exit 0 (or 1 of verify, with what differs), or an error that names the file."""
        said, told = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            code = main([str(word) for word in words])
        error, shown = told.buffer.getvalue().decode(), said.buffer.getvalue()
        assert "itself failed" not in error, f"{what}: {words[0]}: {error}"
        assert not code or (words[0] == "verify" and shown) or self.named(error), f"{what}: {words[0]}: {error}"
        self.ended["read" if code == 0 else "refused"] += 1

    def call(self, what: str, read: Callable[[], object]) -> None:
        """A call of the library: success, or an error of dlprof's that names the file."""
        error: Exception | None = None
        try:
            read()
        except Exception as raised:  # noqa: BLE001  told apart below
            error = raised
        assert error is None or isinstance(error, DlprofError), f"{what}: {type(error).__name__}: {error}"
        assert error is None or self.named(error.message), f"{what}: {error}"
        self.ended["read" if error is None else "refused"] += 1

    def named(self, error: str) -> bool:
        return any(name in error for name in self.names)


def used(loaded: Any) -> None:
    """What a program asks of a loaded directory."""
    if isinstance(loaded, dlprof.StudyResult):
        loaded.items.to_arrow()
        loaded.epochs.to_arrow()
        return
    if isinstance(loaded, dlprof.ComparisonResult):
        loaded._repr_html_()
        loaded.exhibits()
        for one in loaded.captures.values():
            used(one)
        return
    loaded.view("op"), loaded.view("step"), loaded.side, loaded.completeness


def loading(place: Path) -> Callable[[], None]:
    return lambda: used(dlprof.load(place))


def verifying(place: Path) -> Callable[[], None]:
    return lambda: verify.outcome(list(verify.verify(place))) and None


def on_capture(reader: Reader, capture: Path, whole: Path) -> list[Callable[[str], None]]:
    """The ways to read one capture; each takes what is odd about it."""
    page, table = reader.out / "page.html", reader.out / "events.json"
    return [
        lambda what: reader.call(what, loading(capture)),
        lambda what: reader.command(what, "show", capture),
        lambda what: reader.command(what, "show", capture, "--by", "step", "--format", "json"),
        lambda what: reader.command(what, "export", capture, "--to", "json", "-o", table),
        lambda what: reader.command(what, "diff", capture, whole, "--format", "json"),
        lambda what: reader.command(what, "verify", capture),
        lambda what: reader.call(what, verifying(capture)),
        lambda what: reader.command(what, "report", capture, "-o", page),
    ]


def on_comparison(reader: Reader, comparison: Path) -> list[Callable[[str], None]]:
    """The ways to read a comparison."""
    page, figure, trace = (reader.out / name for name in ("page.html", "figure.svg", "trace.json"))
    return [
        lambda what: reader.call(what, loading(comparison)),
        lambda what: reader.command(what, "verify", comparison),
        lambda what: reader.command(what, "report", comparison, "-o", page),
        lambda what: reader.call(what, verifying(comparison)),
        lambda what: reader.command(what, "plot", comparison, "--kind", "breakdown", "-o", figure),
        lambda what: reader.command(what, "export", comparison, "--to", "chrome", "-o", trace),
    ]


def tried(
    reader: Reader, file: Path, made: Iterator[tuple[str, bytes]], ways: list[Callable[[str], None]]
) -> Counter[str]:
    """Every content in turn, each read in another way; what reads it is told apart by how it ended."""
    before = file.read_bytes()
    for number, (what, content) in enumerate(made):
        file.write_bytes(content)
        ways[number % len(ways)](f"{file.name}: {what}")
    file.write_bytes(before)
    return reader.ended


CAPTURE_FILES = ("manifest.json", "events.parquet", "a-exact-1")
COMPARISON_FILES = (
    "manifest.json",
    "comparison.json",
    "timings.parquet",
    "events.parquet",
    "theirs",
    "no trace of both",
)


def json_of(file: Path) -> Iterator[tuple[str, bytes]]:
    plain = json.loads(file.read_bytes())
    yield from WHOLE.items()
    yield from changes(plain)


def test_every_field_of_a_captures_manifest(place: Path, out: Path, attacked: Callable[[int], None]) -> None:
    reader, capture = Reader(out, ("manifest.json", "a-exact-1")), place / "a-exact-1"
    file = capture / "manifest.json"
    ended = tried(reader, file, json_of(file), on_capture(reader, capture, COMPARISON / "b-exact-1"))
    attacked(ended.total())
    assert ended["refused"] > 30, ended
    assert ended["read"] > 10, ended


def test_every_column_of_the_events(place: Path, out: Path, attacked: Callable[[int], None]) -> None:
    reader, capture = Reader(out, CAPTURE_FILES), place / "a-exact-1"
    file = capture / "events.parquet"
    ended = tried(reader, file, contents(file), on_capture(reader, capture, COMPARISON / "b-exact-1"))
    attacked(ended.total())
    assert ended["refused"] > 100, ended
    assert ended["read"] > 10, ended


def test_every_column_of_the_timings(place: Path, out: Path, attacked: Callable[[int], None]) -> None:
    reader, file = Reader(out, COMPARISON_FILES), place / "timings.parquet"
    ended = tried(reader, file, contents(file), on_comparison(reader, place))
    attacked(ended.total())
    assert ended["refused"] > 50, ended
    assert ended["read"] > 10, ended


def test_every_field_of_study_json(tmp_path: Path, out: Path, attacked: Callable[[int], None]) -> None:
    study = Path(shutil.copytree(PUBLISHED, tmp_path / "theirs"))
    file, reader = study / "study.json", Reader(out, ("study.json", "theirs", "cell"))
    ways = [
        lambda what: reader.call(what, loading(study)),
        lambda what: reader.command(what, "verify", study),
        lambda what: reader.call(what, verifying(study)),
    ]
    ended = tried(reader, file, json_of(file), ways)
    attacked(ended.total())
    assert ended["refused"] > 30, ended
    assert ended["read"] > 10, ended


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "comparison.json", "timings.parquet", "a-exact-1/manifest.json", "a-exact-1/events.parquet"],
)
def test_a_folder_or_nothing_in_place_of_a_file(
    place: Path, out: Path, attacked: Callable[[int], None], name: str
) -> None:
    reader = Reader(out, (*COMPARISON_FILES, "a-exact-1"))
    file = place / name
    file.unlink()
    ways = [*on_comparison(reader, place), *on_capture(reader, place / "a-exact-1", COMPARISON / "b-exact-1")]
    for way in ways:
        way(f"{name} gone")
    file.mkdir()
    for way in ways:
        way(f"{name} a folder")
    attacked(reader.ended.total())
    assert reader.ended["refused"]


def test_a_field_is_named_by_its_path(place: Path) -> None:
    file = place / "a-exact-1" / "manifest.json"
    plain = json.loads(file.read_bytes())
    plain["child"]["window"]["steps"] = "ten"
    file.write_text(json.dumps(plain))
    with pytest.raises(
        DlprofError, match=r"a-exact-1/manifest.json: \$\.child\.window\.steps: expected `int`, got `str`"
    ):
        dlprof.load(place / "a-exact-1")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("manifest.json", "manifest_version"),
        ("manifest.json", "schema_version"),
        ("comparison.json", "schema_version"),
    ],
)
def test_a_newer_version_is_said_as_such_though_its_form_be_another(place: Path, name: str, key: str) -> None:
    plain = json.loads((place / name).read_bytes()) | {key: 99, "warnings": {"of": "another form"}, "trials": 3}
    (place / name).write_text(json.dumps(plain))
    with pytest.raises(DlprofError, match="newer"):
        dlprof.load(place)


REMOVABLE = (
    "verdict items warnings a b ratio parity rows ledger facts.trials facts.sessions facts.tax facts.profiling facts.tax.a "
    "items.0.warnings items.0.p items.0.more_trials a.manifest_digest ledger.lines ledger.notes"
)


@pytest.mark.parametrize("place_of", REMOVABLE.split())
def test_a_result_from_which_something_was_removed_does_not_agree(
    of_today: Path, tmp_path: Path, place_of: str
) -> None:
    place = Path(shutil.copytree(of_today, tmp_path / "theirs"))
    at = tuple(int(key) if key.isdigit() else key for key in place_of.split("."))
    stated_anew(place, changed(json.loads((place / "comparison.json").read_bytes()), at, REMOVED))
    differing = [check for check in verify.verify(place) if check.outcome == "differs"]
    assert [check.where for check in differing] == ["comparison.json"]
    assert str(at[-1]) in differing[0].detail


@pytest.mark.parametrize("key", ["sides", "trials", "files", "warnings", "options"])
def test_a_manifest_from_which_something_was_removed_does_not_agree(place: Path, key: str) -> None:
    file = place / "manifest.json"
    file.write_bytes(changed(json.loads(file.read_bytes()), (key,), REMOVED))
    if key == "options":
        with pytest.raises(DlprofError, match=r"manifest.json: \$\.options: object missing required field"):
            list(verify.verify(place))
    else:
        assert verify.outcome(list(verify.verify(place))) == "differs"


SWEPT: dict[str, Callable[[Any], Any]] = {
    "removed": lambda _: REMOVED,
    "null": lambda _: None,
    "of another type": lambda value: (
        7 if isinstance(value, str) else "odd" if isinstance(value, int | float) else "list"
    ),
    "huge": lambda value: 1e308 if isinstance(value, float) else 2**62 if isinstance(value, int) else "x" * 100_000,
    "negative": lambda value: -value - 1 if isinstance(value, int | float) else -1,
}
FIRST_STEP, SLOW_STEP = 23, 11
"""Of all changes one in so many is tried by default, and where the slow tests run; 1 takes more than an hour."""


def swept(file: Path) -> list[tuple[str, bytes]]:
    """(what, JSON) of every field, changed in each way of SWEPT."""
    plain = json.loads(file.read_bytes())
    return [
        (f"{file.name}: {'.'.join(map(str, at))} {what}", changed(plain, at, change(value_at(plain, at))))
        for at in fields(plain)
        for what, change in SWEPT.items()
    ]


def value_at(plain: Any, at: tuple[str | int, ...]) -> Any:
    for key in at:
        plain = plain[key]
    return plain


def sweep(place: Path, out: Path, name: str, step: int) -> Counter[str]:
    """Every change (one in `step`) of a comparison's file, read as `report`, `verify` and `dlprof.load` read it."""
    reader = Reader(out, (name,))
    file, page = place / name, out / "page.html"
    before = file.read_bytes()
    ways: list[Callable[[str], None]] = [
        lambda what: reader.call(what, loading(place)),
        lambda what: reader.command(what, "verify", place),
        lambda what: reader.command(what, "report", place, "-o", page),
    ]
    for number, (what, content) in enumerate(swept(file)):
        if number % step:
            continue
        file.write_bytes(content)
        for way in ways if step == 1 else [ways[number // step % len(ways)]]:
            way(what)
    file.write_bytes(before)
    return reader.ended


@pytest.mark.parametrize(
    "step", [FIRST_STEP, pytest.param(SLOW_STEP, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
@pytest.mark.parametrize("name", ["comparison.json", "manifest.json"])
def test_every_field_of_a_comparison(
    place: Path, out: Path, attacked: Callable[[int], None], name: str, step: int
) -> None:
    ended = sweep(place, out, name, step)
    attacked(ended.total())
    assert ended["refused"] > 5, ended
    assert ended["read"] > 5, ended


NO_FILES = {"of 300 letters": "x" * 300, "a link to itself": "loop", "below a link to itself": "loop/x", "with a null": "a\0b",
            "two thousand deep": "d/" * 2000 + "f", "empty": "", "a folder": ".", "steering": "\x1b[31m"}  # fmt: skip


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("where", ["a manifest", "a study", "an analysis"])
def test_a_name_that_can_be_no_file_is_refused_or_not_there(attack, tmp_path, where, what):
    name = NO_FILES[what]
    folder = shutil.copytree(COMPARISON if where == "a manifest" else ROOT / "analysis" / "audit", tmp_path / "theirs")
    (folder / "loop").symlink_to("loop")
    if where == "a manifest":
        file, change = folder / "manifest.json", {"files": {name: {"bytes": 1, "sha256": "0" * 64}}}
    elif where == "a study":
        file, change = folder / "rendered.json", {"study": name}
    else:
        file, change = folder / "rendered.json", {"artefacts": {name: "0" * 64}}
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    done = attack("verify", folder)
    assert done.code == 1
    assert "\x1b" not in done.stdout + done.stderr

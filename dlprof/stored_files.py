"""The doors through which a directory's JSON and Parquet files come in, checked once and typed from there on.

What does not fit is a `StoreError` with the file and the path of the field (or the column); nothing behind a door looks at
plain values again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import pyarrow as pa

from dlprof.errors import StoreError
from dlprof.files import check_regular
from dlprof.names import SIDES
from dlprof.schema import FURTHEST_PS

if TYPE_CHECKING:
    import pyarrow.parquet as pq

DAMAGED: Final = "the directory is damaged, changed by hand or of another program; make it again"
DEEPEST: Final = 100
"""Levels of nesting that a JSON file may have; dlprof writes fewer than 20."""

_INTEGERS: Final = (-(2**63), 2**64 - 1)
"""What an integer may be: whatever Arrow has a type for."""

_TIME: Final = FURTHEST_PS
_RANGES: Final[dict[str, tuple[int, int]]] = {
    "start_ps": (-_TIME, _TIME),
    "duration_ps": (0, _TIME),
    "self_ps": (-_TIME, _TIME),
    "track": (0, 2**31 - 1),
    "occurrences": (0, 2**40),
    "calls": (0, 2**40),
    "wall_ns": (0, _TIME),
    "cpu_ns": (0, _TIME),
    **dict.fromkeys(("end_ps", "exposed_from_ps", "exposed_until_ps"), (-_TIME, _TIME)),
    **dict.fromkeys(("time_ps", "compute_ps", "communication_ps", "copy_ps"), (-_TIME, _TIME)),
    **dict.fromkeys(("input_ps", "host_ps", "overlapped_ps"), (-_TIME, _TIME)),
}
"""Columns → the smallest and the largest value with which sums and differences stay within int64."""

_NUMBER: Final = re.compile(rb"\d{1,18}(\.\d{1,18})?(e-?\d\d)?")
"""A number of a file's metadata: none is negative."""

_POSITIONS: Final = ("launch", "parent")
"""Columns that name a row of the table."""

_T = TypeVar("_T")


def read_json(file: Path) -> Any:
    """A JSON file as plain values. Raises `StoreError`; `FileNotFoundError` and `NotADirectoryError` are the caller's."""
    check_regular(file, StoreError)
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from None
    return decoded(data, file)


def decoded(data: bytes, file: Path) -> Any:
    """What a JSON file holds as plain values; `file` names it in errors. Raises `StoreError`."""
    try:
        plain = msgspec.json.decode(data)
    except RecursionError:
        raise StoreError(f"{file}: damaged or foreign: nested too deeply", hint=DAMAGED) from None
    except ValueError as error:  # not JSON, not UTF-8, a number of thousands of digits
        raise StoreError(f"{file}: damaged or foreign: {error}", hint=DAMAGED) from None
    _check_values(plain, file)
    return plain


def typed(plain: object, kind: type[_T], file: Path, at: str = "$") -> _T:
    """Plain values of a JSON file as what they must be. Raises `StoreError` with the file and the path of the field.

    at: where in the file `plain` stands.
    """
    try:
        return msgspec.convert(plain, kind, dec_hook=_from_text)
    except RecursionError:
        raise StoreError(f"{file}: {at}: nested too deeply", hint=DAMAGED) from None
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise StoreError(f"{file}: {at}{place.rstrip('`')}: {what[:1].lower()}{what[1:]}", hint=DAMAGED) from None


def read_as(file: Path, kind: type[_T]) -> _T:
    """A JSON file as what it must be; one that is not there is a `StoreError` too."""
    try:
        return typed(read_json(file), kind, file)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{file}: no such file") from None


def read_table(
    file: Path,
    declared: pa.Schema,
    columns: Sequence[str] | None = None,
    *,
    older: bool = False,
    facts: Sequence[str] = (),
    sides: Collection[str] = SIDES,
) -> pa.Table:
    """A Parquet file as its declared columns (or the named ones), in their order and types.

    older: the file is of an older schema, so that columns which may be null may lack: they are null. facts: names of numbers in
    the file's metadata, which the table then has too; other metadata is left behind. sides: what a column of that name may
    hold. Raises `StoreError` where the file is none,
    is foreign or holds what cannot be; `FileNotFoundError` is the caller's.
    """
    with _opened(file, declared, columns, older=older) as (parquet, wanted, there):
        table = parquet.read(columns=there)
        metadata = parquet.schema_arrow.metadata or {}
    arrays = [_column(table, field, table.num_rows, file, sides) for field in wanted]
    told: dict[bytes | str, bytes | str] = {name: _number(metadata.get(name.encode()), name, file) for name in facts}
    return pa.Table.from_arrays(arrays, schema=pa.schema(wanted, metadata=told or None))


def read_batches(
    file: Path, declared: pa.Schema, columns: Sequence[str], *, rows: int, older: bool = False
) -> Iterator[pa.Table]:
    """As `read_table` the named columns, a row group or `rows` rows of one at a time: one after another they are the table."""
    with _opened(file, declared, columns, older=older) as (parquet, wanted, there):
        size, named = parquet.metadata.num_rows, pa.schema(wanted)
        for group in range(parquet.num_row_groups):
            for batch in parquet.iter_batches(rows, [group], columns=there, use_threads=False):
                table = pa.Table.from_batches([batch])
                yield pa.Table.from_arrays([_column(table, one, size, file, SIDES) for one in wanted], schema=named)


@contextmanager
def _opened(
    file: Path, declared: pa.Schema, columns: Sequence[str] | None, *, older: bool
) -> Iterator[tuple[pq.ParquetFile, list[pa.Field[Any]], list[str]]]:
    """A Parquet file, the fields wanted of it, and the names of those that are there. What reading raises is a `StoreError`."""
    check_regular(file, StoreError)
    wanted = [field for field in declared if columns is None or field.name in columns]
    import pyarrow.parquet as pq  # late: a raw trace is shown without

    try:
        # Not pq.read_table: it loads Arrow's data sets first, a third of the time of `dlprof show`.
        with pq.ParquetFile(file) as parquet:
            there = Counter(parquet.schema_arrow.names)
            for field in wanted:
                if there[field.name] > 1 or not (there[field.name] or (older and field.nullable)):
                    what = "is there more than once" if there[field.name] else "is missing"
                    raise StoreError(f"{file}: column {field.name} {what}", hint=DAMAGED)
            yield parquet, wanted, [field.name for field in wanted if there[field.name]]
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreError(f"{file}: cannot be read: {first}", hint="import the files below raw/ again") from None


def _number(text: bytes | None, name: str, file: Path) -> bytes:
    """A number of a file's metadata, as it is written there."""
    if text is None:
        raise StoreError(f"{file}: metadata {name} is missing", hint=DAMAGED)
    if not _NUMBER.fullmatch(text):
        raise StoreError(f"{file}: metadata {name}: holds {text[:40]!r}, which is no number", hint=DAMAGED)
    return text


def _column(
    table: pa.Table, field: pa.Field[Any], rows: int, file: Path, sides: Collection[str]
) -> pa.ChunkedArray[Any]:
    """One column of all or some rows of a file, in its declared type. rows: of the whole file."""
    if field.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    array = table.column(field.name)
    if array.type != field.type:
        if not (_is_text(array.type) and _is_text(field.type)):
            raise StoreError(f"{file}: column {field.name}: holds {array.type}, not {field.type}", hint=DAMAGED)
        array = array.cast(field.type)
    if array.null_count and not field.nullable:
        raise StoreError(
            f"{file}: column {field.name}: {array.null_count} of {len(array)} values are null", hint=DAMAGED
        )
    if field.name in _RANGES or field.name in _POSITIONS:
        _check_range(array, _RANGES.get(field.name, (0, rows - 1)), field.name, file)
    if field.name == "side":
        import pyarrow.compute as pc  # late: a raw trace is shown without

        odd = set(pc.unique(array).to_pylist()) - set(sides)
        if odd:
            raise StoreError(f"{file}: column {field.name}: holds {sorted(map(str, odd))[0]!r}", hint=DAMAGED)
    return array


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _check_range(array: pa.ChunkedArray[Any], limits: tuple[int, int], name: str, file: Path) -> None:
    import pyarrow.compute as pc  # late: a raw trace is shown without

    found: dict[str, int | None] = pc.min_max(array).as_py()  # type: ignore[assignment]
    for value in found.values():
        if value is not None and not limits[0] <= value <= limits[1]:
            raise StoreError(f"{file}: column {name}: holds {value}, which cannot be", hint=DAMAGED)


def _check_values(plain: object, file: Path) -> None:
    """Depth, and integers that no column can hold."""
    if not _fits(plain):
        _refuse(plain, file)


def _fits(plain: object) -> bool:
    """Whether there is nothing to refuse: level by level and without the paths, whose making costs most of the time."""
    level, low, high = [plain], *_INTEGERS
    for _ in range(DEEPEST + 1):
        below: list[object] = []
        for value in level:
            if type(value) is dict:
                below += value.values()
            elif type(value) is list:
                below += value
            elif type(value) is int and not low <= value <= high:
                return False
        if not below:
            return True
        level = below
    return False


def _refuse(plain: object, file: Path) -> None:
    left: list[tuple[object, str, int]] = [(plain, "$", 0)]
    while left:
        value, at, depth = left.pop()
        if depth > DEEPEST:
            raise StoreError(f"{file}: {at[:80]}…: nested too deeply", hint=DAMAGED)
        if isinstance(value, dict):
            left += [(one, f"{at}.{key}", depth + 1) for key, one in value.items() if type(one) in _LOOKED_AT]
        elif isinstance(value, list):
            left += [(one, f"{at}[{i}]", depth + 1) for i, one in enumerate(value) if type(one) in _LOOKED_AT]
        elif type(value) is int and not _INTEGERS[0] <= value <= _INTEGERS[1]:
            raise StoreError(f"{file}: {at}: an integer too large", hint=DAMAGED)


_LOOKED_AT: Final = (dict, list, int)


def _from_text(kind: type[_T], value: object) -> _T:
    """A type that JSON has not (a path) from its text."""
    if not isinstance(value, str):
        raise msgspec.ValidationError(f"Expected `str`, got `{type(value).__name__}`")
    return kind(value)  # type: ignore[call-arg]

"""What the files of a folder are that are no traces: told by their names, else by their first bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.source import Source
from dlprof.names import as_text

_PLUGIN: Final = "result of TensorBoard's profile plugin"
_ENDINGS: Final[Mapping[str, str]] = {
    ".profile-empty": "TensorBoard's mark of a profile",
    ".memory_profile.json.gz": _PLUGIN,
    ".hlo_proto.pb": "compiled module",
    ".op_stats.pb": _PLUGIN,
    ".op_stats_v2.pb": _PLUGIN,
    ".dcn_collective_stats.pb": _PLUGIN,
    "input_pipeline.pb": _PLUGIN,
    "overview_page.pb": _PLUGIN,
    "tensorflow_stats.pb": _PLUGIN,
    "kernel_stats.pb": _PLUGIN,
    "memory_profile.pb": _PLUGIN,
    ".cached": "cache",
    ".csv": "table",
    ".parquet": "table",
    ".txt": "text",
    ".md": "text",
    ".log": "log",
    ".sha256": "checksum",
    ".py": "program",
    ".html": "page",
    ".nvvp": "nvprof's database",
}
"""Endings of names of files that lie beside traces and never are one → what they are; the first that fits counts."""
_BEGINNINGS: Final[Mapping[str, str]] = {"events.out.tfevents": "TensorBoard's events", ".": "hidden file"}

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "compressed file"),
    (b"\x28\xb5\x2f\xfd", "compressed file"),
    (b"SQLite format 3", "SQLite database"),
    (b"PAR1", "table"),
    (b"\x89HDF", "HDF5 file"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x7fELF", "program"),
)
_REPORTS: Final[tuple[tuple[tuple[str, ...], bytes, str, str], ...]] = (
    ((".nsys-rep", ".qdrep"), b"", "a report of Nsight Systems", "export it: nsys export --type sqlite {name}"),
    (
        (".ncu-rep",),
        b"",
        "a report of Nsight Compute",
        "it counts in single kernels and times no run: record with nsys",
    ),
    ((".json",), b'"rocprofiler-sdk-tool"', "rocprofv3's own JSON", "record with --output-format rocpd, or pftrace"),
    (("",), b"PERFILE2", "a recording of Linux perf", "record with the framework's own profiler"),
)
"""Recordings of other profilers that are not read as they are: endings of names, what the beginning holds, what it is, what to do
instead."""
_JSON: Final = re.compile(rb'\s*(\{\s*["}]|\[\s*([\[{"\]\d-]|true|false|null))')
_LONGEST: Final = 120
"""Characters of a name that a statement repeats: its end."""
_NAMED: Final = 8
"""Files that a statement names."""


def by_name(name: str) -> str | None:
    """What a file is that its name says is no trace; None for one that must be looked into."""
    for beginning, what in _BEGINNINGS.items():
        if name.startswith(beginning):
            return next((told for ending, told in _ENDINGS.items() if name.endswith(ending)), what)
    return next((what for ending, what in _ENDINGS.items() if name.endswith(ending)), None)


def by_content(path: Path) -> str:
    """What a file is by its first bytes, decompressed; for one that was found to be no trace."""
    try:
        head = Source(path, as_text(path.name), Anomalies(), repair=True).head(4096)
    except TraceError:
        return "not to be opened"
    if not head:
        return "empty"
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    if _JSON.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "JSON without an event"
    # A character may be cut at the end of what was read.
    text = head.decode("utf-8", "ignore")
    return "unknown bytes" if "\0" in text or len(text.encode()) < len(head) - 3 else "text"


def check_no_report(source: Source, head: bytes) -> None:
    """Raises `TraceError` for another profiler's recording that is not read as it is, with what to do instead."""
    for endings, inside, what, instead in _REPORTS:
        if source.path.name.endswith(endings) and inside in head:
            hint = instead.format(name=plain(source.path.name))
            raise TraceError(f"{source.label}: {what}, which is not read as it is", hint=hint)


def no_file(path: Path) -> str | None:
    """What stands in a folder and is neither a file nor a folder that is searched; None for those."""
    if path.is_symlink() and path.is_dir():
        return "link to a folder, not followed"
    if path.is_symlink() and not path.exists():
        return "link to nothing"
    return None if path.is_file() or path.is_dir() else "no regular file"


def plain(name: str) -> str:
    """A file's name as a statement repeats it: one line of printable characters, of a very long one the end."""
    text = "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in name)
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"


def words(others: Mapping[str, str]) -> str:
    """`2 files are no traces: a.json (JSON without an event), b.txt (text)`: names → what they are; of many the first."""
    said = [f"{name} ({what})" for name, what in list(others.items())[:_NAMED]]
    more = len(others) - len(said)
    rest = f" and {more} more ({_kinds(list(others.values())[_NAMED:])})" if more else ""
    are = "file is no trace" if len(others) == 1 else "files are no traces"
    return f"{len(others)} {are}: {', '.join(said)}{rest}"


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Names or statements in a row; of many the first, and how many more."""
    every = list(names)
    return between.join(every[:_NAMED]) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")


def _kinds(rest: Sequence[str]) -> str:
    told = [f"{count} × {what}" for what, count in Counter(rest).most_common()]
    return ", ".join(told[:_NAMED]) + (" …" if len(told) > _NAMED else "")

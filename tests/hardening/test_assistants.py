"""What an assistant was told to ask: paths and links out of the named folders, what is no path, names without an end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from dlprof.cli import assistant

EVENT = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 1, "dur": 2}
SECRET = "a-password"
LARGEST = 40_000
"""Characters of any answer: a hundred rows of a few short texts."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a trace, beside one that is nobody's business."""
    (tmp_path / "private").mkdir()
    trace(tmp_path / "private" / "trace.json", SECRET)
    (tmp_path / "shown").mkdir()
    trace(tmp_path / "shown" / "trace.json", "aten::mm")
    return tmp_path / "shown"


def trace(path: Path, name: str, **more: Any) -> None:
    events = [{**EVENT, "name": name, "ts": at * 10} for at in range(5)]
    path.write_text(json.dumps({"schemaVersion": 1, **more, "traceEvents": events}))


def asked(root: Path, *calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, str]]:
    """Whether each call failed, and the text of its answer."""

    async def spoken() -> list[tuple[bool, str]]:
        async with Client(assistant.server([root])) as client:
            answers = [await client.call_tool(name, given) for name, given in calls]
            return [(bool(one.is_error), "".join(part.text for part in one.content)) for one in answers]

    return asyncio.run(spoken())


def every_tool(path: str) -> list[tuple[str, dict[str, Any]]]:
    return [("load", {"path": path}), ("show", {"path": path}), ("verify", {"path": path}), ("diff", {"a": path, "b": path}),
            ("diff", {"a": "trace.json", "b": path}), ("explain", {"path": path, "line": "x"})]  # fmt: skip


OUTSIDE = (
    *("../private/trace.json", "../private", "..", "/", "/etc/passwd", "{tmp}/private/trace.json", "~/.ssh"),
    *("link.json", "linked", "linked/trace.json", "folder", "folder/trace.json", "deep", "file:///etc/passwd"),
)


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_of_the_named_folders_is_read(root: Path, attacked: Callable[[int], None], path: str) -> None:
    (root / "link.json").symlink_to("../private/trace.json")
    (root / "linked").symlink_to("../private")
    (root / "folder").mkdir()
    (root / "folder" / "trace.json").symlink_to("../../private/trace.json")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "rank0.json").symlink_to(root.parent / "private" / "trace.json")
    calls = every_tool(path.format(tmp=root.parent))
    attacked(len(calls))
    for (name, _), (failed, said) in zip(calls, asked(root, *calls), strict=True):
        assert failed, (name, said)
        assert SECRET not in said
        told = ("outside of the folders that may be read", "no such file", "not a capture directory")
        assert any(words in said for words in told), (name, said)


NO_PATHS = (
    "",
    "\0",
    "a\0b",
    "x" * 5_000,
    "x/" * 3_000,
    "\ud800",
    "circle",
    "pipe",
    "device",
    "nowhere",
    "trace.json/x",
    "\x1b[2J",
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", NO_PATHS)
def test_what_is_no_file_is_said_in_words(root: Path, attacked: Callable[[int], None], path: str) -> None:
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    (root / "device").symlink_to("/dev/zero")
    if path == "":
        (root / "trace.json").unlink()
    calls = every_tool(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        pytest.skip("the protocol has no such text")
    attacked(len(calls))
    for (name, _), (failed, said) in zip(calls, asked(root, *calls), strict=True):
        assert failed, (name, said)
        assert "Traceback" not in said
        assert "Error executing tool" not in said or "error" in said.lower()
        assert len(said) < LARGEST


@pytest.mark.parametrize("field", ["name", "host_name", "backend"])
def test_an_answer_is_small_whatever_a_trace_says(root: Path, attacked: Callable[[int], None], field: str) -> None:
    long = "x" * 200_000
    more = (
        {"host_name": long}
        if field == "host_name"
        else {"distributedInfo": {"backend": long}}
        if field == "backend"
        else {}
    )
    trace(root / "long.json", f"{long}1" if field == "name" else "aten::mm", **more)
    trace(root / "other.json", f"{long}2" if field == "name" else "aten::add")
    calls = [("load", {"path": "long.json"}), ("show", {"path": "long.json"}), ("show", {"path": "long.json", "by": "name"}),
             ("diff", {"a": "long.json", "b": "other.json"}),
             ("explain", {"path": "long.json", "other": "other.json", "line": long}),
             ("explain", {"path": "long.json", "other": "other.json", "line": "nothing"})]  # fmt: skip
    attacked(len(calls))
    for (name, _), (_, said) in zip(calls, asked(root, *calls), strict=True):
        assert len(said) < LARGEST, name


@pytest.mark.parametrize("rows", [0, -1, 101, 10**9])
def test_rows_are_limited(root: Path, attacked: Callable[[int], None], rows: int) -> None:
    attacked(1)
    [(failed, said)] = asked(root, ("show", {"path": "trace.json", "rows": rows}))
    assert failed
    assert "from 1 to 100" in said

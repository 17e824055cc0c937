"""`dlprof mcp`, spoken to by the official SDK's own client: answers over the named folders, and nothing outside of them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from places import ROOT

from dlprof.cli import assistant
from dlprof.cli.main import main


def ask(*calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, str]]:
    """Whether each call failed, and the text of its answer."""

    async def spoken() -> list[tuple[bool, str]]:
        async with Client(assistant.server([ROOT / "traces"])) as client:
            tools = (await client.list_tools()).tools
            assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools)
            answers = [await client.call_tool(name, given) for name, given in calls]
            return [(bool(one.is_error), "".join(part.text for part in one.content)) for one in answers]

    return asyncio.run(spoken())


def test_two_recordings_are_told_apart_and_one_line_of_the_difference_explained() -> None:
    pair = {"a": "lenet-tf-exact", "b": "lenet-mxnet-exact"}
    line = {"line": "Conv backward conv1", "path": pair["a"], "other": pair["b"]}
    (_, diff), (_, explained) = ask(("diff", pair), ("explain", line))
    found = json.loads(diff)
    assert found["causes"][0]["name"] == "Conv backward conv1"
    assert json.loads(explained)["line"]["delta_ns"] == found["causes"][0]["delta_ns"]
    assert len(diff.encode()) < 4000


def test_the_server_that_an_assistant_starts_answers_over_its_standard_input_and_output(tmp_path: Path) -> None:
    """`dlprof mcp` as a process, in a folder of its own, spoken to by the SDK's client; it ends when the client leaves."""

    async def spoken() -> tuple[set[str], str, str]:
        words = ["-m", "dlprof", "mcp", str(ROOT / "traces")]
        started = StdioServerParameters(
            command=sys.executable, args=words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "COVERAGE_CORE": ""}
        )
        async with Client(started, read_timeout_seconds=120) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            shown = await client.call_tool("show", {"path": "lenet-tf-exact", "by": "op"})
            outside = await client.call_tool("load", {"path": "/etc/passwd"})
            assert outside.is_error
            texts = ["".join(part.text for part in one.content) for one in (shown, outside)]
            return tools, texts[0], texts[1]

    tools, shown, outside = asyncio.run(spoken())
    assert tools == {"load", "diff", "show", "verify", "explain", "glossary"}
    assert any(row["op"] == "Conv" for row in json.loads(shown)["rows"])
    assert "outside of the folders that may be read" in outside
    assert list(tmp_path.iterdir()) == []


def test_what_lies_outside_of_the_named_folders_and_what_is_not_there_is_an_error_in_words() -> None:
    (failed, told), (missing, said) = ask(("load", {"path": str(ROOT)}), ("show", {"path": "lenet-tf"}))
    assert failed
    assert "outside of the folders that may be read" in told
    assert missing
    assert "Traceback" not in said


def test_brief_json_of_a_diff_fits_its_schema_and_four_kilobytes(capsys) -> None:
    import jsonschema

    from dlprof.report.json import json_schema

    assert (
        main(
            [
                "diff",
                *(str(ROOT / "traces" / f"lenet-{one}-exact") for one in ("tf", "mxnet")),
                "--format=json",
                "--brief",
            ]
        )
        == 0
    )
    text = capsys.readouterr().out
    jsonschema.validate(json.loads(text), json_schema("brief"))
    assert len(text.encode()) < 4000
    assert Path(json_schema("brief")["$schema"]).name == "schema"

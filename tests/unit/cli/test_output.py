"""Where results go: a file is replaced whole or not at all, and never one that was read or is of another kind."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from dlprof.cli.output import check_target, deliver, placed
from dlprof.errors import StoreError


def test_without_a_target_bytes_go_to_standard_output_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    deliver([b"a\x1b", b"\xff\n"], None)
    assert capfdbinary.readouterr().out == b"a\x1b\xff\n"


@pytest.mark.parametrize(
    ("name", "unpack"),
    [("x.json", bytes), ("x.json.gz", gzip.decompress), ("x.json.zst", None)],
)
def test_the_ending_of_the_target_says_how_it_is_compressed(name: str, unpack: object, tmp_path: Path) -> None:
    deliver([b'{"a":', b"1}"], tmp_path / name)
    packed = (tmp_path / name).read_bytes()
    content = zstandard.ZstdDecompressor().decompressobj().decompress(packed) if unpack is None else unpack(packed)  # type: ignore[operator]
    assert content == b'{"a":1}'


@pytest.mark.parametrize("name", ["x.gz", "x.zst"])
def test_the_same_content_gives_the_same_compressed_bytes(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        deliver("text", tmp_path / folder / name)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_block_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("<!doctype html> before")

    def fail() -> None:
        with placed(target) as file:
            file.write_text("<!doctype html> half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "<!doctype html> before"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_file_of_the_same_kind_is_replaced_and_one_of_another_kind_only_with_force(tmp_path: Path) -> None:
    target = tmp_path / "result"
    deliver("<!doctype html><html><head><title>one</title>", target)
    deliver("<!doctype html><html><head><title>two</title>", target)
    with pytest.raises(StoreError, match="is another kind of file"):
        deliver("item,verdict,ratio,low,high\n", target)
    assert "two" in target.read_text()
    deliver("item,verdict,ratio,low,high\n", target, force=True)
    assert target.read_text().startswith("item,")


def test_what_is_read_is_never_replaced_not_even_with_force(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    trace.write_text("[]")
    with pytest.raises(StoreError, match="would replace what is read"):
        deliver("[]", trace, inputs=[trace], force=True)
    assert trace.read_text() == "[]"


def test_a_part_of_the_result_that_is_read_is_not_replaced_but_a_file_beside_its_parts_may_be(tmp_path: Path) -> None:
    for name in ("manifest.json", "comparison.json", "report.html"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(StoreError, match="would replace what is read"):
        check_target(tmp_path / "comparison.json", [tmp_path])
    check_target(tmp_path / "report.html", [tmp_path])


def test_a_folder_and_a_place_in_a_folder_that_is_not_there_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a folder, where a file is to be written"):
        check_target(tmp_path)
    with pytest.raises(StoreError, match=r"the folder .* does not exist"):
        check_target(tmp_path / "nowhere" / "x.json")

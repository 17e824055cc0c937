"""A comparison directory that is gone on with: what was finished is taken over, what was cut short is not."""

from __future__ import annotations

from pathlib import Path

from dlprof.manifest import LockstepOptions, Manifest
from dlprof.store import CaptureWriter

MANIFEST = Manifest(
    kind="compare", dlprof_version="0", created="now", options=LockstepOptions(trials=None, margin=0.05)
)


def test_a_trace_that_was_cut_short_does_not_stay_in_a_resumed_comparison(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with CaptureWriter(place) as writer:
        (writer.partial / "a-exact-1").mkdir()
        (writer.partial / "a-exact-1" / "manifest.json").write_text("{}")
        (writer.partial / ".b-exact-1.partial-17" / "raw").mkdir(parents=True)
        writer.commit(MANIFEST)
    with CaptureWriter(place, source=place) as writer:
        writer.commit(MANIFEST)
    assert sorted(path.name for path in place.iterdir() if path.is_dir()) == ["a-exact-1", "raw"]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_leaving_a_resumed_comparison_without_commit_changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with CaptureWriter(place) as writer:
        writer.commit(MANIFEST)
    before = (place / "manifest.json").read_bytes()
    with CaptureWriter(place, source=place) as writer:
        (writer.partial / "extra").write_text("x")
    assert (place / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    assert not (place / "extra").exists()

"""What an environment would download: files, sizes and places, in one line."""

from __future__ import annotations

from pathlib import Path

from dlprof.capture.environments import downloads

LOCK = """
lock-version = "1.0"
[[packages]]
name = "big"
wheels = [{{ url = "https://files.example/b/big-1.0-py3-none-any.whl", size = 2100000000 }}]
sdist = {{ url = "https://files.example/b/big-1.0.tar.gz", size = 5 }}
[[packages]]
name = "old"
sdist = {{ url = "https://files.example/o/old-1.0.tar.gz", size = 400000 }}
[[packages]]
name = "near"
wheels = [{{ url = "{near}" }}]
[[packages]]
name = "silent"
wheels = [{{ url = "http://127.0.0.1:9/silent-1.0-py3-none-any.whl" }}]
"""


def test_sizes_are_the_indexs_or_those_on_disk_and_an_unknown_one_is_said(tmp_path: Path) -> None:
    near = tmp_path / "near-1.0+cpu-py3-none-any.whl"
    near.write_bytes(bytes(3_000_000))
    (tmp_path / "pylock.toml").write_text(LOCK.format(near=near.as_uri()))
    found = downloads.files(tmp_path / "pylock.toml")
    assert [(one.name.split("-")[0], one.size, one.local) for one in found] == [
        ("big", 2_100_000_000, False),
        ("old", 400_000, False),
        ("near", 3_000_000, True),
        ("silent", None, False),
    ]
    assert downloads.statement(found) == (
        "4 packages: up to 2.10 GB and 1 of unknown size to download from 127.0.0.1, files.example (big 2.10 GB, old 0.4 MB, "
        f"silent of unknown size; less what uv's cache has); 3.0 MB from {tmp_path}"
    )

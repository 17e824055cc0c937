"""TensorBoard as a child: it answers at the address that is told and at no other, and one that cannot start is told in words."""

from __future__ import annotations

import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dlprof.capture.environments import viewer
from dlprof.cli import tensorboard_server
from dlprof.errors import ChildFailed


def status(host: str | None, port: int | None, path: str) -> int:
    connection = http.client.HTTPConnection(host or "", port, timeout=30)
    connection.request("GET", path)
    found = connection.getresponse().status
    connection.close()
    return found


def test_it_answers_who_has_its_address_and_ends_with_the_block(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra dlprof[tensorboard]")
    with tensorboard_server.served(Path(sys.executable), tmp_path, 0) as (address, child):
        place = urlsplit(address)
        assert place.hostname == "127.0.0.1"
        assert status(place.hostname, place.port, f"{place.path}data/environment") == 200
        assert status(place.hostname, place.port, "/data/environment") == 404
        assert child.poll() is None
    assert child.poll() is not None


def test_one_that_cannot_start_is_told_with_what_it_said(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no module named tensorboard' >&2\nexit 1\n")
    python.chmod(0o755)
    with (
        pytest.raises(ChildFailed, match="ended by itself:\nno module named tensorboard") as raised,
        tensorboard_server.served(python, tmp_path, 0),
    ):
        pass
    assert "without --tensorboard" in str(raised.value.hint)


def test_what_is_installed_beside_dlprof_is_taken() -> None:
    assert viewer.python(has=lambda _: True) == Path(sys.executable)


def test_its_lock_holds_hashes_of_all_and_no_address() -> None:
    assert viewer.SPEC.requirements is not None
    text = viewer.SPEC.requirements.read_text()
    wanted = [line for line in text.splitlines() if "==" in line]
    assert text.count(" \\\n    --hash=sha256:") >= len(wanted) > 20
    assert any(line.startswith(f"tensorboard=={viewer.SPEC.version}") for line in wanted)
    assert "://" not in text

"""A script's processes find the socket, however deep the folder of a comparison lies."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from dlprof.capture.script.link import Listener


@pytest.mark.parametrize("letters", [1, 60, 104, 120, 200])
def test_a_process_that_is_told_the_path_is_heard(tmp_path: Path, letters: int):
    folder = tmp_path / ("d" * letters)
    folder.mkdir()
    with Listener(folder / "steps") as listener, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as child:
        child.connect(str(listener.path))
        hello = {"event": "hello", "pid": 1, "framework": "python", "version": "3", "found": "told", "step": 1}
        child.sendall(json.dumps(hello).encode() + b"\n")
        job = listener.job(lambda: True, time.monotonic() + 5)
        assert job is not None
        assert job.hello.found == "told"
        job.close()
    assert not Path(listener.path).parent.exists() or listener.path.parent == folder

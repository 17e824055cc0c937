"""A child's log has an end, whatever the child writes."""

from __future__ import annotations

import subprocess
import sys

from dlprof.capture.workers.child_log import ChildLog, shorten_all

CAP = 40_000


def write(log: ChildLog, code: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys; {code}"], stderr=log.fileno(), check=True)


def test_a_short_log_stays_as_it_is(tmp_path):
    log = ChildLog(tmp_path / "stderr.log", CAP)
    write(log, "sys.stderr.write('all of it')")
    log.close()
    assert (tmp_path / "stderr.log").read_text() == "all of it"
    assert not log.cut


def test_a_long_log_keeps_its_head_and_its_tail_and_says_what_is_missing(tmp_path):
    log = ChildLog(tmp_path / "stderr.log", CAP)
    write(log, "sys.stderr.write('first ' + 'x' * 200_000 + ' last')")
    log.close()
    kept = (tmp_path / "stderr.log").read_text()
    assert kept.startswith("first xxx")
    assert kept.endswith("xxx last")
    assert f"[dlprof: {200_011 - 2 * CAP // 4} bytes were cut out here" in kept
    assert len(kept) < CAP
    assert log.cut


def test_a_child_that_goes_on_writing_writes_behind_what_was_kept(tmp_path):
    log = ChildLog(tmp_path / "stderr.log", CAP)
    code = "\nfor n in range(3):\n print('y' * 100_000, n, file=sys.stderr, flush=True); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", f"import sys{code}"], stderr=log.fileno(), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(3):
            child.stdout.readline()
            shorten_all()
            assert (tmp_path / "stderr.log").stat().st_size < CAP
            child.stdin.write("\n")
            child.stdin.flush()
    log.close()
    assert (tmp_path / "stderr.log").read_text().rstrip().endswith("yyy 2")

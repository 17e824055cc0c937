"""What the system refuses is told in a user's words; what it cannot have refused stays a fault of dlprof."""

from __future__ import annotations

import errno
import os

import pytest

from dlprof.errors import of_system


def _met(number: int, filename: object = None) -> OSError:
    return OSError(number, os.strerror(number), None if filename is None else str(filename))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENOMEM, errno.EIO])
def test_what_a_user_can_mend_says_where_and_what_next(number):
    told = of_system(_met(number, "results/x"))
    assert told is not None
    assert told.message == f"results/x: {os.strerror(number)}"
    assert told.hint
    assert told.exit_code == 1


def test_what_is_forbidden_is_not_taken_for_a_full_disk():
    hints = [
        told.hint for number in (errno.EACCES, errno.EPERM) if (told := of_system(_met(number, "theirs/manifest.json")))
    ]
    assert len(hints) == 2
    assert all("who may" in hint and "free some space" not in hint for hint in hints)


def test_a_folder_that_vanished_under_the_writer_is_said(tmp_path):
    place = tmp_path / "cells" / "one"
    told = of_system(_met(errno.ENOENT, tmp_path / "cells" / ".one.partial" / "timings"), under_way=place)
    assert told is not None
    assert told.message == f"{tmp_path / 'cells' / '.one.partial'}: removed while dlprof was writing there"


def test_a_missing_file_in_a_folder_that_is_there_is_no_user_s_doing(tmp_path):
    place = tmp_path / "one"
    place.mkdir()
    assert of_system(_met(errno.ENOENT, place / "timings"), under_way=place) is None
    assert of_system(_met(errno.ENOENT, place / "timings")) is None
    assert of_system(_met(errno.EBADF)) is None

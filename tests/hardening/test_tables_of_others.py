"""Tables of timings that others published (`import --csv`): no table, or times that cannot be, are refused with their row."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dlprof.report.text.layout import neutral

HEAD = b"task,run,tf,mx\n"
ROWS = b"".join(b"a,%d,1.%d,2\n" % (run, run) for run in range(3))
TABLES: dict[str, bytes] = {
    "empty": b"",
    "names alone": HEAD,
    "a NUL in a name": HEAD + ROWS.replace(b"a", b"a\0b"),
    "a byte order mark": b"\xef\xbb\xbf" + HEAD + ROWS,
    "UTF-16": (HEAD + ROWS).decode().encode("utf-16"),
    "no UTF-8": HEAD + b"\xff\xfe,1,1,2\n",
    "a column twice": b"task,task,tf,mx\na,1,1,2\n",
    "ragged rows": HEAD + b"a,1\nb,2,3,4,5\n",
    "numbers that are none": HEAD + b"a,1,nan,2\na,2,inf,-inf\n",
    "times of 0 and less": HEAD + b"a,1,-1,2\na,2,0,0\n",
    "a time of 1e308": HEAD + b"a,1,1e308,1\na,2,1e308,1\n",
    "a time of 300 years": HEAD + b"a,1,9.3e9,1\na,2,9.3e9,1\n",
    "a time of 1e-320": HEAD + b"a,1,1,1e-320\n",
    "thousands of digits": HEAD + b"a,1," + b"9" * 5_000 + b",2\n",
    "a cell of 300 000 letters": HEAD + b"x" * 300_000 + b",1,1,2\n",
    "a quotation mark that is not closed": HEAD + b'"a,1,1,2\n' + b"b,1,2,3\n" * 30_000,
    "a line inside of a cell": HEAD + b'"a\nb",1,1,2\n"a\nb",2,1,2\n',
    "lines that are none": HEAD + "a\u2028b\x0b\x1e\x85,1,1,2\n".encode() + "a\u2028b\x0b\x1e\x85,2,1,2\n".encode(),
    "lines of an old Macintosh": (HEAD + ROWS).replace(b"\n", b"\r"),
    "names that steer": HEAD + ROWS.replace(b"a", b"\x1b[31m"),
    "a column that steers": b"task,run,tf,mx,\x1b[31m\na,1,1,2,3\n",
    "names that are formulas": HEAD + ROWS.replace(b"a", b"=1+1"),
    "names that lead out": HEAD + ROWS.replace(b"a", b"../../x"),
    "digits of another script": HEAD + "a,1,٣,2\na,2,٣,2\n".encode(),
    "a run of 5 000 letters": HEAD + b"a," + b"r" * 5_000 + b",1,2\n",
    "points and commas": b"task;run;tf;mx\na;1;1,5;2\n",
}
SIZES = {
    "a size of 0": ("0", "1", "2"),
    "no size but 0": ("0", "0.0", ".0"),
    "one size, written in two ways": ("1", "1.0", "01"),
    "sizes below 0": ("-1", "-2", "3"),
    "sizes of thousands of digits": ("9" * 5_000, "8" * 5_000, "1"),
    "sizes beyond any": ("1e308", "inf", "nan"),
    "digits of another script": ("٣", "٤", "²"),
}


@pytest.mark.parametrize("what", SIZES)
def test_sizes_that_are_none_are_no_sweep(attack, tmp_path: Path, what: str) -> None:
    file, made = tmp_path / "theirs.csv", tmp_path / "made"
    rows = [f"a,{size},{run},1.{run},{at + 1}" for at, size in enumerate(SIZES[what]) for run in range(6)]
    file.write_text("\n".join(["task,size,run,tf,mx", *rows]) + "\n")
    done = attack(
        "import", "--csv", file, "--sides", "tf,mx", "--unit", "s", "--group", "task,size", *WORDS[-2:], "-o", made
    )
    assert done.code == 0, done.stderr
    for words in (("show", made), ("verify", made), ("plot", made, "--kind", "sweep", "-o", tmp_path / "x.svg")):
        assert attack(*words).code in (0, 1, 2)


WORDS = ("--sides", "tf,mx", "--unit", "s", "--group", "task", "--trial-column", "run")


@pytest.mark.parametrize("what", TABLES)
def test_a_table_that_nobody_should_publish_is_read_or_refused(attack, tmp_path: Path, what: str) -> None:
    file, made = tmp_path / "theirs.csv", tmp_path / "made"
    file.write_bytes(TABLES[what])
    done = attack("import", "--csv", file, *WORDS, "-o", made)
    assert done.code in (0, 1, 2)
    assert done.code == 0 or "theirs.csv" in done.stderr
    for words in (("show", made), ("verify", made)) if done.code == 0 else ():
        shown = attack(*words)
        assert shown.code == 0, shown.stderr
        assert neutral(shown.stdout) == shown.stdout
    assert neutral(done.stderr) == done.stderr
    assert made.exists() == (done.code == 0)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["a pipe", "a device", "a folder", "nothing", "a circle"])
def test_what_is_no_file_is_refused_at_once(attack, tmp_path: Path, what: str) -> None:
    file = tmp_path / "theirs.csv"
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    elif what != "nothing":
        file.symlink_to({"a device": "/dev/zero", "a circle": file.name}[what])
    done = attack("import", "--csv", file, *WORDS, "-o", tmp_path / "made")
    assert done.code in (1, 2)
    assert "theirs.csv" in done.stderr


def test_a_table_of_many_columns_is_refused_in_linear_time(attack, tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text(",".join(f"c{number}" for number in range(100_000)) + "\n")
    began = time.process_time()
    done = attack("import", "--csv", file, *WORDS, "-o", tmp_path / "made")
    assert done.code == 2
    assert "and 99960 more" in done.stderr
    assert time.process_time() - began < 4


@pytest.mark.parametrize("sides", ["tf", "tf,tf", "tf,mx,x", ",", "", "\x1b[31m,x", "run,task", "x" * 9_000 + ",tf"])
def test_sides_that_cannot_be_are_refused(attack, tmp_path: Path, sides: str) -> None:
    file = tmp_path / "theirs.csv"
    file.write_bytes(HEAD + ROWS)
    done = attack("import", "--csv", file, "--sides", sides, *WORDS[2:], "-o", tmp_path / "made")
    assert done.code in (1, 2)
    assert neutral(done.stderr) == done.stderr

"""The user's own scripts: their files are left alone, nothing that a folder names runs unasked, secrets stand in no result."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dlprof.api.bisect import row
from dlprof.api.script import resume
from dlprof.api.script.options import ScriptCompare
from dlprof.capture.machine import command_words, probe
from dlprof.capture.script import overlay
from dlprof.capture.script.command import Command
from dlprof.capture.script.link import Listener
from dlprof.capture.script.revision import checked_out
from dlprof.capture.script.scratch import copied
from dlprof.errors import ChildFailed, UsageError

ANALYSIS = Path(__file__).parent.parent.parent / "analysis"


@pytest.fixture
def folder(tmp_path):
    """A working folder with something to lose."""
    made = tmp_path / "project"
    (made / "runs" / "first").mkdir(parents=True)
    (made / "runs" / "first" / "model.pt").write_text("precious")
    (made / "train.py").write_text("print(1)\n")
    return made


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(folder):
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


# the scratch copy of the working folder


@pytest.mark.parametrize("target", ["first", "../runs/first", "ABSOLUTE"])
def test_a_link_inside_of_the_folder_leads_into_the_copy(attacked, folder, tmp_path, target):
    attacked()
    (folder / "runs" / "latest").symlink_to(folder / "runs" / "first" if target == "ABSOLUTE" else target)
    copy = copied(folder, tmp_path / "copy")
    (copy / "runs" / "latest" / "model.pt").write_text("cut short")
    assert (folder / "runs" / "first" / "model.pt").read_text() == "precious"


def test_a_link_out_of_the_folder_leads_where_it_did(attacked, folder, tmp_path):
    attacked()
    (tmp_path / "data").mkdir()
    (folder / "data").symlink_to("../data")
    assert (copied(folder, tmp_path / "copy") / "data").resolve() == tmp_path / "data"


def test_links_that_lead_nowhere_or_to_themselves_are_copied(attacked, folder, tmp_path):
    attacked(3)
    (folder / "loop").symlink_to("loop")
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    (folder / "gone").symlink_to("nowhere")
    copy = copied(folder, tmp_path / "copy")
    assert sorted(path.name for path in copy.iterdir() if path.is_symlink()) == ["a", "b", "gone", "loop"]


def test_a_copy_that_lies_in_the_folder_itself_is_not_copied_into_itself(attacked, folder):
    attacked(3)
    (folder / "tmp").mkdir()
    copy = copied(folder, folder / "tmp" / "dlprof-1" / "trial-0-folder")
    assert sorted(path.name for path in copy.iterdir()) == ["runs", "tmp", "train.py"]
    assert list((copy / "tmp").iterdir()) == []
    again = copied(folder, folder / "copy")
    assert not (again / "copy").exists()
    result = folder / ".out.partial-1-2-0123456789abcdef"  # what dlprof itself has under way, and grows with each trial
    result.mkdir()
    assert not (copied(folder, folder.parent / "third") / result.name).exists()


def test_pipes_and_sockets_are_left_out(attacked, folder, tmp_path):
    attacked(2)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "s"))
    copy = copied(folder, tmp_path / "copy")
    assert sorted(path.name for path in copy.iterdir()) == ["runs", "train.py"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_with_what_to_do(attacked, folder, tmp_path):
    attacked()
    (folder / "secret").write_text("")
    (folder / "secret").chmod(0)
    with pytest.raises(UsageError, match="secret: cannot be copied"):
        copied(folder, tmp_path / "copy")


LINKS = {"..": "../outside", "deep": "runs/../../outside", "itself": ".", "absolute": "/etc", "nothing": "nowhere"}


@pytest.mark.parametrize("what", LINKS)
def test_a_link_that_leads_out_of_the_folder_or_is_not_there_is_refused(attacked, folder, tmp_path, what):
    attacked()
    outside = tmp_path / "outside"
    outside.write_text("precious")
    with pytest.raises(UsageError, match="--link"):
        copied(folder, tmp_path / "scratch" / "copy", [folder / LINKS[what]])
    assert outside.read_text() == "precious"


def test_a_link_below_a_link_of_the_revision_deletes_nothing(attacked, folder, tmp_path):
    attacked()
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "train.bin").write_text("precious")
    (folder / "data").symlink_to(tmp_path / "big")
    revision = tmp_path / "revision"
    shutil.copytree(folder, revision, symlinks=True)
    with pytest.raises(UsageError, match="data is a symbolic link in the revision"):
        copied(revision, tmp_path / "copy", [folder / "data" / "train.bin"], origin=folder)
    assert (tmp_path / "big" / "train.bin").read_text() == "precious"


def test_a_link_where_the_revision_has_a_file_or_a_folder_takes_its_place(attacked, folder, tmp_path):
    attacked(2)
    revision = tmp_path / "revision"
    shutil.copytree(folder, revision)
    copy = copied(revision, tmp_path / "copy", [folder / "runs", folder / "runs" / "first"], origin=folder)
    assert (copy / "runs").resolve() == folder / "runs"
    (revision / "data").write_text("a file")
    (folder / "data" / "x").mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot be copied"):
        copied(revision, tmp_path / "other", [folder / "data" / "x"], origin=folder)


# a revision of the repository

HOOKS = ("post-index-change", "post-checkout", "reference-transaction", "pre-auto-gc")


def test_no_hook_of_the_repository_runs_for_a_revision(attacked, repository, tmp_path):
    mark = tmp_path / "mark"
    for hook in HOOKS:
        attacked()
        file = repository / ".git" / "hooks" / hook
        file.write_text(f"#!/bin/sh\ntouch {mark}\n")
        file.chmod(0o755)
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {mark}\n")
    monitor.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(monitor))
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "gpg.program", str(monitor))
    mark.unlink(missing_ok=True)  # git's own `config` may have run one
    checked_out("HEAD", repository, tmp_path / "made")
    (repository / "train.py").write_text("print(2)\n")
    git(repository, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "commit", "-qam", "two")
    row.commits("HEAD~1", "HEAD", repository)
    assert not mark.exists()


def test_a_sparse_repository_still_gives_all_files(attacked, repository, tmp_path):
    attacked()
    for setting in ("core.sparseCheckout", "submodule.recurse"):
        git(repository, "config", setting, "true")
    (repository / ".git" / "info" / "sparse-checkout").write_text("/train.py\n")
    assert (checked_out("HEAD", repository, tmp_path / "made").folder / "runs" / "first" / "model.pt").exists()


# a directory that is gone on with


def asked(a, b, **more):
    usual = {
        "budget_s": 300.0,
        "trials": None,
        "precision": None,
        "margin": 0.05,
        "traces": None,
        "gate": None,
        "output": None,
    }
    return ScriptCompare(a=a, b=b, **usual | more)


def directory(tmp_path, **changes):
    """A comparison's directory that says it compares two scripts."""
    before = next(ANALYSIS.glob("fundamental-operations/data/cells/*/manifest.json"))
    theirs = shutil.copytree(before.parent, tmp_path / "theirs")
    manifest = json.loads(before.read_text())
    held = resume.stated(asked(Command.parse("python train.py --lr=0.1 run"), Command.parse("python train.py")))
    held |= {key: value for key, value in changes.items() if key != "side"}
    held["a"] |= changes.get("side", {})
    manifest["options"]["asked"] = {"script": held}
    (theirs / "manifest.json").write_text(json.dumps(manifest))
    return theirs


SIDES = {
    "another program": {"words": ["./evil", "train.py", "--lr=0.1", "run"]},
    "no program": {"words": []},
    "no program, but a Python": {"words": [], "python": "/usr/bin/env"},
    "another Python": {"python": "/usr/bin/env"},
    "a variable that looks like words": {"variables": {"python train.py --lr": "0.1"}, "words": ["run"]},
    "a variable that changes what runs": {"variables": {"PYTHONPATH": "/tmp/evil"}},
    "packages": {"packages": ["evil"]},
    "a revision": {"revision": "evil"},
}


@pytest.mark.parametrize("what", SIDES)
def test_a_script_that_only_the_directory_names_is_not_run(attacked, tmp_path, what):
    attacked()
    theirs = directory(tmp_path, side=SIDES[what])
    typed = asked(Command.parse("python train.py --lr=0.1 run"), Command.parse("python train.py"))
    found = gone_on_with(theirs, typed)
    if isinstance(found, str):
        assert "side A is not that of the first trials" in found
    else:  # it looks the same: what runs is what was typed
        assert (found.a, found.b) == (typed.a, typed.b)


def gone_on_with(theirs, typed):
    """The options of a later sitting, or why it is refused."""
    try:
        return resume.options(theirs, typed, typed)
    except UsageError as refused:
        return refused.message


@pytest.mark.parametrize(
    "changes", [{"in_place": True}, {"links": ["/home"]}, {"links": ["a/../../b"], "in_place": True}]
)
def test_what_lets_scripts_write_to_the_users_files_must_be_repeated(attacked, tmp_path, changes):
    attacked()
    typed = asked(Command.parse("python train.py --lr=0.1 run"), Command.parse("python train.py"))
    with pytest.raises(UsageError, match="by which scripts write to your own files") as refused:
        resume.options(directory(tmp_path, **changes), typed, typed)
    assert ("--in-place" in str(refused.value.hint)) == ("in_place" in changes)


# what stands in results


SECRETS = {
    "HF_TOKEN=hush python train.py": "HF_TOKEN='…' python train.py",
    "WANDB_API_KEY=hush python train.py --lr=1": "WANDB_API_KEY='…' python train.py --lr=1",
    "python train.py --lr=1 --api-key=hush": "python train.py --lr=1 '--api-key=…'",
    "python train.py --password hush --lr 1": "python train.py --password '…' --lr 1",
    "python train.py --data https://me:hush@host/x": "python train.py --data 'https://…@host/x'",
}


@pytest.mark.parametrize("typed", SECRETS)
def test_a_secret_of_a_command_stands_in_no_result(attacked, typed):
    attacked()
    command = Command.parse(typed)
    assert str(command) == SECRETS[typed]
    assert "hush" not in json.dumps(resume.stated(asked(command, command)))
    assert "hush" not in json.dumps(
        command_words.command_line(["dlprof", "compare", "--a", typed, "--b", f"sh -c '{typed}'"])
    )
    assert "hush" in " ".join([*command.words, *command.variables.values()])


@pytest.mark.parametrize("word", ["--max-tokens=512", "--tokenizer=gpt2", "--pad-token=x", "--name='it is'", "a b"])
def test_settings_of_a_model_are_no_secrets(attacked, word):
    attacked()
    assert command_words.blotted([word, "next"]) == [word, "next"]


# what a script's process says


@pytest.fixture
def link(tmp_path):
    """A script's process, and dlprof's end of its socket."""
    with Listener(tmp_path / "steps") as listener, socket.socket(socket.AF_UNIX) as child:
        child.connect(str(listener.path))
        child.sendall(
            b'{"event": "hello", "pid": 1, "framework": "python", "version": "3", "found": "told", "step": 1}\n'
        )
        job = listener.job(lambda: True, time.monotonic() + 5)
        yield child, job.links[0]
        job.close()


STRANGE = {
    "no JSON": b"hello\n", "no UTF-8": b'{"message": "\xff"}\n', "half a character": b'{"message": "\\ud800"}\n',
    "a list": b"[]\n", "another type": b'{"wall_ns": "x"}\n', "nested deep": b'{"facts": ' + b"[" * 100_000 + b"\n",
    "a huge number": b'{"step": 1' + b"0" * 400 + b"}\n", "nothing": b"\n",
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_a_line_that_is_not_dlprofs_ends_in_words(attacked, link, what):
    attacked()
    child, mine = link
    child.sendall(STRANGE[what])
    with pytest.raises(ChildFailed, match="is not dlprof's"):
        mine.read(time.monotonic() + 5)


def test_a_line_without_end_is_not_kept_without_end(attacked, link, monkeypatch):
    attacked()
    monkeypatch.setattr("dlprof.capture.script.link._LONGEST_LINE", 1 << 20)
    child, mine = link
    sender = threading.Thread(target=_pour, args=(child,), daemon=True)
    sender.start()
    with pytest.raises(ChildFailed, match="without an end of line"):
        mine.read(time.monotonic() + 20)
    mine.close()
    sender.join(10)


def _pour(child):
    try:
        for _ in range(100):
            child.sendall(b"x" * 65_536)
    except OSError:
        return


PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
def step():
    time.sleep(0.001)
while True:
    step()
"""


@pytest.mark.parametrize("ranks", [{}, {"RANK": "x", "WORLD_SIZE": "many"}])
def test_a_process_whose_arguments_are_no_utf_8_or_whose_rank_is_no_number_is_heard(attacked, tmp_path, ranks):
    attacked()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(root=str(tmp_path)))
    inject = Path(__file__).parents[2] / "dlprof" / "runner" / "inject"
    with Listener(tmp_path / "steps") as listener:
        environ = os.environ | {
            "PYTHONPATH": str(inject),
            "DLPROF_SOCKET": str(listener.path),
            "DLPROF_STEP": "__main__:step",
        }
        words = [os.fsencode(sys.executable), os.fsencode(program), b"\xff\xfe"]
        with subprocess.Popen(words, env=environ | ranks) as process:
            try:
                job = listener.job(lambda: process.poll() is None, time.monotonic() + 30)
                assert job is not None
                assert job.hello.argv[-1].endswith("\\udcff\\udcfe")
                assert (job.hello.rank, job.hello.world) == (0, 1)
                job.close()
            finally:
                process.kill()


# what lies in the working folder


@pytest.mark.parametrize("name", ["json", "glob", "ctypes", "site", "numpy", "pip", "runpy"])
def test_a_python_that_is_asked_what_it_has_imports_nothing_of_the_working_folder(
    attacked, tmp_path, monkeypatch, name
):
    attacked()
    mark = tmp_path / "mark"
    (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\nraise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    probe.ask(Path(sys.executable), "numpy" if name == "numpy" else None)
    overlay._asked(Path(sys.executable))
    row._run_pip(Path(sys.executable), "--version")
    assert not mark.exists()


# a comparison that is killed

KILLED = """
import os, sys, time
from pathlib import Path
from dlprof.capture.workers import paused, process
made = process.start(["/bin/sh", "-c", "sleep 600 & setsid sleep 600 & echo started; wait"], env=os.environ, cwd=Path.cwd(),
                     stdout=1, stderr=2)
paused.watch([made.pid])
time.sleep(1)
others = [int(one) for one in Path(f"/proc/{made.pid}/task/{made.pid}/children").read_text().split()]
paused.pause([os.getpgid(one) for one in others])
print("children", *others, flush=True)
time.sleep(600)
"""


def test_what_a_script_has_started_ends_with_a_dlprof_that_is_killed(attacked):
    attacked()
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as killed:
        line = next(line for line in killed.stdout if line.startswith("children"))
        left = [int(one) for one in line.split()[1:]]
        assert len(left) == 2
        killed.kill()
    deadline = time.monotonic() + 20
    while (alive := [one for one in left if _lives(one)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for one in alive:
        os.kill(one, 9)
    assert not alive


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False

"""What is read never runs: neither verifying somebody else's folder nor going on with it starts a program that it names."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

ANALYSIS = Path(__file__).parent.parent.parent / "analysis"


@pytest.fixture
def folder(tmp_path):
    """A rendered analysis folder as somebody else may send it."""
    return shutil.copytree(ANALYSIS / "audit", tmp_path / "theirs")


def planted(script: Path, mark: Path) -> str:
    """A script that leaves a mark when it runs; its sha256."""
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"open({str(mark)!r}, 'w').close()\ndef render(study, out): pass\n")
    return hashlib.sha256(script.read_bytes()).hexdigest()


def restate(folder: Path, **changes: object) -> None:
    file = folder / "rendered.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


ATTACKS = ("render.py", "sub/evil.py", "../outside.py", "ABSOLUTE", "link.py")


@pytest.mark.parametrize("words", [(), ("--render",)])
@pytest.mark.parametrize("name", ATTACKS)
def test_verify_runs_no_script_that_it_was_not_asked_to_run(attack, folder, tmp_path, name, words):
    mark, outside = tmp_path / "mark", tmp_path / "outside.py"
    told = str(outside) if name == "ABSOLUTE" else name
    if name == "link.py":
        digest = planted(outside, mark)
        (folder / name).symlink_to(outside)
    else:
        digest = planted(folder / told, mark)
    # Without --render a digest that fits changes nothing; with it, a script outside the folder has no right one.
    inside = name in ("render.py", "sub/evil.py")
    restate(folder, script=told, script_sha256="0" * 64 if inside and words else digest)
    done = attack("verify", folder, *words)
    assert not mark.exists()
    if words:
        assert done.code == 1
        assert "not run" in done.stderr or "outside of itself" in done.stderr
    else:
        assert "--render" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_script_whose_digest_is_not_stated_is_not_run(attack, folder, tmp_path):
    planted(folder / "render.py", tmp_path / "mark")
    stated = json.loads((folder / "rendered.json").read_text())
    del stated["script_sha256"]
    (folder / "rendered.json").write_text(json.dumps(stated))
    done = attack("verify", folder, "--render")
    assert done.code == 1
    assert "without its sha256, so it is not run" in done.stderr
    assert not (tmp_path / "mark").exists()


def test_with_render_the_folders_own_script_is_named_before_it_runs(attack, folder, tmp_path):
    mark = tmp_path / "mark"
    digest = planted(folder / "render.py", mark)
    (folder / "render.py").write_text(
        (folder / "render.py").read_text().replace("pass", "(out / 'rendered.json').write_text('{}')")
    )
    digest = hashlib.sha256((folder / "render.py").read_bytes()).hexdigest()
    restate(folder, script_sha256=digest)
    done = attack("verify", folder, "--render")
    assert mark.exists()
    assert f"running {folder / 'render.py'} (sha256 {digest}), as --render asks" in done.stderr


@pytest.mark.parametrize("key", ["study", "artefacts"])
def test_a_folder_that_names_files_outside_of_itself_is_refused(attack, folder, key):
    restate(folder, **{key: "../.." if key == "study" else {"../../../etc/hostname": "0" * 64}})
    done = attack("verify", folder)
    assert done.code == 1
    assert "outside of itself" in done.stderr


def test_a_study_that_names_a_cell_outside_of_itself_is_refused(attack, tmp_path):
    study = shutil.copytree(ANALYSIS / "audit" / "data", tmp_path / "study")
    stated = json.loads((study / "study.json").read_text())
    stated["cells"][0]["path"] = "../elsewhere"
    (study / "study.json").write_text(json.dumps(stated))
    done = attack("verify", study)
    assert done.code == 1
    assert "outside of itself" in done.stderr


@pytest.mark.parametrize("words", [(), ("--python", "/usr/bin/env")])
@pytest.mark.parametrize("key", ["python", "calls"])
def test_going_on_with_a_directory_starts_no_program_that_only_the_directory_names(attack, tmp_path, key, words):
    mark, evil = tmp_path / "mark", tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {mark}\n")
    evil.chmod(0o755)
    before = next(ANALYSIS.glob("fundamental-operations/data/cells/*/manifest.json"))
    theirs = shutil.copytree(before.parent, tmp_path / "theirs")
    manifest = json.loads(before.read_text())
    run = {"workload": "dot", "preset": None, "settings": {}, "epochs": None, "device": "cpu", "mode": None, "seed": 0,
           "python": None, "data": None, "threads": None, "max_steps": None, "timeout_s": 60.0, key: str(evil)}  # fmt: skip
    manifest["options"]["asked"] = {"run": run, "a": "tf", "b": "mxnet", "budget_s": 300.0, "trials": None, "precision": None,
                                    "margin": 0.05, "traces": 1, "gate": None, "output": None}  # fmt: skip
    (theirs / "manifest.json").write_text(json.dumps(manifest))
    done = attack("compare", "--resume", theirs, *words)
    assert done.code == 2
    assert f"to confirm that it may, repeat it: --{key} {evil}" in done.stderr or "with other options" in done.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import charts_of_nobody", "ModuleNotFoundError: No module named 'charts_of_nobody'"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("other = 1", "KeyError: 'render'"),
        ("def render(study, out): raise GeneratorExit", "GeneratorExit"),
        ("def render(study, out): raise OSError(28, 'x')", "OSError: [Errno 28] x"),
        ("def render(:", "SyntaxError"),
        ("def render(study, out): pass", "rendered.json"),
    ],
)
def test_a_folders_script_that_fails_is_told_as_such(attack, folder, body, said):
    (folder / "render.py").write_text(body)
    restate(folder, script_sha256=hashlib.sha256((folder / "render.py").read_bytes()).hexdigest())
    done = attack("verify", folder, "--render")
    assert done.code == 1
    assert said in done.stderr.replace("\n", " ")
    assert "render.py" in done.stderr

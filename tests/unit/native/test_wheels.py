"""Wheels as pip builds them: of a platform where a C compiler is, pure without one, none where there must be one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from places import ROOT

from dlprof.native import library

pytest.importorskip("hatchling", reason="building needs hatchling, which only building installs")
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
TRACE = ROOT / "tests" / "unit" / "ingest" / "data" / "lenet-tf-2.21.xplane.pb"
BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel is built of, apart from what lies beside it in the working tree."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "dlprof", folder / "dlprof", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def built(sources: Path, target: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    target.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "DLPROF_BUILD_NATIVE")}
    command = [sys.executable, "-c", BUILD, str(target)]
    return subprocess.run(command, cwd=sources, env={**kept, **variables}, capture_output=True, text=True)


def installed(wheel: Path, target: Path) -> list[str]:
    """Unpacks a wheel as pip does, and what its dlprof says: its reader, and a trace."""
    with zipfile.ZipFile(wheel) as file:
        file.extractall(target)
    kept = {name: value for name, value in os.environ.items() if name != library.VARIABLE}
    said = []
    for words in (["--version"], ["show", str(TRACE)]):
        command = [sys.executable, "-m", "dlprof", *words]
        done = subprocess.run(
            command, cwd=target, env={**kept, "PYTHONPATH": str(target)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    return said


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_wheels_with_and_without_a_compiler_read_the_same(sources: Path, tmp_path: Path) -> None:
    assert built(sources, tmp_path / "with").returncode == 0
    without = built(sources, tmp_path / "without", PATH=str(tmp_path))
    assert without.returncode == 0
    assert "no C compiler (cc, gcc, clang) is on PATH" in without.stdout + without.stderr
    native, pure = next((tmp_path / "with").glob("*.whl")), next((tmp_path / "without").glob("*.whl"))
    assert native.name.endswith(f"-py3-none-{PLATFORM}.whl")
    assert pure.name.endswith("-py3-none-any.whl")
    names = {wheel: set(zipfile.ZipFile(wheel).namelist()) for wheel in (native, pure)}
    assert names[native] - names[pure] == {f"dlprof/native/{library.FILE}"}
    assert not any(name.endswith((".c", ".h")) for name in names[native])
    version, shown = installed(native, tmp_path / "a")
    assert "trace reader: native" in version
    other_version, other_shown = installed(pure, tmp_path / "b")
    assert "trace reader: python (dlprof was installed without a C compiler" in other_version
    assert other_shown == shown


def test_a_release_is_not_built_without_its_c_part(sources: Path, tmp_path: Path) -> None:
    done = built(sources, tmp_path / "release", PATH=str(tmp_path), DLPROF_BUILD_NATIVE="require")
    assert done.returncode != 0
    assert "DLPROF_BUILD_NATIVE=require, but the C part was not built: no C compiler" in done.stdout + done.stderr
    assert not list((tmp_path / "release").iterdir())

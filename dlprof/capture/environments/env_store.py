"""Framework environments: made with uv from a hash lock under a temporary name, tested, renamed; or the user's own."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from dlprof.capture.environments import pythons, uv_tool
from dlprof.capture.environments.cache import Progress, cache_dir, cannot_write, gone, locked, silent, unless_locked
from dlprof.capture.environments.installer import Installer
from dlprof.capture.machine import probe
from dlprof.errors import EnvironmentFailed, UsageError
from dlprof.plugin import LIBRARIES, EnvSpec, ThreadVariables

MARKER = "dlprof-env.json"
KEPT_LOGS = 3
"""Logs of an environment's making that `clean` leaves."""

_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python with a framework in it.

    version: of the framework
    packages: name → version
    contents: name → sha256 of its installed files
    digest: of the lock and the Python asked for; '' for an environment of the user's own
    variables: as in plugin.EnvSpec
    """

    name: str
    framework: str
    python: Path
    version: str
    python_version: str
    packages: Mapping[str, str]
    digest: str = ""
    root: Path | None = None
    variables: tuple[ThreadVariables, ...] = LIBRARIES
    contents: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    locked: bool = True


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    """dlprof-env.json inside an environment: written last, so an environment that has one is whole."""

    name: str
    framework: str
    version: str
    python_version: str
    digest: str
    packages: dict[str, str]
    contents: dict[str, str]
    environ: dict[str, str] = {}
    locked: bool = True


class EnvStore:
    """The environments below `<cache>/envs`, their logs in `<cache>/logs`.

    cache: default `cache_dir()`
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.root = (cache or cache_dir()) / "envs"

    def ensure(
        self,
        spec: EnvSpec,
        on_progress: Progress = silent,
        *,
        known_versions: Sequence[str] = (),
        announce: Progress | None = None,
    ) -> Environment:
        """The environment of `spec`, made on first use (about 10 s to minutes) and made anew when found broken.

        Safe against another dlprof doing the same, and against being killed: the final name appears only when whole.
        known_versions: named in the error when the version cannot be had. announce: told what will be downloaded and how large
        it is; None = on_progress. Raises `EnvironmentFailed`.
        """
        with locked(self.root / f"{spec.name}.lock", EnvironmentFailed, on_progress):
            final = self.root / spec.name
            problem = self._problem(final, spec)
            if problem is None:
                return _environment(final, _read_marker(final), spec.variables)
            if os.path.lexists(final):
                on_progress(f"{spec.name} is broken ({problem}): making it anew")
            try:
                return self._make(spec, final, on_progress, known_versions, announce or on_progress)
            except OSError as failure:
                raise cannot_write(self.root, failure, EnvironmentFailed) from failure

    def list(self) -> list[Environment]:
        """All whole environments, by name."""
        return [
            _environment(path.parent, _read_marker(path.parent))
            for path in sorted(self.root.glob(f"*/{MARKER}"))
            if not path.parent.name.startswith(".")
        ]

    def remove(self, name: str) -> None:
        """Delete the environment `name`. Raises `UsageError` when there is none."""
        known = [path.name for path in self.root.glob("[!.]*/")]
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise UsageError(f"no environment {name!r} in {self.root}", hint=f"there are: {there}")
        with locked(self.root / f"{name}.lock", EnvironmentFailed):
            _discard(self.root / name)

    def clean(self, on_progress: Progress = silent) -> int:
        """Remove what killed dlprofs left half made, and all but the last logs of each environment; how many that was.

        An environment that another dlprof is making now is left alone, and so, with a word, is one whose lock is no lock.
        """
        made = re.compile(r"\.making-(?P<name>.+)-[0-9a-f]{8}(\.txt|\.in)?", re.DOTALL)
        names = {match["name"] for path in self.root.glob(".making-*") if (match := made.fullmatch(path.name))}
        removed = 0
        for name in sorted(names):
            with unless_locked(self.root / f"{name}.lock", on_progress) as free:
                removed += _clear_leftovers(self.root, name) if free else 0
        logs: dict[str, list[Path]] = {}
        for log in sorted((self.root.parent / "logs").glob("*.log")):
            logs.setdefault(log.stem.rpartition("-")[0], []).append(log)
        for old in (log for each in logs.values() for log in each[:-KEPT_LOGS]):
            old.unlink(missing_ok=True)
            removed += 1
        return removed

    def _problem(self, final: Path, spec: EnvSpec) -> str | None:
        if not final.is_dir():
            return "not there"
        try:
            marker = _read_marker(final)
        except (OSError, ValueError):
            return "half made"
        if marker.digest != digest(spec):
            return "its lock file has changed"
        if not os.access(final / "bin" / "python", os.X_OK):
            return "its Python is gone"
        return probe.damage(final, marker.contents)

    def _make(
        self, spec: EnvSpec, final: Path, on_progress: Progress, known: Sequence[str], announce: Progress
    ) -> Environment:
        _clear_leftovers(self.root, spec.name)
        making = self.root / f".making-{spec.name}-{uuid.uuid4().hex[:8]}"
        log = self.root.parent / "logs" / f"{spec.name}-{time.strftime('%Y%m%dT%H%M%S')}.log"
        log.parent.mkdir(exist_ok=True)
        making.mkdir()
        try:
            marker = _build(spec, making, log, on_progress, announce)
            _write_marker(making, marker)
            if os.path.lexists(final):
                _discard(final)
            making.rename(final)
        except uv_tool.UvFailed as failure:
            raise _with_versions(failure, spec, known) from failure
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return _environment(final, marker, spec.variables)


def digest(spec: EnvSpec) -> str:
    """sha256 of what an environment is made from: its Python and its lock file (or what is to be resolved)."""
    source = spec.requirements.read_bytes() if spec.requirements else "\n".join(spec.resolve).encode()
    more = "".join(f"{name}={value}\n" for name, value in sorted(spec.environ.items()))
    return hashlib.sha256(f"{_FORMAT}\n{spec.python}\n{more}".encode() + source).hexdigest()


def user_environment(python: Path, spec: EnvSpec) -> Environment:
    """An environment of the user's own (`--python PATH`), with the framework imported once in it to see that it works.

    spec: of the release that would be taken without one; its variables hold but for those that say where its packages lie.

    Raises `EnvironmentFailed` when the path is no Python, or has no such framework.
    """
    python = python.expanduser().absolute()
    if python.is_dir() and (python / "bin" / "python").exists():
        python = python / "bin" / "python"
    if not python.is_file():
        raise EnvironmentFailed(f"no such Python: {python}", hint="--python takes the path of a Python interpreter")
    name = spec.module or spec.framework
    environ = {key: value for key, value in spec.environ.items() if "{site}" not in value}
    try:
        facts = probe.ask(python, name, environ=environ)
    except EnvironmentFailed as failure:
        hint = failure.hint or f"install {name} there, or leave --python away and dlprof makes an environment"
        raise EnvironmentFailed(failure.message, hint=hint) from failure
    return Environment(
        name=f"user:{spec.framework}-{facts['module']}",
        framework=spec.framework,
        python=python,
        version=facts["module"],
        python_version=facts["python"],
        packages=facts["packages"],
        locked=False,
        environ=environ,
        variables=spec.variables,
    )


def _build(spec: EnvSpec, making: Path, log: Path, on_progress: Progress, announce: Progress) -> _Marker:
    """Fill the folder `making` with a tested environment; returns its marker, not yet written."""
    _install(spec, making, log, on_progress, announce)
    module = spec.module or spec.framework
    on_progress(f"trying import {module}")
    facts = _smoke(making, module, spec, log)
    return _Marker(
        name=spec.name,
        framework=spec.framework,
        version=facts["module"] or spec.version,
        python_version=facts["python"],
        digest=digest(spec),
        packages=facts["packages"],
        contents=probe.content_hashes(making),
        environ=dict(spec.environ),
        locked=spec.requirements is not None,
    )


def _install(spec: EnvSpec, making: Path, log: Path, on_progress: Progress, announce: Progress) -> None:
    """A virtual environment in `making` with the packages of the lock, a copy of which stays in it."""
    on_progress(f"looking for Python {spec.python}")
    python = pythons.find(spec.python)
    if python is None:
        on_progress(f"downloading Python {spec.python}")
        python = pythons.fetch(spec.python, log)
    lock = making.parent / f"{making.name}.txt"
    installer = Installer(spec, making.parent, log, on_progress)
    try:
        if spec.requirements:
            lock.write_bytes(spec.requirements.read_bytes())
        else:
            installer.resolve(lock)
        options = ("--quiet", "--no-project", "--relocatable", "--allow-existing")
        installer.uv("venv", *options, "--python", str(python), str(making))
        announce(installer.announcement(lock, making / "bin" / "python"))
        on_progress(f"installing {spec.name}")
        installer.install(lock, making / "bin" / "python")
        broken = probe.damage(making)
        if broken:  # uv links files from its cache: when one was damaged there, every environment would get it
            on_progress(f"uv's cache is damaged ({broken}): fetching all of it again")
            installer.install(lock, making / "bin" / "python", "--reinstall", "--no-cache")
        lock.rename(making / "requirements.txt")
    finally:
        lock.unlink(missing_ok=True)


def _smoke(making: Path, module: str, spec: EnvSpec, log: Path) -> dict[str, Any]:
    try:
        python, environ = making / "bin" / "python", placed(spec.environ, making)
        return probe.ask(python, module, environ=environ, libraries=spec.libraries)
    except EnvironmentFailed as failure:
        raise EnvironmentFailed(
            f"the environment {spec.name} was installed but does not work: {failure.message}\n  log: {log}",
            hint=failure.hint or "another Python or another release may work: see `dlprof frameworks`",
        ) from failure


def _with_versions(failure: uv_tool.UvFailed, spec: EnvSpec, known: Sequence[str]) -> EnvironmentFailed:
    if spec.requirements is None and known and failure.hint == uv_tool.NO_VERSION:
        hint = f"is {spec.version} a release of {spec.framework}? known to work: {', '.join(known)}"
        return EnvironmentFailed(failure.message, hint=hint)
    return failure


def _environment(root: Path, marker: _Marker, variables: tuple[ThreadVariables, ...] = LIBRARIES) -> Environment:
    facts = {f.name: getattr(marker, f.name) for f in dataclasses.fields(Environment) if hasattr(marker, f.name)}
    facts["environ"] = placed(marker.environ, root)
    return Environment(python=root / "bin" / "python", root=root, variables=variables, **facts)


def placed(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """EnvSpec.environ for an environment that lies in `root`: `{site}` and `*` filled in (plugin.EnvSpec)."""
    site = next(iter(probe.site_packages(root)), root)
    found = {}
    for name, value in environ.items():
        below = value.removeprefix("{site}/")
        matches = sorted(map(str, site.glob(below))) if "*" in value else [value.replace("{site}", str(site))]
        found[name] = ":".join(matches)
    return found


def _read_marker(root: Path) -> _Marker:
    return msgspec.json.decode((root / MARKER).read_bytes(), type=_Marker)


def _write_marker(root: Path, marker: _Marker) -> None:
    with (root / MARKER).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(marker), indent=1))
        file.flush()
        os.fsync(file.fileno())


def _discard(path: Path) -> None:
    """Rename first: a killed rmtree must not leave half an environment under its own name. Of a link only the link goes."""
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    grave = path.with_name(f".making-{path.name}-{uuid.uuid4().hex[:8]}")
    path.rename(grave)
    shutil.rmtree(grave)


def _clear_leftovers(root: Path, name: str) -> int:
    """Remove what a killed dlprof left half made; we hold the lock, so nobody is at work on it. How many that was."""
    ours = re.compile(rf"\.making-{re.escape(name)}-[0-9a-f]{{8}}(\.txt|\.in)?")
    return sum(map(gone, [path for path in root.iterdir() if ours.fullmatch(path.name)]))

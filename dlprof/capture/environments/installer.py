"""Packages into an environment with uv: from where the user's pip would take them, and what that downloads, said before."""

from __future__ import annotations

from pathlib import Path

from dlprof.capture.environments import downloads, pip_settings, uv_tool
from dlprof.capture.environments.cache import Progress
from dlprof.plugin import EnvSpec


class Installer:
    """Resolves and installs one EnvSpec.

    folder: where temporary files beside the environment lie
    """

    def __init__(self, spec: EnvSpec, folder: Path, log: Path, on_progress: Progress) -> None:
        self._spec = spec
        self._folder = folder
        self._log = log
        self._say = on_progress
        self._settings = pip_settings.read()
        self._variables = pip_settings.for_uv(self._settings)

    def uv(self, *arguments: str, doing: str | None = None) -> None:
        """Run uv with the user's settings."""
        doing = doing or f"make the environment {self._spec.name}"
        uv_tool.run(
            arguments, doing=doing, log=self._log, cwd=self._folder, on_progress=self._say, variables=self._variables
        )

    def resolve(self, lock: Path) -> None:
        """Write a hash lock for a release outside the shipped table; it is kept in the environment as requirements.txt."""
        spec = self._spec
        self._say(
            f"warning: {spec.framework} {spec.version} has no shipped lock file; resolving what the index has today"
        )
        wanted = lock.with_suffix(".in")
        wanted.write_text("\n".join(spec.resolve) + "\n")
        options = ("--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--python-version", spec.python)
        try:
            self._where_it_is(
                *("pip", "compile", *options, "-o", str(lock), str(wanted)),
                doing=f"resolve {', '.join(spec.resolve)} for Python {spec.python}",
            )
        finally:
            wanted.unlink()

    def announcement(self, lock: Path, python: Path) -> str:
        """What installing the lock into the environment of `python` will download, and from where. Finds out whether the
        user's indexes have it all, within pip's constraints."""
        plan = python.parents[1] / "pylock.toml"
        options = ("--quiet", "--no-deps", "--format", "pylock.toml", "--python", str(python))
        try:
            self._where_it_is("pip", "compile", *options, "-o", str(plan), str(lock))
            return f"{self._spec.name}: {downloads.statement(downloads.files(plan))}"
        finally:
            plan.unlink(missing_ok=True)

    def install(self, lock: Path, python: Path, *more: str) -> None:
        """Install the lock into the environment of `python`, from where `announcement` found it."""
        # uv takes no constraints but pinned ones beside hashes; what is locked was held against them before.
        self._variables = {**self._variables, "UV_CONSTRAINT": ""}
        self.uv("pip", "install", "--require-hashes", "--python", str(python), "-r", str(lock), *more)

    def _where_it_is(self, *arguments: str, doing: str | None = None) -> None:
        """Run uv; where the user's own indexes lack a package, once more with those of the framework."""
        try:
            self.uv(*arguments, doing=doing)
        except uv_tool.UvFailed as failure:
            if failure.hint != uv_tool.NO_VERSION or not self._spec.indexes:
                raise
            self._say(f"not where pip's settings look: asking {', '.join(self._spec.indexes)} too")
            self._variables = pip_settings.for_uv(self._settings, indexes=self._spec.indexes)
            self.uv(*arguments, doing=doing)

"""What each side's command is run on: the working folder or a revision of it, the environment as it is or with other packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dlprof.api.progress import Progress
from dlprof.capture.script import overlay, revision
from dlprof.capture.script.command import Command
from dlprof.capture.script.revision import Revision


@dataclass(frozen=True, slots=True)
class Ground:
    """Made once in a sitting, before its trials.

    command: with the interpreter that has the packages wished for
    folder: of which every trial gets a copy
    revision: None where `folder` is the working folder itself
    """

    command: Command
    folder: Path
    revision: Revision | None = None

    @property
    def commit(self) -> str | None:
        """Of the revision."""
        return self.revision.commit if self.revision else None

    @property
    def notes(self) -> Iterator[str]:
        """What a reader must know of it."""
        if self.revision is not None:
            yield f"revision {self.revision.name} is commit {self.revision.commit}"
            yield from (f"revision {self.revision.name}: {text}" for text in self.revision.missing)


def made(side: str, command: Command, scratch: Path, progress: Progress) -> Ground:
    """Check out and install what the command asks for, into `scratch`. Raises `UsageError`, `EnvironmentFailed`."""
    found, folder = None, Path.cwd()
    if command.revision is not None:
        found = revision.checked_out(command.revision, folder, scratch / f"revision-{side}")
        folder = found.folder
    if command.packages:
        progress.stage(f"installing {' '.join(command.packages)}")
        python = overlay.made(command.interpreter(), command.packages, scratch / f"with-{side}", progress.detail)
        command = replace(command, python=python)
    return Ground(command, folder, found)

"""What each side's command is run on: the working folder or a revision of it, the environment as it is or with other packages."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlprof.api.progress import Progress
from dlprof.capture.script import overlay, revision
from dlprof.capture.script.command import Command
from dlprof.capture.script.revision import Revision
from dlprof.errors import UsageError


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

    def sources(self, other: Ground) -> tuple[Path, ...]:
        """Where its own code lies, where it or the other side is a revision; else both run what is installed, on purpose."""
        of = self.revision or other.revision
        if of is None:
            return ()
        folders = dict.fromkeys([self.folder, self.revision.top if self.revision else of.root])
        return tuple(place for folder in folders for place in (folder, folder / "src") if place.is_dir())

    @property
    def notes(self) -> Iterator[str]:
        """What a reader must know of it."""
        if self.revision is not None:
            if self.revision.name != self.revision.commit:
                yield f"revision {self.revision.name} is commit {self.revision.commit}"
            yield from (f"revision {self.revision.name}: {text}" for text in self.revision.missing)


def told_of_both(a: Ground, b: Ground) -> Iterator[str]:
    """What a reader must know of the two sides together: that they are one and the same, or that one is in no commit."""
    commands = [replace(one.command, revision=None) for one in (a, b)]
    if commands[0] == commands[1] and (told := _same_files(a, b)):
        yield f"both sides are the same: {told}, and nothing else differs between them"
    for letter, mine, other in (("A", a, b), ("B", b, a)):
        if mine.revision is None and other.revision is not None and (changed := revision.uncommitted(mine.folder)):
            yield f"{letter}: {changed}"


def _same_files(a: Ground, b: Ground) -> str:
    """Why both run the same files, '' where they do not (or where neither is a revision, as of a script against itself)."""
    found = [one.revision for one in (a, b) if one.revision is not None]
    if len(found) == 2 and found[0].commit == found[1].commit:
        return f"{found[0].name} and {found[1].name} are one commit"
    if len(found) == 1 and found[0].unchanged:
        return f"the tracked files of the working folder are those of revision {found[0].name}"
    return ""


def made(
    side: str,
    command: Command,
    scratch: Path,
    progress: Progress,
    overlays: Path | None = None,
    links: Sequence[Path] = (),
) -> Ground:
    """Check out and install what the command asks for, into `scratch`; environments into `overlays` where one is named, and from
    there where they are there. links: what each trial's folder has of the working folder. Raises `UsageError`,
    `EnvironmentFailed`."""
    found, folder = None, Path.cwd()
    if command.revision is not None:
        found = revision.checked_out(command.revision, folder, scratch / f"revision-{side}")
        folder = found.folder
        _check_script(command, found, links)
    if command.packages:
        command = replace(command, python=_with_packages(side, command, scratch, progress, overlays))
    return Ground(command, folder, found)


def _check_script(command: Command, found: Revision, links: Sequence[Path]) -> None:
    """Raises `UsageError` where the script is a file of the working folder that the revision does not have."""
    script = next((word for word in command.words[1:] if word.endswith(".py")), "")
    place = Path(os.path.abspath(script))  # noqa: PTH100  links stay
    if not place.is_file() or not place.is_relative_to(Path.cwd()) or (found.folder / script).exists():
        return
    own = {Path(os.path.abspath(link)) for link in links}  # noqa: PTH100
    if not own.intersection([place, *place.parents]):
        raise UsageError(
            f"revision {found.name} has no {script}", hint=f"--link {script} runs that of the working folder on it, too"
        )


def _with_packages(side: str, command: Command, scratch: Path, progress: Progress, overlays: Path | None) -> Path:
    """The interpreter that has them."""
    if overlays is None:
        progress.stage(f"installing {' '.join(command.packages)}")
        return overlay.made(command.interpreter(), command.packages, scratch / f"with-{side}", progress.detail)
    return kept_overlay(command, overlays, progress)


def kept_overlay(command: Command, overlays: Path, progress: Progress) -> Path:
    """The interpreter that has the command's packages, made in `overlays` unless it is there whole."""
    python = command.interpreter()
    wish = hashlib.sha256("\0".join([str(python), *command.packages]).encode()).hexdigest()
    name = re.sub(r"[^\w.+-]+", "-", "-".join(command.packages))[:40].strip("-.")
    folder = overlays / f"{name}-{wish[:8]}"
    whole = folder / "made-by-dlprof"
    if not whole.is_file():
        progress.stage(f"installing {' '.join(command.packages)}")
        shutil.rmtree(folder, ignore_errors=True)
        overlay.made(python, command.packages, folder.absolute(), progress.detail)
        whole.touch()
    return folder.absolute() / "bin" / "python"

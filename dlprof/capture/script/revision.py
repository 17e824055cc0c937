"""A revision of the user's repository as a folder of its own: its files only, made from an index of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.errors import UsageError

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_PINS: Final = re.compile(
    r"(requirements.*|constraints.*)\.(txt|in)|(uv|poetry|pdm|pylock.*|conda-lock)\.(lock|toml|yml)|Pipfile(\.lock)?"
    r"|environment\.ya?ml|pyproject\.toml|setup\.(cfg|py)"
)
_MODULE: Final = "160000"
"""Mode of a submodule."""

_OF_TOOLS: Final = ("__pycache__", "node_modules", "dlprof-out", "dlprof-history")
_TOLD: Final = 5
"""Names that a sentence lists."""

_NO_REPOSITORY: Final = (
    "run it in the script's repository, or name what else the other side is: --base-python or --base-with of gate, "
    "another --a or --a-python of compare"
)

READ_ONLY: Final = tuple(
    word
    for setting in (
        f"core.hooksPath={os.devnull}",
        "core.fsmonitor=false",
        "submodule.recurse=false",
        "log.showSignature=false",
    )
    for word in ("-c", setting)
)
"""The repository's hooks do not run: its owner meant them for git's own commands."""

_NOTHING_FETCHED: Final = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
"""What a partial clone lacks is not fetched for us: the repository's own settings say by which program. The first outweighs
every `protocol.*.allow`, and every git knows it; the second is of git 2.45."""

_NOT_FETCHED: Final = ("promisor remote", "' not allowed", "lazy fetching disabled")
"""What git says of an object that it would have fetched."""

_UNFILTERED: Final = ("rev-parse", "read-tree", "ls-tree")
"""Commands that open no file of a working tree, so that no filter can run: they need not be asked for."""

_FILTERS: Final = r"^filter\..*\.(clean|smudge|process|required)$"


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision, checked out.

    name: as the user gave it
    commit: its full hash
    root: the repository's working tree, of which it is a revision
    top: where its files lie
    folder: what of it corresponds to the user's working folder
    missing: sentences on what a clone would have and this has not
    unchanged: whether what git tracks is in the working folder as it is in this revision, and no submodule among it
    """

    name: str
    commit: str
    root: Path
    top: Path
    folder: Path
    missing: tuple[str, ...]
    unchanged: bool = False


def checked_out(name: str, here: Path, target: Path) -> Revision:
    """Write the files of revision `name` of the repository that holds `here` to `target`, which must not exist.

    The repository is read only: the files come by way of an index beside `target`, so that neither its own index nor its list of
    worktrees changes, and nothing is left in it by a process that is killed. Raises `UsageError`.
    """
    if shutil.which("git") is None:
        raise UsageError(f"revision {name}: git is not on the PATH", hint="install git")
    none = f"{here}: in no git repository, so it has no revision {name}"
    found = git(here, "rev-parse", "--show-toplevel", wrong=none, hint=_NO_REPOSITORY)
    root = Path(found)
    commit = commit_of(name, here, wrong=f"{root}: no revision {name}")
    if not here.resolve().is_relative_to(root.resolve()):
        raise UsageError(
            f"{here}: not below {root}, which its repository names as its working tree",
            hint="git config --unset core.worktree",
        )
    inside = here.resolve().relative_to(root.resolve())
    target.mkdir(parents=True)
    own = {"GIT_INDEX_FILE": str(target.with_name(f"{target.name}.index")), "GIT_WORK_TREE": str(target)}
    git(root, "read-tree", commit, wrong=f"revision {name} cannot be read", more=own)
    wrong = f"revision {name} cannot be written"
    git(root, "checkout-index", "--all", "--force", wrong=wrong, more=own, filters=True)
    folder = target / inside
    if not folder.is_dir():
        raise UsageError(
            f"revision {name} has no folder {inside}", hint="run dlprof from a folder that both revisions have"
        )
    tree = _tree(root, commit)
    unchanged = not _changed(root, commit) and not _modules(tree)
    return Revision(name, commit, root, target, folder, tuple(_missing(root, tree, commit, here, target)), unchanged)


def commit_of(name: str, here: Path, *, wrong: str) -> str:
    """The full hash of a revision. Raises `UsageError`, with `wrong`, where there is none."""
    try:
        return git(here, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", wrong=wrong)
    except UsageError as error:
        raise UsageError(error.message, hint=_absent(here, error.hint)) from None


def _absent(here: Path, hint: str | None) -> str | None:
    """What to do about a revision that is not there."""
    if is_shallow(here):
        return "this clone is shallow: git fetch --unshallow brings the rest (of GitHub's checkout: fetch-depth: 0)"
    return hint or "git branch --all and git tag list what there is"


def is_shallow(here: Path) -> bool:
    """Whether the clone lacks older commits."""
    try:
        return git(here, "rev-parse", "--is-shallow-repository", wrong="") == "true"
    except UsageError:
        return False


def uncommitted(here: Path) -> str:
    """A sentence on what of the working folder's repository is in no commit; '' for nothing, or for no repository."""
    try:
        root = Path(git(here, "rev-parse", "--show-toplevel", wrong=""))
    except UsageError:
        return ""
    try:
        changed = _changed(root, "HEAD")
    except UsageError as error:
        return f"whether the working folder has changes that are in no commit cannot be told: {error.message}"
    return f"the working folder has changes that are in no commit: {_some(changed)}" if changed else ""


def _changed(root: Path, commit: str) -> list[str]:
    """Tracked files of the working tree that are not as in the commit, as they lie there: through no filter.

    A submodule is asked by a git of its own, since git would ask it without switching off what its settings let run.
    """
    words = ("diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--name-only", "-z", commit, "--")
    wrong = "the working folder cannot be read"
    changed = [name for name in git(root, *words, wrong=wrong).split("\0") if name]
    for entry in git(root, "ls-files", "--stage", "-z", wrong=wrong).split("\0"):
        name = entry.partition("\t")[2]
        if entry.startswith(f"{_MODULE} ") and name not in changed and _is_repository(root / name):
            changed += [f"{name}/{one}" for one in _changed(root / name, "HEAD")]
    return changed


def _is_repository(folder: Path) -> bool:
    return not folder.is_symlink() and os.path.lexists(folder / ".git")


def _missing(root: Path, tree: Sequence[tuple[str, str]], commit: str, here: Path, target: Path) -> Iterator[str]:
    """What the folder lacks that the user's working folder may have."""
    if modules := _modules(tree):
        links = [
            f"--link {name}" for one in modules if not (name := os.path.relpath(root / one, here)).startswith("..")
        ]
        taken = f"; {' '.join(links[:_TOLD])} takes those of the working folder" if links else ""
        yield f"submodules are empty folders there: {_some(modules)}{taken}"
    names = (name for mode, name in tree if mode != _MODULE)
    pointers = [name for name in names if _is_pointer(target / name)]
    if pointers:
        yield f"files of Git LFS are pointers there, not their contents: {_some(pointers)} (git lfs fetch {commit[:12]})"
    if changed := sorted(_pins_that_differ(root, target)):
        yield (
            f"{_some(changed)}: not as in the working folder, and this side runs in the same environment unless "
            "--a-python, --a-with, --b-python or --b-with (of a gate: --base-python, --base-with) names another"
        )
    others = git(
        here, "ls-files", "--others", "--directory", "--no-empty-directory", "-z", wrong="untracked files"
    ).split("\0")
    kept = [name for name in others if name and not _is_of_tools(here / name)]
    if kept:
        yield f"what git does not track is not there: {_some(kept)}; name what the script reads with --link"


def _tree(root: Path, commit: str) -> list[tuple[str, str]]:
    """Mode and name of each file."""
    lines = git(root, "ls-tree", "-r", "-z", commit, wrong="the revision cannot be listed").split("\0")
    return [(line.partition(" ")[0], line.partition("\t")[2]) for line in lines if line]


def _modules(tree: Sequence[tuple[str, str]]) -> list[str]:
    """Submodules."""
    return [name for mode, name in tree if mode == _MODULE]


def _pins_that_differ(root: Path, target: Path) -> Iterator[str]:
    """Files at the top of the repository that say which packages there are."""
    for name in {path.name for folder in (root, target) for path in folder.iterdir() if _PINS.fullmatch(path.name)}:
        now, then = ((folder / name) for folder in (root, target))
        if not (now.is_file() and then.is_file()) or now.read_bytes() != then.read_bytes():
            yield name


def _is_pointer(path: Path) -> bool:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 1024:
            return False
        return path.read_bytes().startswith(_POINTER)
    except OSError:
        return False


def _is_of_tools(path: Path) -> bool:
    """Environments, caches and what dlprof itself wrote, which no script reads as data."""
    return path.name in _OF_TOOLS or path.name.startswith(".") or (path / "pyvenv.cfg").is_file()


def _some(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def git(
    folder: Path,
    *words: str,
    wrong: str,
    hint: str | None = None,
    more: dict[str, str] | None = None,
    filters: bool = False,
) -> str:
    """What git writes, with bytes that are no UTF-8 escaped. Raises `UsageError` where it fails, or is not there.

    It only reads: no program runs that the repository's settings name, and nothing is fetched.
    filters: those of the repository run (Git LFS), as in a checkout
    """
    program = shutil.which("git")
    if program is None:
        raise UsageError("git is not on the PATH", hint="install git")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _NOTHING_FETCHED
    folder_of = {"GIT_DIR": git(folder, "rev-parse", "--absolute-git-dir", wrong=wrong)} if more else {}
    environment = {**kept, **folder_of, **(more or {}), "GIT_OPTIONAL_LOCKS": "0"}
    options = list(READ_ONLY)
    if not filters and words[0] not in _UNFILTERED:
        off, settings = _without_filters(program, folder, environment)
        options += off
        environment |= settings
    done = subprocess.run([program, *options, *words], cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        first = next((line for line in said if line.startswith("fatal: ")), said[-1] if said else "")
        if "dubious ownership" in first:
            hint = f"it belongs to somebody else; to trust it: {said[-1].strip()}"
        elif any(sign in line for line in said for sign in _NOT_FETCHED):
            first = "it is not in this clone, which is a partial one, and dlprof fetches nothing"
            hint = "git fetch --refetch --no-filter brings what is missing"
        raise UsageError(f"{wrong}{f': {first}' if first else ''}", hint=hint)
    return done.stdout.decode("utf-8", "surrogateescape").strip("\n")


def _without_filters(program: str, folder: Path, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Options and variables that switch off every filter which git's settings name in the folder.

    Variables for names with `=`, which `-c` would take for the end of the name; git knows these since 2.31.
    """
    words = [program, *READ_ONLY, "config", "-z", "--name-only", "--get-regexp", _FILTERS]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False)
    names = sorted({name for name in done.stdout.decode("utf-8", "surrogateescape").split("\0") if name})
    off = {name: "false" if name.endswith(".required") else "" for name in names}
    options = [word for name, value in off.items() if "=" not in name for word in ("-c", f"{name}={value}")]
    odd = [(name, value) for name, value in off.items() if "=" in name]
    settings = {"GIT_CONFIG_COUNT": str(len(odd))} if odd else {}
    for number, (name, value) in enumerate(odd):
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return options, settings

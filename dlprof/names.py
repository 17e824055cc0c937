"""Names that one part of dlprof writes and another reads: each is printed and parsed here and nowhere else.

    matmul[size=50]            an item of an op workload (Item)
    dlprof:step=17             a marker in a framework's own trace (Marker)
    grad/matmul[size=50] by b  an array that both sides make for the check of equal work, before the timing or after (ArrayName)
    a-exact-1                  the folder of a traced run in a comparison directory (CaptureName)
    trial-0-a                  the folder of a worker (trial_folder)

The child writes items, markers and arrays too. It imports nothing of dlprof and has a mirror, runner/dlprof_child/names.py;
a test holds both to each other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Final, Literal, Self, cast

import msgspec

from dlprof import schema

SideLetter = Literal["a", "b"]
Fidelity = Literal["exact", "native"]

SIDES: Final[tuple[SideLetter, SideLetter]] = ("a", "b")
"""The two sides of a comparison. B is seen from A: a ratio is the time of B ÷ the time of A."""

LETTERS: Final = "abcdefgh"
"""The sides of a comparison of several, in the order in which they were named."""

Pair = tuple[str, str]
"""Letters of two sides, the one that was named first in front: the A and the B of what is said of the two."""

DEFAULT_SIDES: Final = ("tf", "mxnet")
"""What A and B are where nobody says."""

EXACT: Final[Fidelity] = "exact"
NATIVE: Final[Fidelity] = "native"

PEAK_MEMORY: Final = "peak-memory"
FIRST_STEP: Final = "first-step"
COMPILE_TIME: Final = "compile-time"
ENERGY: Final = "energy"
"""What a gate may judge beside timed items, named like these."""

RUNTIME_THREADS: Final = ("threads", "intra_op_threads", "openmp_threads")
"""Keys of a child's `runtime` that state how many threads one operator may use: anyone's, TensorFlow's, MXNet's."""

STEPS_FOUND: Final = "steps found by"
"""Key of a script's `runtime` that says what was taken for its steps."""

PREFIX: Final = "dlprof:"
"""What every marker starts with."""

_PREFIX_2_0: Final = "dlprof;"
_ITEM: Final = re.compile(r"(?P<task>[^\[\]]+)(?:\[(?P<keys>[^\[\]]*)\])?")
_NUMBER: Final = r"(?P<number>\d{1,18})(?!\d)"
_STEP_MARKER: Final = re.compile(rf"(?P<unsynced>unsynced_)?step={_NUMBER}")
_ITEM_MARKER: Final = re.compile(rf"(?P<unsynced>unsynced_)?item=(?P<item>.*)[@#]{_NUMBER}", re.DOTALL)
_EPOCH_MARKER: Final = re.compile(rf"epoch={_NUMBER}")
_PYTORCH_STEP: Final = re.compile(rf"ProfilerStep#{_NUMBER}")
_NUMBERED: Final = {
    "timed": re.compile(r"(?P<of>.*\])@(?P<number>\d{1,9})", re.DOTALL),
    **dict.fromkeys(
        ("replay/one", "run/blocks", "run/singly"), re.compile(r"(?P<of>.*)@(?P<number>\d{1,9})", re.DOTALL)
    ),
}
_CAPTURE: Final = re.compile(r"(?P<side>[a-h])-(?P<fidelity>exact|native)-(?P<number>[1-9]\d*)")


def as_text(name: str | Path) -> str:
    """A file's name as a text that can be written anywhere: bytes of it that are no UTF-8 are written out (`\\xff`)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class Item(msgspec.Struct, frozen=True):
    """What is timed: `train_block`, or of an op workload `matmul[size=50]`, `matmul[call=study,size=50]`.

    task: the task, or the item's whole name where it has no keys
    keys: name and value of what tells items of a task apart, as written
    """

    task: str
    keys: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Any text is an item: one that is not written as above is a task without keys."""
        match = _ITEM.fullmatch(text)
        parts = (match["keys"] or "").split(",") if match else []
        keys = tuple((key, value) for key, sign, value in (part.partition("=") for part in parts) if sign)
        return cls(match["task"], keys) if match and len(keys) == len([*filter(None, parts)]) else cls(text)

    def __str__(self) -> str:
        return self.task + (f"[{','.join(f'{key}={value}' for key, value in self.keys)}]" if self.keys else "")

    @property
    def size(self) -> int | None:
        """The number of the key `size`."""
        value = dict(self.keys).get("size", "")
        return int(value) if re.fullmatch(r"[0-9]{1,18}", value) else None

    @property
    def variant(self) -> str | None:
        """Which of a task's calls it is, where that is not the plain one: the key `call`."""
        return dict(self.keys).get("call")

    @property
    def sweep(self) -> tuple[str, str, float] | None:
        """(the item without its last key, that key, its value) where the last value is a size, a number above 0; else None."""
        if not self.keys or not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18}", self.keys[-1][1]):
            return None
        key, value = self.keys[-1]
        return (str(Item(self.task, self.keys[:-1])), key, float(value)) if float(value) > 0 else None


class Marker(msgspec.Struct, frozen=True):
    """A marker that the child put into its framework's trace, or a step that PyTorch's profiler marked.

    kind: step, item (a call of an op workload), epoch, phase (one of schema.PHASES), profiler_step (PyTorch's) or
        other
    number: of the step, of the call of this item, or of the epoch; -1 where it has none
    text: the item's name, the phase, or the rest of the name
    synchronised: whether all work that the step or item asked for ended inside it
    """

    kind: Literal["step", "item", "epoch", "phase", "profiler_step", "other"]
    number: int = -1
    text: str = ""
    synchronised: bool = True

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The marker behind an event's name; None for any other event."""
        if not name.startswith(PREFIX):
            step = _PYTORCH_STEP.fullmatch(name)
            return cls("profiler_step", int(step["number"]), synchronised=False) if step else None
        word = name.removeprefix(PREFIX)
        if step := _STEP_MARKER.fullmatch(word):
            return cls("step", int(step["number"]), synchronised=not step["unsynced"])
        if item := _ITEM_MARKER.fullmatch(word):
            return cls("item", int(item["number"]), item["item"], synchronised=not item["unsynced"])
        if epoch := _EPOCH_MARKER.fullmatch(word):
            return cls("epoch", int(epoch["number"]))
        return cls("phase" if word in schema.PHASES else "other", text=word)

    @classmethod
    def spanning(cls, name: str) -> Self | None:
        """The marker at the beginning of an event's name, where its span is a step.

        That is a synchronised step or call of an item of dlprof's own, or a step of PyTorch's. Tools that write a trace anew may
        append to its names.
        """
        if step := _PYTORCH_STEP.match(name):
            return cls("profiler_step", int(step["number"]), synchronised=False)
        if not name.startswith(PREFIX):
            return None
        if (step := _STEP_MARKER.match(name, len(PREFIX))) and not step["unsynced"]:
            return cls("step", int(step["number"]))
        if (item := _ITEM_MARKER.match(name, len(PREFIX))) and not item["unsynced"]:
            return cls("item", int(item["number"]), item["item"])
        return None

    @property
    def series(self) -> tuple[str, str]:
        """What the marker's number counts: the steps, or the calls of one item."""
        return self.kind, self.text

    def __str__(self) -> str:
        unsynced = "" if self.synchronised else "unsynced_"
        if self.kind == "step":
            return f"{PREFIX}{unsynced}step={self.number}"
        if self.kind == "item":  # @ and not #, for TensorFlow cuts a name at its first #
            return f"{PREFIX}{unsynced}item={self.text}@{self.number}"
        if self.kind == "profiler_step":
            return f"ProfilerStep#{self.number}"
        return f"{PREFIX}epoch={self.number}" if self.kind == "epoch" else PREFIX + self.text


SYNC: Final = str(Marker("other", text="sync"))
"""Marker of the wait for all work that was asked for."""

INPUT: Final = str(Marker("phase", text="input"))
"""Marker of a step's input phase."""

CALL: Final = str(Marker("other", text="call"))
"""Marker of the code of a training step, from its first call to its last: without its input and its wait."""

COLLECTION: Final = str(Marker("other", text="gc"))
"""Marker of a full collection of Python's garbage."""

SETTLE: Final = str(Marker("other", text="settle"))
"""Marker of a step or call that runs before those that are looked at, after a pause: it belongs to none of them."""


def is_marker(name: str) -> bool:
    """Whether an event's name is a marker of dlprof's own."""
    return name.startswith(PREFIX)


def restored(name: str) -> str:
    """A name that TensorFlow 2.0 recorded. It drops what stands before a colon, so the child writes `dlprof;step=3` there."""
    return PREFIX + name.removeprefix(_PREFIX_2_0) if name.startswith(_PREFIX_2_0) else name


ArrayKind = Literal[
    "logits", "loss", "out", "grad", "after", "timed", "run", "run/last", "run/blocks", "run/singly", "replay",
    "replay/moved", "replay/fed", "replay/given", "replay/size", "replay/one", "replay/bright", "replay/still",
]  # fmt: skip

_OF_PARAMETERS: Final = re.compile(
    r"(?P<kind>run/(?:last|blocks|singly)|replay/(?:moved|fed|given|size|one|bright|still))/(?P<of>.*)", re.DOTALL
)
_LATE: Final = ("timed", "run", "replay")
_OF_ITEMS: Final = ("out", "grad", "timed")


class ArrayName(msgspec.Struct, frozen=True):
    """An array of the check of equal work.

    Made of the first batch, before the timing:
        logits, loss, out/matmul[size=50], grad/conv1/w, grad/matmul[size=50] by b, after/losses, after/conv1/w
    Made by the objects that were timed, after the timing (`recheck.py` of the child says how):
        timed/matmul[size=50]@0, timed/matmul[size=50]@1 by b, run/updates, run/moved, run/last/conv1/w, run/blocks/conv1/w,
        run/blocks/conv1/w@1, run/singly/conv1/w@0, replay/losses, replay/fed_losses, replay/logits, replay/fed_logits,
        replay/known, replay/moved/conv1/w, replay/fed/conv1/w, replay/given/conv1/w, replay/size/conv1/w,
        replay/one/conv1/w@0, replay/bright/conv1/w, replay/still/conv1/w

    kind: what was asked (out: an item's result, grad: a gradient, after: what three training steps leave, timed: an item's
    result in the timed object, run: the timed run, run/last and run/blocks: timed bursts, or blocks more, run/singly: their steps
    one by one, replay: steps made anew, replay/… how far those of that kind move the weights); any other text of a foreign name.
    of: the layer's weight, the item, or which of a kind's arrays; '' for the outputs of a network
    by: the operand that an item's gradient is taken by, where it is taken by several; else ''
    number: of the operand sets that a timed item was asked on: 0 the first, 1 the last, 2 parts of the results of some in
    between; of the single steps of replay/one; of the further bursts of run/blocks; of the runs of run/singly; None for all other
    arrays, or for an item as a whole
    """

    kind: ArrayKind | str
    of: str = ""
    by: str = ""
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Any text is a name; one without a slash has its kind alone."""
        kind, _, rest = text.partition("/")
        if match := _OF_PARAMETERS.fullmatch(text):
            kind, rest = match["kind"], match["of"]
        of, _, by = rest.partition(" by ")
        if match := _NUMBERED[kind].fullmatch(of) if kind in _NUMBERED else None:
            return cls(kind, match["of"], by, int(match["number"]))
        return cls(kind, of, by)

    def __str__(self) -> str:
        number = "" if self.number is None else f"@{self.number}"
        return self.kind + (f"/{self.of}{number}" if self.of else "") + (f" by {self.by}" if self.by else "")

    @property
    def item(self) -> str | None:
        """The item of an op workload that the array is of; None for a network's."""
        return self.of if self.kind in _OF_ITEMS and self.of.endswith("]") else None

    @property
    def late(self) -> bool:
        """Whether it is made after the timing, by the objects that were timed."""
        return self.kind.partition("/")[0] in _LATE


class CaptureName(msgspec.Struct, frozen=True, order=True):
    """The folder of a traced run in a comparison directory: `a-exact-1`. In order: by side, fidelity and number."""

    side: str
    fidelity: Fidelity
    number: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for a folder of another name."""
        match = _CAPTURE.fullmatch(text)
        if match is None:
            return None
        return cls(match["side"], cast(Fidelity, match["fidelity"]), int(match["number"]))

    def __str__(self) -> str:
        return f"{self.side}-{self.fidelity}-{self.number}"

    @classmethod
    def first(cls, side: str, fidelity: Fidelity = EXACT) -> str:
        """The folder of a side's first traced run, which reports name."""
        return str(cls(side, fidelity, 1))

    @classmethod
    def exact_runs(cls, folders: Iterable[str], side: str) -> list[str]:
        """The folders of a side's exact runs, in order of their numbers."""
        found = [name for folder in folders if (name := cls.parse(folder))]
        return [str(name) for name in sorted(found) if name.side == side and name.fidelity == EXACT]


def pairs_of(letters: Iterable[str]) -> list[Pair]:
    """All pairs of sides."""
    return list(combinations(sorted(letters), 2))


def trial_folder(number: int, side: str) -> str:
    """The folder of the worker that runs a side in a trial; the trial's first is 0."""
    return f"trial-{number}-{side}"

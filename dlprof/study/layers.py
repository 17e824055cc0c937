"""What counts of `--quick`, an experiment and [defaults]: the nearest, and where it was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from dlprof.errors import UsageError
from dlprof.study.positions import Key
from dlprof.study.spec import Choices, Method, Study

_RIVALS: Final = (
    ({"trials"}, {"budget", "precision"}),
    ({"sides"}, {"frameworks", "versions", "modes", "pairing"}),
)
"""Keys that say the same thing in two ways: what a nearer table says in one way ends what a farther one said in the other."""

_LOCKSTEP: Final = frozenset(
    {"pairing", "trials", "budget", "precision", "margin", "traces", "allow", "reasons", "epoch_capture"}
)
MEANINGLESS: Final[Mapping[Method, frozenset[str]]] = {
    "compare": frozenset({"fidelity"}),
    "capture": _LOCKSTEP,
    "as-published": _LOCKSTEP - {"margin"}
    | {"sides", "frameworks", "versions", "modes", "devices", "fidelity", "epochs", "max_steps"},
}
"""Method → keys that it does not know: refused in an experiment, passed over in [defaults] and [quick]."""


@dataclass(frozen=True, slots=True)
class Laid:
    """The keys of one experiment in force.

    at: its number in the file
    origin: key → its place in the file
    """

    study: Study
    at: int
    name: str
    method: Method
    values: Mapping[str, Any]
    origin: Mapping[str, Key]

    def get(self, key: str) -> Any:
        """The value, or UNSET."""
        return self.values.get(key, UNSET)

    def has(self, key: str) -> bool:
        """Whether the key is said anywhere."""
        return key in self.values

    def own(self, key: str) -> bool:
        """Whether the experiment itself says it, not [defaults] or [quick]."""
        return self.origin.get(key, ("",))[0] == "experiments"

    def listed(self, key: str) -> list[Any]:
        """The value as a list; empty where there is none."""
        value = self.get(key)
        return [] if value is UNSET else list(value) if isinstance(value, list) else [value]

    def quantity(self, key: str, parse: Callable[[str], float]) -> float:
        """The value parsed by `parse`, whose error gets a place."""
        try:
            return parse(self.get(key))
        except UsageError as error:
            raise self.wrong(key, error.message, error.hint) from None

    def wrong(self, key: str, message: str, hint: str | None = None) -> UsageError:
        """The error that `key` (dotted below `settings`) is wrong."""
        first, _, rest = key.partition(".")
        place = self.origin.get(key) or self.origin.get(first)
        if place is None:
            return self.study.wrong(("experiments", self.at, first), message, hint)
        return self.study.wrong((*place, rest) if rest and place[-1] != rest else place, message, hint)


def lay(study: Study, at: int, *, quick: bool) -> Laid:
    """The experiment number `at` with what lies below and, with `quick`, above it. `settings` merge key by key."""
    spec, experiment = study.spec, study.spec.experiments[at]
    tables: list[tuple[Key, Choices]] = [(("defaults",), spec.defaults), (("experiments", at), experiment)]
    if quick:
        tables += [(("quick",), spec.quick), (("experiments", at, "quick"), experiment.quick)]
    values: dict[str, Any] = {}
    origin: dict[str, Key] = {}
    for place, table in tables:
        given = {key: getattr(table, key) for key in Choices.__struct_fields__ if getattr(table, key) is not UNSET}
        for key in _ended_by(given):
            values.pop(key, None)
        for key, value in given.items():
            if key == "settings":
                origin |= {f"settings.{name}": (*place, "settings", name) for name in value}
                value = {**values.get("settings", {}), **value}
            values[key], origin[key] = value, (*place, key)
    return Laid(study, at, experiment.name, values.get("method", "compare"), values, origin)


def _ended_by(given: Mapping[str, Any]) -> set[str]:
    ended: set[str] = set()
    for one, other in _RIVALS:
        if one & given.keys():
            ended |= other - given.keys()
        if other & given.keys():
            ended |= one - given.keys()
    return ended

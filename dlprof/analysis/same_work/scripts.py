"""Do two scripts of the user's own do the same work in a step? What their processes tell, set side by side."""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from dlprof.analysis.same_work import parity

Facts = Mapping[str, Any]
"""What a script's process tells of its work (runner/inject: `facts` of a framework's stepper)."""

Difference = Mapping[str, str]
"""As of `parity`, with `allowed` = yes where the user allowed it by name."""

_KINDS: Final = {
    "kind of step": "task",
    "batch": "batch",
    "parameters": "parameters",
    "parameter arrays": "parameters",
    "forward passes": "accumulation",
    "backward passes": "accumulation",
    "steps per execution": "accumulation",
    "autocast": "precision",
    "precision policy": "precision",
    "float32 products": "precision",
    "default dtype": "precision",
    "64 bits": "precision",
    "TF32 in cuDNN": "precision",
}
"""Fact → the kind of difference that it is, of those that make the time of a step incomparable."""

LOSS: Final = "loss"
_LOSS_GAP: Final = 0.05
_LOSS_SPREAD: Final = 0.001

_UNTOLD: Final = ("versions", "losses", "start", "strays", "installed", "untold")


def kinds() -> tuple[str, ...]:
    """What `--allow` takes."""
    return tuple(sorted({*_KINDS.values(), LOSS}))


def compare(a: Facts, b: Facts, allow: Collection[str] = ()) -> tuple[Difference, ...]:
    """The differences, those that forbid a verdict first, then what else differs, then versions of packages."""
    found = [*_facts(a, b, allow), *_versions(a.get("versions", {}), b.get("versions", {}))]
    return tuple(sorted(found, key=lambda one: one["blocks"] != "yes"))


def _facts(a: Facts, b: Facts, allow: Collection[str]) -> Iterator[Difference]:
    for name in sorted({*a, *b} - {*_UNTOLD}):
        left, right = a.get(name), b.get(name)
        if left == right or (name in _KINDS and not (_tells(left) and _tells(right))):
            continue
        if name == "batch" and _fit(left, right):
            continue
        kind = _KINDS.get(name)
        if name == "parameter arrays" and a.get("parameters") != b.get("parameters"):
            continue  # told by their number already
        left, right = _apart(left, right)
        yield _difference(name, _shown(left), _shown(right), kind, allow)


def _apart(a: object, b: object) -> tuple[object, object]:
    """Of two lists of settings those that differ; what is no such list as it is."""
    if not (isinstance(a, Mapping) and isinstance(b, Mapping)) or "digest" in {*a, *b}:
        return a, b
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key) or (key in a) != (key in b)]
    left, right = ({key: side.get(key, "not stated") for key in keys} for side in (a, b))
    return left, right


def _tells(value: object) -> bool:
    """Whether a side knows the fact: an empty list of shapes is none."""
    return value is not None and value != []


def _fit(a: object, b: object) -> bool:
    """Whether shapes are the same but for sizes that vary from step to step (`int64[16, *]`), as the lengths of texts do."""
    if not (isinstance(a, list) and isinstance(b, list) and len(a) == len(b)):
        return False
    for left, right in zip(a, b, strict=True):
        mine, others = (re.findall(r"[^\[\], ]+", str(one)) for one in (left, right))
        if len(mine) != len(others) or any(
            "*" not in pair and len({*pair}) > 1 for pair in zip(mine, others, strict=True)
        ):
            return False
    return True


def losses(a: Sequence[Facts], b: Sequence[Facts], allow: Collection[str] = ()) -> tuple[Difference, ...]:
    """Whether the losses of the same steps drift apart, where both sides have the same seed and repeat their own from trial to
    trial. a, b: what each trial told."""
    mine, others = ([list(facts.get("losses", [])) for facts in side] for side in (a, b))
    count = min((len(series) for series in (*mine, *others)), default=0)
    if not count or len(mine) < 2 or len(others) < 2 or a[0].get("seed") != b[0].get("seed"):
        return ()
    for at in range(count):
        left, right = ([series[at] for series in side] for side in (mine, others))
        if None in left or None in right:  # infinite, or no number
            if all(one is None for one in left) == all(one is None for one in right):
                return ()
            of_a, of_b = ("not finite" if None in side else f"{side[0]:.6g}" for side in (left, right))
            return (_difference("loss", of_a, of_b, LOSS, allow),)
        scale = max(abs(statistics.fmean(left)), abs(statistics.fmean(right)), 1e-12)
        if max(max(one) - min(one) for one in (left, right)) > _LOSS_SPREAD * scale:
            return ()
        if abs(statistics.fmean(left) - statistics.fmean(right)) > _LOSS_GAP * scale:
            return (_difference("loss", f"{left[0]:.6g}", f"{right[0]:.6g}", LOSS, allow),)
    return ()


def _versions(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            yield _difference(f"version of {name}", a.get(name, "none"), b.get(name, "none"), None, ())


def _difference(name: str, a: str, b: str, kind: str | None, allow: Collection[str]) -> Difference:
    found = {"what": "fact", "where": name, "a": a, "b": b, "blocks": "no"}
    if kind is None:
        return found
    if kind in allow:
        return {**found, "kind": kind, "allowed": "yes"}
    return {**found, "kind": kind, "blocks": "yes"}


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        if "digest" in value:
            return f"{value.get('arrays')} arrays, {', '.join(map(str, value.get('first', [])))}, … ({value['digest']})"
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not stated" if value is None else str(value)


def statement(difference: Difference) -> str:
    """One difference in words, with the name by which it may be allowed."""
    said = parity.statement(difference)
    return f"{said} (--allow {difference['kind']})" if difference["blocks"] == "yes" else said

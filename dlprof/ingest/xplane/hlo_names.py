"""Names of XLA's instructions and fusions: which operator `dot.3`, `wrapped_reduce` or `loop_transpose_fusion` is.

What the compiled module tells of an instruction goes to the vocabulary as one text, `spelled` here and read by `hlo_operator`:
`optimizer!mul|multiply|multiply_add_fusion{mul:multiply,add:add}` is an instruction of the optimizer, called mul, else multiply,
else what its name says, that fuses a product and a sum.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from dlprof.ingest.finish.paths import place
from dlprof.ingest.xplane.hlo_module import Described, Instruction, unnumbered
from dlprof.ingest.xplane.plane_names import annotation
from dlprof.plugin import Operator, Vocabulary

_FUSION: Final = re.compile(r"(?:(?P<before>.+)_)?fusion(?:_(?P<after>.+))?")
_LONGEST: Final = 3
_SPELLED: Final = re.compile(r"(?:(?P<phase>\w+)!)?(?P<names>[^!{}]*)(?:\{(?P<contents>[^!{}]*)\})?")
_RESERVED: Final = re.compile(r"[!|{}:,]")
_PRODUCTS: Final = frozenset({"dot", "convolution"})
"""Opcodes that an instruction is called after whatever its path says: XLA merges a transposition's path into a product's."""
_UPDATES: Final = re.compile(
    r"(?:.*[/\\])?(?:optax|keras[/\\]src[/\\]optimizers|flax[/\\]nnx[/\\]training)[/\\].*|(?:.*[/\\])?train_state\.py"
)
_LOSSES: Final = re.compile(r"(?:.*[/\\])?(?:optax[/\\]losses|keras[/\\]src[/\\]losses)[/\\].*")
"""Source files of the optimizers and losses that JAX's libraries bring, for what they leave without a scope."""


_COMMUNICATION: Final = "communication"
_COLLECTIVE: Final = (
    r"(?:all-reduce(?:-scatter)?|all-gather|reduce-scatter|(?:ragged-)?all-to-all|collective-(?:permute|broadcast))"
)
_MOVING: Final = re.compile(rf"(?:{_COLLECTIVE}|send|recv|infeed|outfeed|copy)(?:-start|-update|-done)?")
_GATHERING: Final = re.compile(rf"{_COLLECTIVE}(?:-start|-update|-done)?")
_LIBRARY: Final = re.compile(r"(?:nccl|rccl|mscclpp|msccl)(?:Dev)?Kernel_?(\w*).*", re.IGNORECASE | re.DOTALL)
_WORDS: Final = {
    "allreduce": "all-reduce",
    "allgather": "all-gather",
    "reducescatter": "reduce-scatter",
    "alltoall": "all-to-all",
    "broadcast": "collective-broadcast",
}
"""What a library's kernel calls a collective, lower case → the opcode."""


def moving(*told: str | None) -> str | None:
    """The opcode of an instruction that sends, receives or copies, None for one that computes.

    told: its opcode, name, category or kernel, what tells best first. Its path says nothing of it: XLA gives what its partitioner
    and its layouts insert the path of the operator that stands before it.
    """
    for text in told:
        if not text:
            continue
        plain = text.lstrip("%").split(".", 1)[0].removesuffix(" fusion")
        if _MOVING.fullmatch(plain):
            return plain
        if match := _LIBRARY.fullmatch(text):
            words = match[1].replace("_", "").lower()
            named = (opcode for word, opcode in _WORDS.items() if words.startswith(word))
            return next(named, communication(text))
    return None


def communication(name: str) -> str:
    """The text that `hlo_operator` understands as sending or receiving, whatever its name."""
    return f"{_COMMUNICATION}!{_RESERVED.sub('_', name)}"


def spelled(described: Described) -> str:
    """The text that `hlo_operator` understands."""
    own, contents = described.instruction, described.contents
    product = next((each.opcode for each in (own, *contents) if each.opcode in _PRODUCTS), None)
    opcodes = [each.opcode for each in contents[-1:]] if own.opcode == "fusion" else [own.opcode]
    if (moved := _moving(described, product)) is not None:
        return moved
    names = [product, own.op_type, _primitive(own), *opcodes, instruction(own.name)]
    text = "|".join(dict.fromkeys(name for name in names if name and not _RESERVED.search(name)))
    phase = _phase(own)
    inside = dict.fromkeys(f"{_primitive(each)}:{each.opcode}" for each in contents)
    plain = [pair for pair in inside if pair.count(":") == 1 and not _RESERVED.search(pair.replace(":", ""))]
    return (f"{phase}!" if phase else "") + text + (f"{{{','.join(plain)}}}" if plain else "")


def _moving(described: Described, product: str | None) -> str | None:
    """The opcode of what sends, receives or copies; of a fusion, of the collective in it, unless it holds a product."""
    own = described.instruction
    if own.opcode == "fusion":
        inside = (each.opcode for each in described.contents if _GATHERING.fullmatch(each.opcode))
        return None if product else next(inside, None)
    return moving(own.opcode, own.name if own.opcode.startswith("async-") else None)


def _primitive(each: Instruction) -> str:
    return annotation(each.op_name.partition(";")[0]).type or "" if "/" in each.op_name else ""


def _phase(each: Instruction) -> str | None:
    """What the source files say of an instruction whose path tells no phase: optax gives its updates no scope."""
    if "/" not in each.op_name or place(each.op_name).phase is not None:
        return None
    for file in each.files:
        if _LOSSES.fullmatch(file):
            return "loss"
        if _UPDATES.fullmatch(file):
            return "optimizer"
    return None


def instruction(name: str) -> str:
    """An instruction's name without the number that makes it unique in its module: `dot.3` → dot."""
    return unnumbered(name, ".")


def hlo_operator(name: str, vocabulary: Vocabulary) -> Operator | None:
    """The operator behind an instruction's or kernel's name, None if it is unknown.

    XLA names a fusion after some of what it fuses; where the trace has no module, that is what `fuses` then holds: all that it
    tells, perhaps not all there is.
    """
    match = _SPELLED.fullmatch(name)
    if match is None or not (match["phase"] or match["contents"] or "|" in match["names"]):
        return _named(name, vocabulary)
    for candidate in match["names"].split("|"):
        operator = _named(candidate, vocabulary)
        if operator is not None:
            break
    else:
        return Operator("", _COMMUNICATION, "kernel") if match["phase"] == _COMMUNICATION else None
    if match["contents"]:
        fused = _fused(match["contents"], vocabulary)
        operator = replace(operator, fuses=() if fused == (operator.op,) else fused)
    return replace(operator, phase=match["phase"]) if match["phase"] and operator.phase is None else operator


def _fused(contents: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Canonical operators of what a fusion holds, each once: by the primitive it was made from, else by its opcode."""
    found = []
    for pair in contents.split(","):
        primitive, _, opcode = pair.partition(":")
        operator = (vocabulary.get(opcode) if opcode in _PRODUCTS else vocabulary.get(primitive)) or vocabulary.get(
            opcode
        )
        if operator is not None and operator.op:
            found.append(operator.op)
    return tuple(dict.fromkeys(found))


def _named(name: str, vocabulary: Vocabulary) -> Operator | None:
    base = unnumbered(name.removesuffix(".kd"), "._")
    if (known := vocabulary.get(base)) is not None:
        return known
    if base.startswith("wrapped_"):
        return vocabulary.get(base.removeprefix("wrapped_"))
    fusion = vocabulary.get("fusion")
    if fusion is not None and (match := _FUSION.fullmatch(base)):
        words = "_".join(part for part in (match["before"], match["after"]) if part).split("_")
        return replace(fusion, fuses=tuple(_known(words, vocabulary)))
    return None


def _known(words: list[str], vocabulary: Vocabulary) -> list[str]:
    """Canonical operators among the words, the longest names first: dot_general before dot."""
    found: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            operator = vocabulary.get("_".join(words[at : at + length]))
            if operator is not None:
                found.append(operator.op)
                at += length
                break
        else:
            at += 1
    return found

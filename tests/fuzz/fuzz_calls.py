"""Fuzzes the calls of workload files: any text is refused, or names operands and listed functions alone and compiles.

    python tests/fuzz/fuzz_calls.py --runs 100000      mutations of documents that dlprof wrote
    python tests/fuzz/fuzz_calls.py FILE…              replays finds

What is no answer of dlprof's own errors is a find, kept below tests/fuzz/corpus_calls, which a test replays.
"""

from __future__ import annotations

import ast
import random
import re
import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ADAPTERS = ROOT / "dlprof" / "frameworks"
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "dlprof" / "runner")]
sys.path += [str(ADAPTERS / name / "adapter") for name in ("mxnet", "tensorflow")]

from dlprof_child import calls, functions  # noqa: E402  path set above
from dlprof_child.faults import Fault  # noqa: E402
from engine import Harness, main  # noqa: E402
from mxnet_functions import MXNET  # noqa: E402
from tf_functions import TENSORFLOW  # noqa: E402

NAMES = ("x", "y", "n", "dtype")
LISTED = {"np": functions.NUMPY, **TENSORFLOW, **MXNET}
WORDS = [
    "x", "y", "n", "dtype", "(", ")", "[", "]", "{", "}", ".", ",", ":", ":=", "+", "-", "*", "**", "/", "//", "@", "%", "~", "<",
    "==",
    "if", "else", "for", "in", "lambda", "lambda:", "await", "yield", "not", "and", "is", "1", "2", "0.5", "1j", "64",
    "65", "9" * 300,
    "'a'", "b'a'", "f'{x}'", "'{0.__class__}'", "None", "...", "True", "__import__", "__class__", "__globals__", "eval", "open",
    "os",
    ".T", ".shape", ".tofile", ".tobytes", ".handle", ".ctypes", ".base", ".sum", ".astype", "axis=", "out=", "**x", "*x",
    "\\\n", "\n",
    "\0", "\ufeff", "ｘ", "\u2028", "#", ";", "=", "-> ", "!", "`", "$",
]  # fmt: skip
SEEDS = [
    "np.dot(x, y)",
    "x + y * 2",
    "x.sum(axis=0)",
    "np.maximum(x, 0)",
    "x[0, ..., 1:n]",
    "(x ** 2 - y) / n",
    "x.astype(dtype)",
]
_NO = (ast.Lambda, ast.NamedExpr, ast.Starred, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Await, ast.Yield,
       ast.YieldFrom, ast.JoinedStr, ast.Dict, ast.Set, ast.IfExp, ast.BoolOp)  # fmt: skip
_NEVER = re.compile(
    r"_|to(file|bytes|string|list)$|dump|load|save|open|read|write|exec|eval|import|ctypes|base$|data$|function"
)
_ROOTS = {*LISTED, "F"}


def one_input(data: bytes) -> None:
    """Vets it for NumPy, TensorFlow and MXNet; of what passes every node is looked at again, by rules of this file's own."""
    text = data.decode("utf-8", "replace")
    for root, first in (("np", []), ("tf", []), ("mx", ["F"])):
        scope = {"n": 4, "dtype": "float32", root: types.ModuleType(root)}
        listed = {key: LISTED[key] for key in (root, *first) if key in LISTED}
        try:
            made = calls.compiled({"call": text}, ["x", "y"], scope, listed, first)
        except Fault as fault:
            assert len(fault.message) < 2 * calls.LONGEST, "a message longer than the call"
            continue
        assert made.__code__.co_names is not None
        _check(ast.parse(text.strip(), "<call>", "eval"), {*NAMES, root, *first})


def _check(tree: ast.AST, names: set[str]) -> None:
    for node in ast.walk(tree):
        assert not isinstance(node, _NO), ast.dump(node)
        if isinstance(node, ast.Name):
            assert node.id in names, node.id
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            assert not _NEVER.match(node.attr), node.attr


def seeds() -> list[bytes]:
    """Calls of the shipped workloads, and small ones."""
    shipped = [path.read_text() for path in sorted((ROOT / "dlprof" / "workloads").glob("*.toml"))]
    found = {call for text in shipped for call in re.findall(r'"((?:[^"\\]*)\([^"]*\)[^"]*)"', text)}
    return [one.encode() for one in (*SEEDS, *sorted(found))]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """Words put in, taken out, or exchanged with those of other calls."""
    parts = re.findall(r"\w+|\s+|.", chance.choice(pool).decode())
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(parts) + 1)
        what = chance.randrange(5)
        if what == 0:
            parts[at:at] = [chance.choice(WORDS)]
        elif what == 1:
            parts[at : at + 1] = [chance.choice(WORDS)]
        elif what == 2:
            del parts[at : at + chance.choice((1, 2, 4))]
        elif what == 3:
            parts[at:at] = re.findall(r"\w+|\s+|.", chance.choice(pool).decode())[:8]
        else:
            parts[at:at] = parts[at : at + 5] * chance.choice((1, 3, 30))
    return "".join(parts).encode("utf-8", "replace")[:LARGEST]


LARGEST = 3_000
HARNESS = Harness(HERE / "corpus_calls", LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))

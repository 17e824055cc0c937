"""Calls of op workloads: an expression of a workload file, vetted before it is compiled, or a function of the user's own.

A workload file may come from anybody, so an expression is no Python: it may name the operands, `n` and `dtype`, write numbers
and texts, do arithmetic, take subscripts, and call the functions that `functions.py` lists. What was vetted is compiled as
it stands, so a call costs what it cost when it was Python.
"""

import ast
import re
from typing import Any

from .faults import Fault, Unsupported

LONGEST = 2000
DEEPEST = 60
LARGEST_POWER = 64
HINT = (
    "docs/adding-a-workload.md says what a call may be; a function of a Python file (--calls FILE.py) may be anything"
)

_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
_UNARY = (ast.USub, ast.UAdd, ast.Invert)
_COMPARED = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

OF_VALUES = frozenset(["T", "device", "dtype", "handle", "ndim", "shape", "size"])
"""Attributes that a value may be asked for."""

_METHODS = """abs argmax argmin argsort astype broadcast_like broadcast_to clip contiguous cos cosh cumsum diag dot exp
    expand_dims expm1 flatten flip float log log10 log1p log2 log_softmax long max mean min norm one_hot pad prod ravel
    reciprocal relu repeat reshape reshape_like round rsqrt sigmoid sign sin sinh slice_axis slice_like softmax
    split sqrt square squeeze std sum swapaxes take tan tanh tile topk transpose var zeros_like ones_like"""
METHODS = frozenset(_METHODS.split())
"""Methods that a value may be asked to run."""


_FILES = {}
"""Text of a Python file -> its names, so that it is run once."""


class Listed:
    """What of a module a call may name, as dotted paths below it.

    functions: to be called. factories: to be called, and what they return too (`Huber(delta=1.0)(y, p)`). values: to be passed.
    """

    def __init__(self, functions, factories=(), values=()):
        self.functions = frozenset(functions)
        self.factories = frozenset(factories)
        self.values = frozenset(values)


def compiled(call, names, scope, listed, first=()):
    """A function of `first` + `names` that executes the call.

    call: the call's description; scope: name -> module or constant in the expression; listed: name -> Listed for those of
    them (and of `first`) that are modules. Raises Fault for an expression that is not allowed.
    """
    if "function" in call:
        return _own(call, scope, first)
    text = call["call"]
    for name in names:
        if not _NAME.fullmatch(name) or name in scope or name in first:
            raise Fault(
                "not a name for an operand: %r" % (name,), "use letters, digits and _, and none of the names in a call"
            )
    texts = [name for name, value in scope.items() if isinstance(value, str)]
    tree = _Vet(text, [*names, *(name for name in scope if name not in listed)], texts, listed).tree()
    code = ast.parse("lambda %s: None" % ", ".join([*first, *names]), "<call>", "eval")
    function: Any = code.body
    function.body = tree.body
    try:
        vetted = compile(code, "<call>", "eval")
    except (SyntaxError, ValueError) as error:  # what a parser of Python lets through and its compiler does not
        raise Fault("call `%s` is not allowed: %s" % (text, error), HINT) from None
    # With Python's builtins, though no vetted name is one: NumPy imports parts of itself at a first call, by way of them.
    # What is evaluated was vetted, node by node, just above.
    return eval(vetted, dict(scope))  # nosec B307


def _own(call, scope, first):
    """A function of the Python file that the user named on the command line. Its first parameter says what it is given:
    `F` (MXNet's namespace of the mode) or the framework's module (`mx`, `tf`)."""
    if call["code"] not in _FILES:
        space = {"__name__": "dlprof_calls", "__file__": call["file"]}
        # The user named this file on the command line, to be run.
        code = compile(call["code"], call["file"], "exec")
        exec(code, space)  # nosec B102
        _FILES[call["code"]] = space
    function = _FILES[call["code"]].get(call["function"])
    if not callable(function) or not hasattr(function, "__code__"):
        raise Unsupported("%s has no function %r" % (call["file"], call["function"]), "define it there with `def`")
    code = function.__code__
    given = code.co_varnames[: min(code.co_argcount, 1)]
    if given and given[0] in first:
        return function
    if given and given[0] in scope:
        module, skipped = scope[given[0]], len(first)
        return lambda *values: function(module, *values[skipped:])
    known = " or ".join([*first, *(name for name in scope if name not in ("n", "dtype"))])
    raise Unsupported("%s: the first parameter of %s must be %s" % (call["file"], call["function"], known), HINT)


def takes(call, name):
    """Whether the call is written with `name`: as a word of its expression, or as its function's first parameter."""
    if "function" not in call:
        return re.search(r"\b%s\b" % name, call["call"]) is not None
    return (
        re.search(r"^def\s+%s\s*\(\s*%s\b" % (re.escape(call["function"]), name), call["code"], re.MULTILINE)
        is not None
    )


class _Vet:
    """Walks an expression once. names: operands and constants; texts: those that are texts. Every node that is not known
    here is refused."""

    def __init__(self, text, names, texts, listed):
        self._text = text
        self._names = frozenset(names)
        self._texts = frozenset(texts)
        self._listed = listed
        self._deep = 0

    def tree(self):
        if len(self._text) > LONGEST:
            raise self._refused("it has over %d characters" % LONGEST)
        try:
            tree = ast.parse(self._text.strip(), "<call>", "eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise self._refused("it is no expression: %s" % error) from None
        self._value(tree.body)
        return tree

    def _refused(self, why):
        text = self._text if len(self._text) <= 120 else self._text[:119] + "…"
        return Fault("call `%s` is not allowed: %s" % (text, why), HINT)

    def _value(self, node):
        """A node whose value is used: looked up by its type, so that what is new in Python is refused."""
        self._deep += 1
        if self._deep > DEEPEST:
            raise self._refused("it is nested over %d deep" % DEEPEST)
        kind = type(node).__name__
        visit = getattr(self, "on_" + kind.lower(), None)
        if visit is None:
            raise self._refused("%s is not known here" % kind)
        visit(node)
        self._deep -= 1

    def on_name(self, node):
        if node.id in self._listed:
            raise self._refused("%s is a module, not a value" % node.id)
        if node.id not in self._names:
            raise self._refused("no operand is called %r" % node.id)

    def on_constant(self, node):
        if not isinstance(node.value, (bool, int, float, str, type(None), type(Ellipsis))):
            raise self._refused("%r is not known here" % (node.value,))

    def on_num(self, node):  # Python up to 3.7
        if isinstance(node.n, complex):
            raise self._refused("%r is not known here" % (node.n,))

    def on_str(self, node):
        """A text, such as act_type='relu'."""

    def on_nameconstant(self, node):
        """True, False or None."""

    def on_ellipsis(self, node):
        """`…` in a subscript."""

    def on_tuple(self, node):
        for element in node.elts:
            self._value(element)

    on_list = on_tuple

    def _operand(self, node):
        """A side of arithmetic: no text or list, which `*` would make long."""
        text = isinstance(getattr(node, "value", None), str) or getattr(node, "id", None) in self._texts
        if text or type(node).__name__ in ("Str", "List", "Tuple"):
            raise self._refused("arithmetic is for numbers and tensors")
        self._value(node)

    def on_binop(self, node):
        if not isinstance(node.op, _BINARY):
            raise self._refused("%s is not known here" % type(node.op).__name__)
        if isinstance(node.op, ast.Pow):
            self._power(node)
        self._operand(node.left)
        self._operand(node.right)

    def _power(self, node):
        exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
        number = getattr(exponent, "value", getattr(exponent, "n", None))
        small = isinstance(number, (int, float)) and abs(number) <= LARGEST_POWER
        if not small or any(isinstance(one, ast.Pow) for one in ast.walk(node.left)):
            raise self._refused("a power is a value ** a number up to %d" % LARGEST_POWER)

    def on_unaryop(self, node):
        if not isinstance(node.op, _UNARY):
            raise self._refused("%s is not known here" % type(node.op).__name__)
        self._operand(node.operand)

    def on_compare(self, node):
        if len(node.ops) > 1 or not isinstance(node.ops[0], _COMPARED):
            raise self._refused("a comparison is one of == != < <= > >=")
        self._operand(node.left)
        self._operand(node.comparators[0])

    def on_subscript(self, node):
        self._value(node.value)
        self._value(node.slice)

    def on_index(self, node):  # Python up to 3.8
        self._value(node.value)

    def on_extslice(self, node):
        for one in node.dims:
            self._value(one)

    def on_slice(self, node):
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self._value(part)

    def on_attribute(self, node):
        root, path = _dotted(node)
        if root in self._listed:
            if path not in self._listed[root].values:
                raise self._refused("%s.%s is not a value that a call may pass" % (root, path))
        elif node.attr in OF_VALUES:
            self._value(node.value)
        else:
            raise self._refused(".%s is not known here" % node.attr)

    def on_call(self, node):
        self._callee(node.func)
        for argument in node.args:
            self._value(argument)
        given = set()
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._refused("** is not known here")
            if keyword.arg in given:
                raise self._refused("%s is given twice" % keyword.arg)
            given.add(keyword.arg)
            self._value(keyword.value)

    def _callee(self, node):
        """What is called: a listed function, a listed method of a value, or what a listed factory gave."""
        if isinstance(node, ast.Call):
            root, path = _dotted(node.func)
            if root not in self._listed or path not in self._listed[root].factories:
                raise self._refused("only a listed loss may be made and called at once")
            self.on_call(node)
            return
        root, path = _dotted(node)
        if root in self._listed:
            if path not in self._listed[root].functions and path not in self._listed[root].factories:
                raise self._refused("%s.%s is not a function that a call may use" % (root, path))
        elif isinstance(node, ast.Attribute) and node.attr in METHODS:
            self._operand(node.value)
        elif isinstance(node, ast.Attribute):
            raise self._refused(".%s() is not known here" % node.attr)
        else:
            raise self._refused("only listed functions may be called")


def _dotted(node):
    """(`tf`, `nn.relu`) of tf.nn.relu; (None, '') of anything else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, ".".join(reversed(parts))) if isinstance(node, ast.Name) and parts else (None, "")

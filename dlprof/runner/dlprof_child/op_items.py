"""What is timed of an op workload: its tasks at each size with each call, in the order of the description."""

from . import names
from .faults import Unsupported

TENSORS = ("tensor", "variable")  # operands that are on the device before the call; a variable may be changed by it


class Item:
    """One task at one size with one call. by: positions of the operands that gradients are taken by.

    plain: whether that is the call that the item's name need not say
    """

    def __init__(self, task, size, variant, call, plain):
        self.task = task
        self.size = size
        self.call = call
        self.by = _by(task)
        self.name = names.item(task["name"], size, None if plain else variant)
        self.label = task["name"] + (":study" if not plain and variant == "study" else "")
        self.creates = any(operand.get("as", "tensor") not in TENSORS for operand in task["operands"])


def items_of(description, framework):
    """All items of a description for a framework, in order. Raises Unsupported where a call is not given."""
    run = description["run"]
    wanted = run.get("variant", "idiomatic")
    found = []
    for task in description["tasks"]:
        calls = task["calls"]
        variants = list(calls) if wanted == "all" else [wanted if wanted in calls else "idiomatic"]
        for variant in variants:
            call = calls[variant].get(framework) or calls["idiomatic"].get(framework)
            if call is None:
                raise Unsupported(
                    "%s has no call for %s" % (task["name"], framework), "add one under calls in its description"
                )
            call = {"call": call} if not isinstance(call, dict) else call
            call = _own(call, description.get("python")) if "function" in call else call
            gradient = _by(task) if task.get("differentiate") else []
            call = dict(call, gradient=gradient, in_place=bool(task.get("in_place")))
            sizes = run.get("sizes") or task["sizes"]
            found += [Item(task, int(size), variant, call, variant == "idiomatic") for size in sizes]
    return found


def _own(call, python):
    """A call of a function in the user's own Python file: with the file's name and text, and what reports call it."""
    if not python:
        raise Unsupported(
            "a call names the function %r of a Python file" % (call["function"],), "name that file: --calls FILE.py"
        )
    return dict(call, call="%s:%s" % (python["name"], call["function"]), file=python["name"], code=python["text"])


def _by(task):
    """Positions of the operands that gradients are taken by: those of `by`, else the first."""
    names = [operand["name"] for operand in task["operands"]]
    return [names.index(name) for name in task.get("by", names[:1])]

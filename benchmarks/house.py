"""Measures how a Python package is built: modules a room, imports, functions, cycles, and maps keyed by text.

    python3 benchmarks/house.py dlprof=dlprof memray=SITE/memray …        a table on standard output
    python3 benchmarks/house.py … --into docs/architecture.md             … put between the page's two marks

Each NAME=FOLDER is a package's folder. All are read by the same rules, from their syntax trees; nothing is imported.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- house: benchmarks/house.py writes from here -->", "<!-- house: to here -->"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.comprehension, ast.match_case)
_STR_MAP = re.compile(r"\b(?:[Dd]ict|Mapping|MutableMapping)\[str, (?:Any|object)\]")


@dataclass(frozen=True)
class Module:
    """One file. room: its folder; names: modules of the package that it imports; lines: all of them."""

    name: str
    room: str
    tree: ast.Module
    lines: int
    text: str


def read(folder: Path) -> dict[str, Module]:
    """The modules of a package by dotted name; a room is the folder that a module lies in."""
    found = {}
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(text)
        except SyntaxError:  # a template, or another Python's syntax
            continue
        package = parts[:-1]
        name = ".".join(package if parts[-1] == "__init__" else parts)
        found[name] = Module(name, ".".join(package), tree, text.count("\n") + 1, text)
    return found


def imports(module: Module, modules: dict[str, Module]) -> set[str]:
    """Modules of the package that a module imports, wherever in the file, but for what only a type checker reads."""
    found = set()
    for node in _run(module.tree):
        if isinstance(node, ast.Import):
            found |= {_known(alias.name, modules) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            found |= {_known(f"{base}.{alias.name}", modules) or _known(base, modules) for alias in node.names}
    return {name for name in found if name and name != module.name}


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield from _run(child)


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.room.split(".")
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _known(name: str, modules: dict[str, Module]) -> str:
    return name if name in modules else ""


def cycles(arrows: dict[str, set[str]]) -> int:
    """Groups of modules that import each other in a circle (strongly connected components of more than one; Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = 0

    def visit(name: str) -> None:
        nonlocal found
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in arrows[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            found += len(group) > 1

    for name in arrows:
        if name not in index:
            visit(name)
    return found


def functions(module: Module) -> Iterator[tuple[int, int, int]]:
    """(lines, parameters, cyclomatic complexity) of each function and method."""
    for node in ast.walk(module.tree):
        if isinstance(node, _FUNCTIONS):
            a = node.args
            given = [*a.posonlyargs, *a.args, *a.kwonlyargs]
            count = len(given) - bool(given and given[0].arg in ("self", "cls"))
            yield (node.end_lineno or node.lineno) - node.lineno + 1, count, _complexity(node)


def _complexity(function: ast.AST) -> int:
    inside = list(ast.walk(function))
    more = sum(len(node.values) - 1 for node in inside if isinstance(node, ast.BoolOp))
    return 1 + more + sum(isinstance(node, _BRANCHES) for node in inside)


def measured(folder: Path) -> dict[str, str]:
    """Row of the table → value."""
    modules = read(folder)
    arrows = {name: imports(module, modules) for name, module in modules.items()}
    rooms: dict[str, list[Module]] = {}
    for module in modules.values():
        rooms.setdefault(module.room, []).append(module)
    between = {(modules[a].room, modules[b].room) for a, others in arrows.items() for b in others}
    made = [one for module in modules.values() for one in functions(module)]
    lengths = sorted(lines for lines, _, _ in made) or [0]
    sizes = sorted((len(room), name) for name, room in rooms.items())
    total = sum(map(len, arrows.values()))
    maps = sum(len(_STR_MAP.findall(module.text)) for module in modules.values())
    return {
        "modules": str(len(modules)),
        "rooms (folders)": str(len(rooms)),
        "modules a room, median": f"{statistics.median(size for size, _ in sizes):g}",
        "modules a room, most": f"{sizes[-1][0]} ({sizes[-1][1]})",
        "arrows between modules": str(total),
        "arrows between rooms": str(sum(a != b for a, b in between)),
        "imports a module": f"{total / len(modules):.1f}",
        "circles of imports": str(cycles(arrows)),
        "modules over 400 lines": str(sum(module.lines > 400 for module in modules.values())),
        "function lines, median": f"{statistics.median(lengths):g}",
        "function lines, 90th percentile": str(lengths[int(0.9 * (len(lengths) - 1))]),
        "function lines, most": str(lengths[-1]),
        "functions with over 5 parameters": _share(parameters > 5 for _, parameters, _ in made),
        "functions of complexity over 10": _share(complexity > 10 for _, _, complexity in made),
        "maps keyed by text (`dict[str, Any]` and the like)": str(maps),
    }


def _share(flags: Iterator[bool]) -> str:
    known = list(flags)
    return f"{100 * sum(known) / max(len(known), 1):.1f} %"


def table(packages: Sequence[tuple[str, Path]]) -> str:
    """A Markdown table, a package a column."""
    columns = [measured(folder) for _, folder in packages]
    lines = ["| | " + " | ".join(name for name, _ in packages) + " |", "| --- |" + " ---: |" * len(packages)]
    lines += [f"| {row} | " + " | ".join(column[row] for column in columns) + " |" for row in columns[0]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="put the table between the marks of this page")
    given = parser.parse_args()
    packages = [(name, Path(folder).resolve()) for name, _, folder in (text.partition("=") for text in given.packages)]
    for name, folder in packages:
        if not any(folder.rglob("*.py")):
            parser.error(f"{name}: no Python files in {folder}")
    made = table(packages)
    if given.into is None:
        print(made)
        return
    page = given.into.read_text(encoding="utf-8")
    before, mark, rest = page.partition(BEGIN)
    if not mark or END not in rest:
        parser.error(f"{given.into}: has no line {BEGIN}")
    given.into.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()

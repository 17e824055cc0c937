"""The child must be readable by Python 3.6, on which TensorFlow 1.12 lives, and import nothing of dlprof."""

import ast
import subprocess
from pathlib import Path

import pytest

from dlprof.capture.environments import pythons

RUNNER = Path(__file__).resolve().parents[2] / "dlprof" / "runner"
PACKAGE = RUNNER.parent
FILES = sorted((*RUNNER.rglob("*.py"), *PACKAGE.glob("frameworks/*/adapter/*.py")))


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_every_file_of_the_child_parses_as_python_3_6(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    # feature_version lets some later syntax pass: look for it
    for node in ast.walk(tree):
        assert not isinstance(node, ast.NamedExpr), f"walrus in line {node.lineno}"
        if isinstance(node, ast.arguments):
            assert not node.posonlyargs, "positional-only arguments"
        if isinstance(node, ast.ImportFrom):
            assert (node.module, node.names[0].name) != ("__future__", "annotations")


def test_the_child_imports_nothing_of_dlprof():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.split(".")[0] == "dlprof"], path


def test_every_file_compiles_under_a_real_python_3_6(tmp_path):
    python = pythons.find("3.6")  # one that answers: a version manager's shim may stand for none
    if python is None:
        pytest.skip("no Python 3.6 on this machine")
    code = "import sys\nfor p in sys.argv[1:]: compile(open(p, encoding='utf-8').read(), p, 'exec')"
    done = subprocess.run([str(python), "-c", code, *map(str, FILES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

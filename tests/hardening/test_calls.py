"""Calls of a workload file are vetted: arithmetic and listed functions run, at the speed of Python; nothing else does."""

import ast
import sys
import timeit
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
from places import ADAPTERS

from dlprof import frameworks, workload

ROOT = Path(__file__).parent.parent.parent
RUNNER = ROOT / "dlprof" / "runner"


@pytest.fixture(scope="module")
def child():
    """The child's modules, which no code of dlprof imports."""
    sys.path[:0] = [str(RUNNER), *ADAPTERS]
    try:
        from dlprof_child import calls, faults
        from dlprof_child.functions import NUMPY
        from jax_functions import JAX
        from mxnet_functions import MXNET
        from tf_functions import TENSORFLOW
        from torch_functions import TORCH
    finally:
        del sys.path[: len(ADAPTERS) + 1]
    return calls, faults, types.SimpleNamespace(NUMPY=NUMPY, TENSORFLOW=TENSORFLOW, MXNET=MXNET, TORCH=TORCH, JAX=JAX)


def compiled(child, text, names=("x", "y"), root="np", module=np):
    calls, _, functions = child
    scope = {"n": 4, "dtype": "float32", root: module}
    listed = {"np": functions.NUMPY, **functions.TENSORFLOW, **functions.MXNET}
    first = ["F"] if root == "mx" else []
    return calls.compiled(
        {"call": text}, list(names), scope, {k: v for k, v in listed.items() if k in (root, *first)}, first
    )


ATTACKS = """
__import__('os').system('id')
open('/etc/passwd')
exec('1')
eval('1')
print(x)
getattr(x, 'tofile')('/tmp/x')
globals()
np.sum(x, axis=0, axis=1)
x.__class__
x.__class__.__bases__[0].__subclasses__()
(1).__class__
().__class__.__mro__
''.join(x)
'{0.__class__}'.format(x)
dtype.format(x)
f'{x}'
x.tofile('/tmp/x')
x.dump('/tmp/x')
x.dumps()
x.tobytes()
x.ctypes
x.ctypes.data_as(x)
x.base
x.data
x.setflags(write=True)
x.view(dtype)
x.save('f')
x.asnumpy().tofile('f')
x.numpy().tofile('f')
x.handle.__reduce__()
x.attach_grad()
np
np.load('f')
np.save('f', x)
np.savez('f', x)
np.savetxt('f', x)
np.loadtxt('f')
np.genfromtxt('f')
np.fromfile('f')
np.fromregex('f', 'a', dtype)
np.memmap('f')
np.DataSource('f')
np.fromfunction(x, (3,))
np.fromiter(x, dtype)
np.frompyfunc(x, 1, 1)
np.vectorize(x)
np.apply_along_axis(x, 0, y)
np.apply_over_axes(x, y, 0)
np.piecewise(x, y, [x])
np.lib.npyio.load('f')
np.testing.run_module_suite()
np.f2py.compile('x')
np.distutils.exec_command('id')
np.ctypeslib.load_library('c', '/')
np.core.multiarray.__loader__
np.os.system('id')
np.sys.modules
np.__loader__.load_module('os')
np.__dict__['load']('f')
np.linalg.linalg.__builtins__
np.exp
np.exp.__call__(x)
np.exp.reduce(x)
np.add.at(x, 0, y)
[np.load][0]('f')
(np.load)('f')
(lambda: x)()
lambda: x
[x for x in y]
{x for x in y}
{1: x}
{x}
(x for x in y)
x if y else x
x and y
x or y
not x
x is y
x in y
x < y < x
*x
np.exp(*x)
np.exp(**x)
np.exp(x)(y)
np.exp(x).real
(x := y)
x = y
x; y
x, y = y, x
import os
yield x
await x
'a' * 1000000000
[0] * 1000000000
(0,) * 1000000000
dtype * 1000000000
dtype % x
'%s' % x
9 ** 9 ** 9 ** 9
(9 ** 64) ** 64
2 ** n
n ** x
1 << 1000000000
b'bytes'
1j
z
n()
x()
dtype()
x) + (y
x: x)(1
0)(x
x\\n__import__('os')
"""


@pytest.mark.parametrize("text", ATTACKS.strip().splitlines())
def test_what_is_no_arithmetic_and_no_listed_function_is_refused(child, attacked, text):
    attacked()
    with pytest.raises(child[1].Fault, match=r"call `.*` is not allowed"):
        compiled(child, text)


FRAMEWORK_ATTACKS = {
    "tf": """tf.io.read_file('f') tf.io.write_file('f',x) tf.io.gfile.remove('f') tf.py_function(x,[y],dtype)
        tf.numpy_function(x,[y],dtype) tf.compat.v1.py_func(x,[y],dtype) tf.raw_ops.ReadFile(filename='f')
        tf.raw_ops.WriteFile(filename='f',contents='x') tf.raw_ops.PyFunc(input=[x],token='t',Tout=[dtype])
        tf.raw_ops.PrintV2(input=x,output_stream='file:///tmp/f') tf.print(x,output_stream='file:///tmp/f')
        tf.saved_model.load('d') tf.keras.models.load_model('m') tf.keras.utils.get_file('f','u') tf.load_library('l')
        tf.load_op_library('l') tf.compat.v1.load_op_library('l') tf.map_fn(x,y) tf.vectorized_map(x,y) tf.foldl(x,y)
        tf.scan(x,y) tf.while_loop(x,y,[x]) tf.cond(x,y,y) tf.case(x) tf.function(x) tf.autograph.to_graph(x)
        tf.custom_gradient(x) tf.keras.losses.get('mse') tf.keras.losses.deserialize(x) tf.keras.activations.get('relu')
        tf.keras.activations.deserialize(x) tf.keras.layers.Lambda(x)(y) tf.keras.backend.eval(x) tf.data.Dataset.list_files('f')
        tf.train.Checkpoint(x) tf.summary.create_file_writer('d') tf.profiler.experimental.start('d')
        tf.debugging.experimental.enable_dump_debug_info('d') tf.config.run_functions_eagerly(x) tf.os tf.sys.modules
        tf.nn tf.nn.relu tf.keras.losses.Huber tf.python.os.system('id') tf.contrib.framework.load('f') tf.experimental.dlpack
        tf.distribute.experimental tf.lookup.TextFileInitializer('f') tf.audio.decode_wav(x) tf.image.decode_png(x)""",
    "mx": """mx.nd.load('f') mx.nd.save('f',x) mx.nd.Custom(x,op_type='evil') mx.sym.load('f') F.Custom(x,op_type='evil')
        F.load('f') F.save('f',x) F.contrib.foreach(x,y,y) F.contrib.while_loop(x,y,y) F.contrib.cond(x,y,y)
        mx.operator.register('x') mx.library.load('l') mx.gluon.data.DataLoader(x) mx.gluon.utils.download('u')
        mx.gluon.model_zoo.vision.alexnet(pretrained=True) mx.gluon.SymbolBlock.imports('f',x,y) mx.img.imread('f')
        mx.image.imread('f') mx.image.imdecode(x) mx.recordio.MXRecordIO('f','w') mx.io.CSVIter(data_csv='f') mx.kv.create()
        mx.rtc.CudaModule('x') mx.profiler.dump() mx.util.os mx.base.os mx.base._LIB mx.np.load('f') mx.np.save('f',x)
        mx.np.savez('f',x) mx.np.genfromtxt('f') mx.np.apply_along_axis(x,0,y) mx.npx.load('f') mx.npx.save('f',x) mx.nd mx.mod
        mx.gluon.loss.L1Loss mx.gluon.loss.Loss(x,y)(x) mx.gluon.nn.Lambda(x)(y) mx.gluon.nn.HybridLambda('save')(x)
        mx.autograd.Function() mx.engine.bulk(x) mx.test_utils.download('u') mx.contrib.onnx.import_model('f') F.op F""",
}


@pytest.mark.parametrize(("root", "text"), [(r, t) for r, texts in FRAMEWORK_ATTACKS.items() for t in texts.split()])
def test_a_framework_function_that_reads_writes_or_calls_back_is_refused(child, attacked, root, text):
    attacked()
    with pytest.raises(child[1].Fault, match=r"call `.*` is not allowed"):
        compiled(child, text, root=root, module=object())


@pytest.mark.parametrize("name", ["n", "np", "x: 0)(", "__x__", "", "x y", "lambda", "1", "x=1", "*x", "None"])
def test_the_name_of_an_operand_is_no_way_in(child, attacked, name):
    attacked()
    with pytest.raises((child[1].Fault, SyntaxError)):
        compiled(child, "n", names=[name, "y"])


@pytest.mark.parametrize("text", ["(" * 1000 + "x" + ")" * 1000, "-" * 1500 + "x", "x" + ".T" * 500, "x + " * 5000 + "x",
                                  "np.abs(" * 200 + "x" + ")" * 200])  # fmt: skip
def test_a_call_of_absurd_length_or_depth_is_refused(child, attacked, text):
    attacked()
    with pytest.raises(child[1].Fault, match="is not allowed"):
        compiled(child, text)


def files() -> list[Path]:
    return sorted([*(ROOT / "dlprof" / "workloads").glob("*.toml"), *(ROOT / "analysis").glob("*/*.toml")])


def listed_by(child) -> dict[str, tuple[dict, list[str]]]:
    """Framework → what its calls may use, and the names before the operands, as its adapter has them."""
    functions = child[2]
    return {
        "tf": (functions.TENSORFLOW, []),
        "mxnet": (functions.MXNET, ["F"]),
        "torch": (functions.TORCH, []),
        "jax": (functions.JAX, []),
    }


def test_every_call_of_the_shipped_workloads_is_allowed(child):
    """Those that the files state, and those that follow from the operators by each framework's table."""
    seen = dict.fromkeys(listed := listed_by(child), 0)
    for file in files():
        if tomllib.loads(file.read_text()).get("kind") != "op":
            continue
        found = frameworks.with_calls(workload.resolve(str(file)), listed)
        for task in found.description["tasks"]:
            names = [operand["name"] for operand in task["operands"]]
            for sides in task["calls"].values():
                for side, call in sides.items():
                    modules, first = listed[side]
                    text = {"call": call["call"] if isinstance(call, dict) else call}
                    scope = {"n": 4, "dtype": "float32", **dict.fromkeys(modules, object())}
                    assert child[0].compiled(text, names, scope, modules, first)
                    seen[side] += 1
    assert min(seen.values()) > 40, seen


def test_a_vetted_call_is_the_code_that_python_would_have_made_of_it(child):
    text = "np.clip(np.tanh(x @ y) * 2.0, 0.2, 0.8).reshape((n, -1))[:, 0]"
    vetted = compiled(child, text)
    plain = eval(f"lambda x, y: {text}", {"np": np, "n": 4})
    assert vetted.__code__.co_code == plain.__code__.co_code
    x = np.random.default_rng(0).random((4, 4))
    np.testing.assert_array_equal(vetted(x, x), plain(x, x))


def test_a_vetted_call_is_as_fast_as_python(child):
    """What is timed is the call alone: an interpreter of the tree would take many times as long."""
    text = "x + y * 2 - n"
    vetted, plain = compiled(child, text), eval(f"lambda x, y: {text}", {"n": 4})
    took = dict.fromkeys((vetted, plain), 1e9)
    for _ in range(40):  # in turn, and the best of many: the machine has other work
        for one in took:
            took[one] = min(took[one], timeit.timeit(lambda one=one: one(1, 2), number=2000))
    assert took[vetted] < 1.5 * took[plain]


ALLOWED = """
x + y
2 * x * x
-x
x @ y
x ** 2
x ** -0.5
x[0]
x[:, 0]
x[..., None]
x > 0
np.where(x > 0, x, 0)
np.sum(x, axis=(0, 1))
x.T
x.mean(axis=-1)
np.full((n, n), 1.5, dtype=dtype)
np.pi * x
"""


@pytest.mark.parametrize("text", ALLOWED.strip().splitlines())
def test_arithmetic_subscripts_and_listed_functions_are_allowed(child, text):
    x = np.random.default_rng(0).random((4, 4))
    plain = eval(f"lambda x, y: {text}", {"np": np, "n": 4, "dtype": "float32"})
    np.testing.assert_array_equal(compiled(child, text)(x, x), plain(x, x))


def test_no_listed_name_is_one_that_must_never_be(child):
    forbidden = {"load", "save", "savez", "savetxt", "loadtxt", "genfromtxt", "fromfile", "tofile", "memmap", "Custom", "get",
                 "deserialize", "py_function", "numpy_function", "py_func", "map_fn", "vectorize", "apply_along_axis",
                 "frompyfunc", "fromfunction", "format", "eval", "exec", "print", "Print", "io", "os", "sys"}  # fmt: skip
    _, _, functions = child
    frameworks = (functions.TENSORFLOW, functions.MXNET, functions.TORCH, functions.JAX)
    for listed in (functions.NUMPY, *(one for each in frameworks for one in each.values())):
        for path in listed.functions | listed.factories | listed.values:
            assert not forbidden & set(path.split(".")), path
            hidden = [part for part in path.split(".") if part.startswith("_")]
            assert all(part.startswith(("_fused_", "_foreach_")) for part in hidden), path  # PyTorch's updates


def test_the_vet_and_the_lists_are_python_3_6():
    lists = [file for folder in ADAPTERS for file in Path(folder).glob("*_functions.py")]
    for file in (RUNNER / "dlprof_child" / "calls.py", RUNNER / "dlprof_child" / "functions.py", *lists):
        ast.parse(file.read_text(), feature_version=(3, 6))

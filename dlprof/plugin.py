"""What a framework must supply: its environments and what they read of the shell, its child adapter, its vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

from dlprof.errors import PluginFailed

T = TypeVar("T")
_UNINSTALL: Final = "repair or uninstall {}"


@dataclass(frozen=True, slots=True)
class Operator:
    """What one raw operator name means.

    op: canonical operator in ONNX terms
    phase: one of schema.PHASES, or None where only the context tells (forward or loss)
    level: one of schema.LEVELS
    fuses: canonical operators inside a fused one
    calls: canonical calls that one event stands for (0 for the second part of a split operator)
    layer: name of the part of the model that the event spans (nn.Module: Conv2d_0 → Conv2d_0), for what is nested in
        it
    """

    op: str
    phase: str | None = None
    level: str = "op"
    fuses: tuple[str, ...] = ()
    calls: int = 1
    layer: str | None = None


Vocabulary = Mapping[str, Operator]
"""Raw operator name → meaning. A name that is absent is listed as unknown, never guessed."""

CallTable = Mapping[str, str | Mapping[str, str]]
"""Signature of a task → the framework's call of it: an expression, or a table with `call` and `layout`
(frameworks/call_table.py)."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of this machine that an execution mode needs, such as a C++ compiler.

    programs: names of which one must be on PATH
    why: what for, in words
    remedy: how to get one
    """

    programs: tuple[str, ...]
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ThreadVariables:
    """Variables of the shell that set the threads, the compiler or the libraries of a framework, or of a library below it.

    They are the user's to set, since they are part of the question asked: they reach the child and are recorded.

    reader: who reads them, in words
    caps: each sets the size of one pool of threads, and so does `--threads`
    others: further ones
    kept: beginnings of names; a variable that begins so and is neither of caps nor of others reaches no child, which is said
    foreign: beginnings of names that begin so too and are another program's: of these nothing is said
    """

    reader: str
    caps: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that reach a child."""
        return (*self.caps, *self.others)


OPENMP: Final = ThreadVariables(
    "what was built with OpenMP",
    caps=("OMP_NUM_THREADS",),
    others=(
        "OMP_PROC_BIND",
        "OMP_PLACES",
        "OMP_WAIT_POLICY",
        "GOMP_CPU_AFFINITY",
        "GOMP_SPINCOUNT",
        "KMP_AFFINITY",
        "KMP_BLOCKTIME",
    ),
    kept=("OMP_", "GOMP_", "KMP_"),
)
MKL: Final = ThreadVariables("what was built with MKL", caps=("MKL_NUM_THREADS",), kept=("MKL_",))
OPENBLAS: Final = ThreadVariables(
    "NumPy and what else was built with OpenBLAS", caps=("OPENBLAS_NUM_THREADS",), kept=("OPENBLAS_",)
)
ONEDNN: Final = ThreadVariables("oneDNN", kept=("DNNL_", "ONEDNN_"))
NVIDIA: Final = ThreadVariables(
    "NVIDIA's libraries",
    others=("NVIDIA_TF32_OVERRIDE",),
    kept=(
        *(
            "CUDA_LAUNCH_BLOCKING",
            "CUDA_DEVICE_MAX_CONNECTIONS",
            "CUDA_MODULE_LOADING",
            "CUDA_FORCE_PTX_JIT",
            "CUDA_CACHE_",
        ),
        *("CUDNN_", "CUBLAS_", "NCCL_"),
    ),
)
LOADER: Final = ThreadVariables("the loader of shared libraries", others=("LD_LIBRARY_PATH",), kept=("LD_",))

LIBRARIES: Final = (OPENMP, MKL, OPENBLAS, ONEDNN, NVIDIA, LOADER)
"""What the libraries below nearly every framework read."""


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """One framework release as an environment: a Python and a hash-locked requirements file.

    name: unique, such as tf-2.21.0-cpu
    python: version, such as 3.11
    requirements: the lock file (pip format with --hash); None for a version outside the shipped table
    resolve: pip requirements that are then resolved on the fly: less reproducible, and said so
    module: what the smoke test imports (more than one with commas); None = as `framework`
    indexes: package indexes that are asked where those that the user has set up lack a package of it
    variables: those of the shell that reach the child, and those that are kept from it
    environ: variables of the child. `{site}` in a value is the environment's site-packages folder; a value with `*`
        (`{site}/nvidia/*/lib`) becomes the `:`-list of what matches
    libraries: shared libraries (sonames) that must load in it
    lacks: execution modes of the framework that this release does not have → why
    network_modes: modes that execute whole networks and no single calls
    call_modes: modes that execute single calls and no networks; a framework without networks names all of its modes
    tools: execution mode → what this machine must have for it
    modes: execution mode → its environment, where it has one of its own
    driver: for GPUs, the oldest driver for its CUDA libraries
    compute: for GPUs, the compute capabilities that its own kernels run on (first, last; '' = no last)
    alternatives: the same release on other Pythons, for a comparison whose sides would otherwise run on different ones
    """

    name: str
    framework: str
    version: str
    device: str
    python: str
    requirements: Path | None
    resolve: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    variables: tuple[ThreadVariables, ...] = LIBRARIES
    environ: Mapping[str, str] = field(default_factory=dict)
    module: str | None = None
    libraries: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    network_modes: tuple[str, ...] = ()
    call_modes: tuple[str, ...] = ()
    tools: Mapping[str, Tool] = field(default_factory=dict)
    modes: Mapping[str, EnvSpec] = field(default_factory=dict)
    driver: str = ""
    compute: tuple[str, str] | None = None
    alternatives: tuple[EnvSpec, ...] = ()


@runtime_checkable
class Framework(Protocol):
    """A framework as dlprof sees it. Built-ins are in frameworks/__init__.py; others register the entry-point group
    `dlprof.frameworks` with a zero-argument callable that returns one of these."""

    @property
    def name(self) -> str:
        """Short name typed by users: tf."""

    @property
    def label(self) -> str:
        """Name for people: TensorFlow."""

    @property
    def aliases(self) -> Sequence[str]:
        """Other names that users may type: tensorflow."""

    @property
    def default_version(self) -> str: ...

    @property
    def versions(self) -> Sequence[str]:
        """Releases with a shipped lock file, newest first."""

    @property
    def modes(self) -> Sequence[str]:
        """Execution modes, default first: graph, eager, …"""

    @property
    def adapter(self) -> Path:
        """The child's adapter file for this framework."""

    @property
    def producer(self) -> str:
        """Name under which ingest reports traces of this framework: tensorflow."""

    @property
    def operators(self) -> Vocabulary: ...

    def env(self, version: str, device: str) -> EnvSpec:
        """The environment of a release on `cpu` or `gpu`. Raises `Unsupported` where there can be none."""


@runtime_checkable
class Calls(Protocol):
    """What a framework may supply beside the rest: its calls of the operators that op workloads name, so that no task needs a
    line for it. A task's own line goes first."""

    @property
    def calls(self) -> CallTable: ...


def supplied(group: str, kind: type[T]) -> Iterator[T]:
    """What installed packages supply under an entry-point group: what each entry's callable returns.

    Raises `PluginFailed`, naming the package, where one cannot be imported or returns something else than `kind`.
    """
    from importlib import metadata  # late: a twentieth of what starting takes

    for entry in metadata.entry_points(group=group):
        package = entry.dist.name if entry.dist else "a package"
        where = f"{package}: {group} {entry.name} = {entry.value}"
        try:
            found = entry.load()()
        except Exception as error:
            raise PluginFailed(f"{where}: {type(error).__name__}: {error}", hint=_UNINSTALL.format(package)) from error
        if not isinstance(found, kind):
            raise PluginFailed(f"{where}: returns no {kind.__name__}", hint=_UNINSTALL.format(package))
        yield found

"""Colours: one for each family of operators, the same in every figure, and one for each side; all colour-blind safe.

Families, because no palette has a hundred colours that people can tell apart. Operators: Paul Tol's "muted" scheme
(technical note SRON/EPS/TN/09-002, 2021); sides and better/worse: Okabe and Ito (2008). Colour is never the only cue:
figures name operators in words, and side B is hatched or dashed.
"""

from __future__ import annotations

from typing import Final

SIDES: Final = {"a": "#0072B2", "b": "#D55E00"}
HATCH: Final = {"a": "", "b": "////"}
LESS: Final = "#009E73"
MORE: Final = "#D55E00"

_FAMILIES: Final[dict[str, tuple[str, str]]] = {
    "convolution": ("#332288", "Conv ConvTranspose DeformConv QLinearConv ConvInteger DepthwiseConv"),
    "matrix product": ("#88CCEE", "Gemm MatMul Einsum Dot RNN LSTM GRU Attention"),
    "pooling": ("#44AA99", "Pool AveragePool MaxPool GlobalAveragePool GlobalMaxPool MaxRoiPool"),
    "activation": (
        "#117733",
        "Activation Relu LeakyRelu PRelu Elu Selu Gelu Sigmoid HardSigmoid Tanh Softplus Softsign Swish Mish Dropout",
    ),
    "normalisation and loss": (
        "#DDCC77",
        "Softmax LogSoftmax BatchNormalization LayerNormalization InstanceNormalization LRN LpNormalization CTCLoss "
        "MakeLoss SmoothL1Loss",
    ),
    "elementwise": (
        "#999933",
        "Add Sub Mul Div Pow Sqrt Square Exp Log Neg Abs Sum BiasAdd Max Min Equal Greater Less Where Not And Or "
        "Cast Clip Sign Rsqrt Reciprocal",
    ),
    "reduction": ("#AA4499", "ArgMax ArgMin TopK CumSum Sort"),
    "optimizer": ("#CC6677", "Adam AdamW SGD Momentum Adagrad RMSProp Ftrl LAMB LARS Signum Nadam"),
    "data movement": (
        "#882255",
        "Copy Transpose Reshape Flatten Concat Split Slice Gather GatherND ScatterND Pad Tile Expand Squeeze "
        "Unsqueeze Identity Reorder OneHot AllReduce Range ConstantOfShape Shape",
    ),
}
"""Family → its colour, and the canonical names of its operators."""
RANK_PARTS: Final = {
    "compute": "#117733",
    "input": "#DDCC77",
    "copy": "#882255",
    "host": "#88CCEE",
    "waiting": "none",
    "transfer": "#332288",
}
"""Part of a rank's step → its colour (Tol's "muted"); waiting is hatched, and else as the page."""
TRACING: Final = {
    "convolution": "light_memory_dump",
    "matrix product": "rail_response",
    "pooling": "background_memory_dump",
    "activation": "rail_load",
    "normalisation and loss": "startup",
    "elementwise": "olive",
    "reduction": "detailed_memory_dump",
    "optimizer": "rail_animation",
    "data movement": "thread_state_uninterruptible",
    "bookkeeping and idle": "cq_build_abandoned",
    "other": "generic_work",
}
"""Family → the reserved colour of chrome://tracing that is nearest to its own; that viewer knows no others."""
OTHER: Final = "#777777"
NOTHING: Final = "#BBBBBB"

_FAMILY_OF: Final = {op: family for family, (_, ops) in _FAMILIES.items() for op in ops.split()}
_QUIET: Final = frozenset({"bookkeeping", "idle", "unexplained", "runtime", "sync", "dispatch", "gap", "launch gap"})


def family(op: str, phase: str | None = None) -> str:
    """The family of a canonical operator, `bookkeeping and idle`, or `other`; by the name's stem where it is not listed."""
    if op in _QUIET or phase in _QUIET:
        return "bookkeeping and idle"
    if phase == "optimizer":
        return "optimizer"
    if op in _FAMILY_OF:
        return _FAMILY_OF[op]
    if op.startswith("Reduce"):
        return "reduction"
    return "normalisation and loss" if op.endswith("Loss") else "other"


def colour(op: str, phase: str | None = None) -> str:
    """The colour of an operator: that of its family, in every figure."""
    return family_colour(family(op, phase))


def family_colour(name: str) -> str:
    """The colour of a family as `family` names it."""
    return _FAMILIES[name][0] if name in _FAMILIES else NOTHING if name == "bookkeeping and idle" else OTHER


def on(name: str) -> str:
    """The colour of text on a family's colour: black, or white where that stands out more (WCAG 2.2's relative luminance)."""
    channels = [int(family_colour(name)[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"

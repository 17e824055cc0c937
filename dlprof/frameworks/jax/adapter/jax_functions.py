"""The functions that calls of a workload file may use: those of JAX that take arrays and numbers and give arrays.

Not listed, and never to be: what calls back into Python (pure_callback, io_callback, custom_jvp, map, scan, vmap,
vectorize), what reads or writes files (load, save, fromfile, from_dlpack), and modules that lead elsewhere.
"""

from dlprof_child.calls import Listed
from dlprof_child.functions import NUMPY

_NN = """celu elu gelu glu hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid log_softmax logsumexp mish one_hot
    relu relu6 selu sigmoid silu soft_sign softmax softplus sparse_plus sparse_sigmoid squareplus standardize swish tanh"""

_LAX = """abs acos acosh add argmax argmin asin asinh atan atan2 atanh batch_matmul broadcast broadcast_in_dim cbrt ceil clamp
    collapse concatenate conv conv_general_dilated conv_transpose conv_with_general_padding convert_element_type cos cosh
    cumlogsumexp cummax cummin cumprod cumsum digamma div dot dot_general dynamic_slice dynamic_update_slice eq erf erf_inv erfc
    exp exp2 expand_dims expm1 fft floor full ge gt integer_pow iota is_finite le lgamma log log1p logistic lt max min mul ne neg
    pad pow reciprocal reduce_max reduce_min reduce_precision reduce_prod reduce_sum reduce_window rem reshape rev round rsqrt
    select sign sin sinh slice slice_in_dim sort sqrt square squeeze stop_gradient sub tan tanh top_k transpose"""

_NUMPY_BESIDE = "ravel asarray clip linalg.norm linalg.matmul logaddexp2 select sinc swapaxes take_along_axis"

JAX = {
    "jnp": Listed(
        functions=[*sorted(NUMPY.functions), *_NUMPY_BESIDE.split()], values=[*sorted(NUMPY.values), "bfloat16", "bool"]
    ),
    "jax": Listed(
        functions=["nn." + name for name in _NN.split()] + ["lax." + name for name in _LAX.split()],
        # what reduce_window combines by
        values=["lax.add", "lax.max", "lax.min", "lax.mul"],
    ),
    "optimizers": Listed(functions=["adam", "sgd"]),
}
"""`optimizers` is jax_optimizers.py."""

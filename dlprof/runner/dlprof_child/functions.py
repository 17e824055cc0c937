"""The functions that calls of a workload file may use: those of each framework that take tensors and numbers and
give tensors. Here are NumPy's, for adapters whose framework has its namespace; a framework's own lie beside its adapter.

Listed by name, so what a later release adds is refused until somebody has looked at it. Not listed, and never to be: what
reads or writes files (tf.io, load, save, tofile), what calls back into Python (py_function, numpy_function, map_fn, Custom,
apply_along_axis, vectorize), what looks things up by a text (deserialize, get), and modules that lead elsewhere.
"""

from .calls import Listed


def below(prefix, names):
    """The names of a text, each behind `prefix.`."""
    return ["%s.%s" % (prefix, name) if prefix else name for name in names.split()]


_NUMPY = """abs absolute add all amax amin any arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax
    argmin argsort around array asarray atleast_1d atleast_2d atleast_3d average bincount blackman broadcast_to cbrt
    ceil clip column_stack concatenate copysign cos cosh cross cumprod cumsum deg2rad degrees diag diagflat diff
    divide dot dstack ediff1d einsum empty empty_like equal exp exp2 expand_dims expm1 eye fabs fix flip fliplr flipud
    floor floor_divide fmax fmin fmod full full_like gcd greater greater_equal hanning heaviside hypot identity inner
    interp invert isfinite isinf isnan kron lcm ldexp less less_equal linspace log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor logspace matmul max maximum mean median meshgrid min minimum mod
    moveaxis multiply nan_to_num nansum negative nonzero not_equal ones ones_like outer pad percentile polyval power
    prod quantile rad2deg radians ravel reciprocal remainder repeat reshape resize rint roll rollaxis rot90 round
    searchsorted sign sin sinh sort split sqrt square squeeze stack std subtract sum swapaxes take tan tanh tensordot
    tile trace transpose tri tril triu true_divide trunc unique vander var vdot vsplit vstack where zeros zeros_like"""

_NUMPY_LINALG = "cholesky det eigh eigvalsh inv lstsq matrix_rank norm pinv qr slogdet solve svd"

_NUMPY_VALUES = """bool_ e euler_gamma float16 float32 float64 inf int8 int32 int64 nan newaxis pi uint8"""

NUMPY = Listed(
    functions=[*below("", _NUMPY), *below("linalg", _NUMPY_LINALG), *below("fft", "fft fft2 ifft irfft rfft")],
    values=_NUMPY_VALUES.split(),
)

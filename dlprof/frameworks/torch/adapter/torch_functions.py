"""The functions that calls of a workload file may use: those of PyTorch that take tensors and numbers and give tensors.

What is never to be listed says dlprof_child/functions.py.
"""

from dlprof_child.calls import Listed
from dlprof_child.functions import below

_TORCH = """abs acos acosh add addcdiv addcmul addmm addmv addr all amax amin aminmax angle any arange argmax argmin
    argsort argwhere asin asinh atan atan2 atanh atleast_1d atleast_2d atleast_3d baddbmm batch_norm bernoulli bincount
    bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_to bucketize cat cdist ceil celu chunk clamp clamp_max
    clamp_min clip clone column_stack combinations complex concat concatenate conj copysign corrcoef cos cosh
    cosine_similarity count_nonzero cov cross cummax cummin cumprod cumsum deg2rad diag diag_embed diagflat diagonal diff
    digamma dist div divide dot dsplit dstack einsum empty empty_like eq erf erfc erfinv exp exp2 expm1 eye flatten flip
    fliplr flipud float_power floor floor_divide fmax fmin fmod frac frexp full full_like gather gcd ge gradient greater
    greater_equal gt heaviside histc hsplit hstack hypot index_add index_select inner inverse isclose isfinite isinf isnan
    kron kthvalue lcm ldexp le lerp less less_equal lgamma linspace log log10 log1p log2 log_softmax logaddexp logaddexp2
    logcumsumexp logdet logical_and logical_not logical_or logical_xor logit logspace logsumexp lt masked_fill
    masked_select matmul matrix_exp matrix_power max maximum mean median meshgrid min minimum mm mode moveaxis mul
    multinomial multiply mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow ne neg negative nextafter
    nonzero norm normal not_equal numel ones ones_like outer permute pixel_shuffle pixel_unshuffle poisson polar
    polygamma positive pow prod quantile rad2deg rand rand_like randint randn randn_like randperm ravel real reciprocal
    relu remainder renorm repeat_interleave reshape roll rot90 round rsqrt rsub scatter scatter_add searchsorted select
    selu sgn sigmoid sign signbit sin sinc sinh slogdet softmax sort split sqrt square squeeze stack std std_mean sub
    subtract sum svd swapaxes swapdims t take take_along_dim tan tanh tensor tensor_split tensordot tile topk trace
    transpose trapezoid tril tril_indices triu triu_indices true_divide trunc unbind unflatten unique unsqueeze vander var
    var_mean vdot vsplit vstack where xlogy zeros zeros_like from_numpy as_tensor
    _fused_adam_ _fused_adamw_ _fused_adagrad_ _fused_sgd_ _foreach_add_ _foreach_mul_ _foreach_addcdiv_
    _foreach_addcmul_"""

_TORCH_F = """adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d affine_grid alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear
    binary_cross_entropy binary_cross_entropy_with_logits celu conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d cosine_embedding_loss cosine_similarity cross_entropy ctc_loss dropout dropout1d dropout2d dropout3d
    elu embedding embedding_bag fold gaussian_nll_loss gelu glu grid_sample group_norm hardshrink hardsigmoid hardswish
    hardtanh hinge_embedding_loss huber_loss instance_norm interpolate kl_div l1_loss layer_norm leaky_relu linear
    local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d margin_ranking_loss max_pool1d max_pool2d max_pool3d
    mish mse_loss multi_head_attention_forward multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss
    nll_loss normalize one_hot pad pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu relu6
    rms_norm rrelu scaled_dot_product_attention selu sigmoid silu smooth_l1_loss soft_margin_loss softmax softmin softplus
    softshrink softsign tanh tanhshrink threshold triplet_margin_loss unfold upsample"""

_TORCH_LINALG = """cholesky cond cross det diagonal eigh eigvalsh householder_product inv lstsq lu matmul matrix_exp
    matrix_norm matrix_power matrix_rank multi_dot norm pinv qr slogdet solve solve_triangular svd svdvals tensorinv
    tensorsolve vander vecdot vector_norm"""

_TORCH_TYPES = """bfloat16 bool complex64 complex128 float16 float32 float64 int8 int16 int32 int64 uint8"""

TORCH = {
    "torch": Listed(
        functions=[
            *below("", _TORCH),
            *below("linalg", _TORCH_LINALG),
            *below("fft", "fft fft2 fftn ifft ifft2 ifftn irfft irfft2 irfftn rfft rfft2 rfftn fftshift ifftshift"),
            *below(
                "special", "digamma entr erf erfc erfcx erfinv expit expm1 gammaln i0 i0e i1 log1p log_ndtr logit xlogy"
            ),
        ],
        values=[*_TORCH_TYPES.split(), "inf", "nan", "pi", "e"],
    ),
    "F": Listed(functions=below("", _TORCH_F)),
}

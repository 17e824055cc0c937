"""The functions that calls of a workload file may use: those of each framework that take tensors and numbers and give tensors.

Listed by name, so what a later release adds is refused until somebody has looked at it. Not listed, and never to be: what
reads or writes files (tf.io, load, save, tofile), what calls back into Python (py_function, numpy_function, map_fn, Custom,
apply_along_axis, vectorize), what looks things up by a text (deserialize, get), and modules that lead elsewhere.
"""

from .calls import Listed


def _below(prefix, names):
    return ["%s.%s" % (prefix, name) if prefix else name for name in names.split()]


_TF_TYPES = (
    """bfloat16 bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128"""
)

_TF_MATH = """abs accumulate_n acos acosh add add_n argmax argmin asin asinh atan atan2 atanh bincount ceil
    confusion_matrix conj cos cosh count_nonzero cumprod cumsum cumulative_logsumexp digamma divide divide_no_nan
    equal erf erfc erfinv exp expm1 floor floordiv floormod greater greater_equal imag in_top_k is_finite is_inf
    is_nan l2_normalize less less_equal lgamma log log1p log_sigmoid log_softmax logical_and logical_not logical_or
    logical_xor maximum minimum mod multiply multiply_no_nan negative nextafter not_equal polygamma pow real
    reciprocal reciprocal_no_nan reduce_all reduce_any reduce_euclidean_norm reduce_logsumexp reduce_max reduce_mean
    reduce_min reduce_prod reduce_std reduce_sum reduce_variance rint round rsqrt scalar_mul segment_max segment_mean
    segment_min segment_prod segment_sum sigmoid sign sin sinh softmax softplus softsign sqrt square
    squared_difference subtract tan tanh top_k truediv unsorted_segment_max unsorted_segment_mean unsorted_segment_min
    unsorted_segment_prod unsorted_segment_sum xdivy xlogy zero_fraction zeta"""

_TF_TOP = """argsort batch_to_space boolean_mask broadcast_to cast clip_by_global_norm clip_by_norm clip_by_value
    complex concat constant convert_to_tensor cumsum dynamic_partition dynamic_stitch einsum ensure_shape expand_dims
    eye fill gather gather_nd identity linspace matmul meshgrid norm one_hot ones ones_like pad range rank repeat
    reshape reverse reverse_sequence roll scatter_nd searchsorted sequence_mask shape size slice sort space_to_batch
    split squeeze stack stop_gradient strided_slice tensordot tensor_scatter_nd_add tensor_scatter_nd_update tile
    transpose unique unstack where zeros zeros_like matrix_inverse sparse_tensor_dense_matmul"""

_TF_NN = """atrous_conv2d avg_pool avg_pool1d avg_pool2d avg_pool3d batch_norm_with_global_normalization
    batch_normalization bias_add compute_average_loss conv1d conv1d_transpose conv2d conv2d_backprop_filter
    conv2d_backprop_input conv2d_transpose conv3d conv3d_transpose convolution crelu ctc_loss depth_to_space
    depthwise_conv2d dilation2d dropout elu embedding_lookup erosion2d experimental.stateless_dropout fused_batch_norm
    gelu l2_loss l2_normalize leaky_relu local_response_normalization log_poisson_loss log_softmax lrn max_pool
    max_pool1d max_pool2d max_pool3d max_pool_with_argmax moments normalize_moments pool relu relu6 relu_layer selu
    separable_conv2d sigmoid sigmoid_cross_entropy_with_logits silu softmax softmax_cross_entropy_with_logits
    softmax_cross_entropy_with_logits_v2 softplus softsign space_to_depth sparse_softmax_cross_entropy_with_logits
    sufficient_statistics swish tanh top_k weighted_cross_entropy_with_logits weighted_moments xw_plus_b zero_fraction"""

_TF_LINALG = """adjoint band_part cholesky cholesky_solve cross det diag diag_part eigh eigvalsh einsum expm eye inv
    l2_normalize logdet logm lstsq lu matmul matrix_rank matrix_transpose matvec norm normalize pinv qr set_diag
    slogdet solve sqrtm svd tensor_diag tensor_diag_part tensordot trace triangular_solve"""

_TF_IMAGE = """adjust_brightness adjust_contrast central_crop crop_and_resize flip_left_right flip_up_down
    grayscale_to_rgb resize rgb_to_grayscale rot90 total_variation transpose"""

_TF_RAW = """ResourceApplyAdaMax ResourceApplyAdadelta ResourceApplyAdagrad ResourceApplyAdagradV2 ResourceApplyAdam
    ResourceApplyAdamWithAmsgrad ResourceApplyAddSign ResourceApplyCenteredRMSProp ResourceApplyFtrl
    ResourceApplyFtrlV2 ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum
    ResourceApplyPowerSign ResourceApplyProximalAdagrad ResourceApplyProximalGradientDescent ResourceApplyRMSProp"""

_KERAS_ACTIVATIONS = """celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign
    sparse_plus squareplus swish tanh tanh_shrink threshold"""

_KERAS_LOSSES = """BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy CategoricalFocalCrossentropy
    CategoricalGeneralizedCrossEntropy CategoricalHinge Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh
    MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky"""

_TENSORFLOW = Listed(
    functions=[
        *_below("", _TF_TOP),
        *_below("", _TF_MATH),
        *_below("math", _TF_MATH),
        *_below("nn", _TF_NN),
        *_below("linalg", _TF_LINALG),
        *_below("image", _TF_IMAGE),
        *_below("raw_ops", _TF_RAW),
        *_below("signal", "dct fft fft2d fft3d frame idct ifft ifft2d irfft irfft2d rfft rfft2d stft"),
        *_below("random", "gamma normal poisson shuffle truncated_normal uniform"),
        *_below("keras.activations", _KERAS_ACTIVATIONS),
        *_below("compat.v1.nn", _TF_NN),
        *_below("compat.v1", _TF_TOP),
    ],
    factories=_below("keras.losses", _KERAS_LOSSES),
    values=[*_TF_TYPES.split(), "newaxis"],
)

_MX_OPERATORS = """Activation BatchNorm BilinearSampler BlockGrad Cast Concat Convolution Correlation Crop
    Deconvolution Dropout ElementWiseSum Embedding Flatten FullyConnected GridGenerator GroupNorm
    IdentityAttachKLSparseReg InstanceNorm L2Normalization LRN LayerNorm LeakyReLU LinearRegressionOutput
    LogisticRegressionOutput MAERegressionOutput MakeLoss Pad Pooling RNN ROIPooling Reshape SVMOutput SequenceLast
    SequenceMask SequenceReverse SliceChannel SoftmaxActivation SoftmaxOutput SpatialTransformer SwapAxis UpSampling
    abs adam_update add_n all_finite arange arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin
    argsort array batch_dot batch_take broadcast_add broadcast_axes broadcast_axis broadcast_div broadcast_equal
    broadcast_greater broadcast_greater_equal broadcast_hypot broadcast_lesser broadcast_lesser_equal broadcast_like
    broadcast_logical_and broadcast_logical_or broadcast_logical_xor broadcast_maximum broadcast_minimum
    broadcast_minus broadcast_mod broadcast_mul broadcast_not_equal broadcast_plus broadcast_power broadcast_sub
    broadcast_to cast cast_storage cbrt ceil clip concat cos cosh crop ctc_loss cumsum degrees depth_to_space diag
    divide dot elemwise_add elemwise_div elemwise_mul elemwise_sub empty equal erf erfinv exp expand_dims expm1 eye
    fill_element_0index fix flatten flip floor from_numpy ftml_update ftrl_update full gamma gammaln gather_nd greater
    greater_equal hard_sigmoid histogram identity im2col khatri_rao lamb_update_phase1 lamb_update_phase2 lesser
    lesser_equal linspace log log10 log1p log2 log_softmax logical_and logical_not logical_or logical_xor make_loss
    max max_axis maximum mean min min_axis minimum modulo moments mp_sgd_mom_update mp_sgd_update multiply
    nag_mom_update nanprod nansum negative norm not_equal one_hot ones ones_like pad pick power
    preloaded_multi_sgd_update prod radians ravel_multi_index rcbrt reciprocal relu repeat reset_arrays reshape
    reshape_like reverse rint rmsprop_update rmspropalex_update round rsqrt scatter_nd sgd_mom_update sgd_update
    shape_array shuffle sigmoid sign signsgd_update signum_update sin sinh size_array slice slice_axis slice_like
    smooth_l1 softmax softmax_cross_entropy softmin softsign sort space_to_depth split split_v2 sqrt square squeeze
    stack stop_gradient subtract sum sum_axis swapaxes take tan tanh tile topk transpose trunc unravel_index where
    zeros zeros_like"""

_MX_LINALG = """det extractdiag extracttrian gelqf gemm gemm2 inverse makediag maketrian potrf potri slogdet
    sumlogdiag syevd syrk trmm trsm"""

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

_NPX = """activation batch_dot batch_flatten batch_norm convolution deconvolution dropout embedding erf erfinv
    fully_connected gamma gammaln gather_nd gelu layer_norm leaky_relu log_softmax masked_softmax one_hot pick pooling
    relu reshape_like rnn roi_pooling sequence_mask sigmoid smooth_l1 softmax topk"""

_NUMPY_VALUES = """bool_ e euler_gamma float16 float32 float64 inf int8 int32 int64 nan newaxis pi uint8"""

_GLUON_LOSSES = """CTCLoss CosineEmbeddingLoss HingeLoss HuberLoss KLDivLoss L1Loss L2Loss LogisticLoss PoissonNLLLoss
    SDMLLoss SigmoidBCELoss SigmoidBinaryCrossEntropyLoss SoftmaxCELoss SoftmaxCrossEntropyLoss SquaredHingeLoss
    TripletLoss"""

_F = [
    *_below("", _MX_OPERATORS),
    *_below("linalg", _MX_LINALG),
    *_below("contrib", "BilinearResize2D box_iou box_nms div_sqrt_dim quadratic"),
    *_below("random", "exponential gamma normal poisson uniform"),
]

NUMPY = Listed(
    functions=[*_below("", _NUMPY), *_below("linalg", _NUMPY_LINALG), *_below("fft", "fft fft2 ifft irfft rfft")],
    values=_NUMPY_VALUES.split(),
)
"""Of NumPy, for adapters whose framework has its namespace."""

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

TENSORFLOW = {"tf": _TENSORFLOW}
TORCH = {
    "torch": Listed(
        functions=[
            *_below("", _TORCH),
            *_below("linalg", _TORCH_LINALG),
            *_below("fft", "fft fft2 fftn ifft ifft2 ifftn irfft irfft2 irfftn rfft rfft2 rfftn fftshift ifftshift"),
            *_below(
                "special", "digamma entr erf erfc erfcx erfinv expit expm1 gammaln i0 i0e i1 log1p log_ndtr logit xlogy"
            ),
        ],
        values=[*_TORCH_TYPES.split(), "inf", "nan", "pi", "e"],
    ),
    "F": Listed(functions=_below("", _TORCH_F)),
}
MXNET = {
    "F": Listed(functions=_F),
    "mx": Listed(
        functions=[
            *("nd." + name for name in _F),
            *_below("np", _NUMPY),
            *_below("np.linalg", _NUMPY_LINALG),
            *_below("npx", _NPX),
        ],
        factories=_below("gluon.loss", _GLUON_LOSSES),
        values=_below("np", _NUMPY_VALUES),
    ),
}

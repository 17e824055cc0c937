"""The functions that calls of a workload file may use: those of TensorFlow that take tensors and numbers and give tensors.

What is never to be listed says dlprof_child/functions.py.
"""

from dlprof_child.calls import Listed
from dlprof_child.functions import below

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

TENSORFLOW = {
    "tf": Listed(
        functions=[
            *below("", _TF_TOP),
            *below("", _TF_MATH),
            *below("math", _TF_MATH),
            *below("nn", _TF_NN),
            *below("linalg", _TF_LINALG),
            *below("image", _TF_IMAGE),
            *below("raw_ops", _TF_RAW),
            *below("signal", "dct fft fft2d fft3d frame idct ifft ifft2d irfft irfft2d rfft rfft2d stft"),
            *below("random", "gamma normal poisson shuffle truncated_normal uniform"),
            *below("keras.activations", _KERAS_ACTIVATIONS),
            *below("compat.v1.nn", _TF_NN),
            *below("compat.v1", _TF_TOP),
        ],
        factories=below("keras.losses", _KERAS_LOSSES),
        values=[*_TF_TYPES.split(), "newaxis"],
    )
}

"""The functions that calls of a workload file may use: those of MXNet that take tensors and numbers and give tensors.

What is never to be listed says dlprof_child/functions.py.
"""

from dlprof_child.calls import Listed
from dlprof_child.functions import NUMPY, below

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

_NPX = """activation batch_dot batch_flatten batch_norm convolution deconvolution dropout embedding erf erfinv
    fully_connected gamma gammaln gather_nd gelu layer_norm leaky_relu log_softmax masked_softmax one_hot pick pooling
    relu reshape_like rnn roi_pooling sequence_mask sigmoid smooth_l1 softmax topk"""

_GLUON_LOSSES = """CTCLoss CosineEmbeddingLoss HingeLoss HuberLoss KLDivLoss L1Loss L2Loss LogisticLoss PoissonNLLLoss
    SDMLLoss SigmoidBCELoss SigmoidBinaryCrossEntropyLoss SoftmaxCELoss SoftmaxCrossEntropyLoss SquaredHingeLoss
    TripletLoss"""

_F = [
    *below("", _MX_OPERATORS),
    *below("linalg", _MX_LINALG),
    *below("contrib", "BilinearResize2D box_iou box_nms div_sqrt_dim quadratic"),
    *below("random", "exponential gamma normal poisson uniform"),
]

MXNET = {
    "F": Listed(functions=_F),
    "mx": Listed(
        functions=[
            *("nd." + name for name in _F),
            *("np." + name for name in sorted(NUMPY.functions) if not name.startswith("fft.")),
            *below("npx", _NPX),
        ],
        factories=below("gluon.loss", _GLUON_LOSSES),
        values=["np." + name for name in sorted(NUMPY.values)],
    ),
}

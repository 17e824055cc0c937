"""Operator paths: what they tell."""

from __future__ import annotations

import pytest

from dlprof.ingest.finish.layer_parts import Scopes, refine
from dlprof.ingest.finish.paths import place
from dlprof.plugin import Operator


@pytest.mark.parametrize(
    ("path", "phase", "layer"),
    [
        ("forward/conv1/Conv2D", "forward", "conv1"),
        ("forward/conv1/Conv2D/ReadVariableOp", "forward", "conv1"),
        ("forward/block1/conv/Conv2D", "forward", "block1/conv"),
        ("gradient_tape/forward/conv1/Conv2DBackpropFilter", "backward", "conv1"),
        ("backward/gradient_tape/forward/dense1/MatMul/MatMul_1", "backward", "dense1"),
        ("gradient_tape/loss/SparseSoftmaxCrossEntropyWithLogits/mul", "backward", None),
        ("gradients/dense/MatMul_grad/MatMul", "backward", "dense"),
        ("loss/Mean", "loss", None),
        ("optimizer/conv1/w/ResourceApplyAdam", "optimizer", None),
        ("Adam/Adam/update/ResourceApplyAdam", "optimizer", None),
        ("sequential_1/conv2d/Relu", "forward", "conv2d"),
        ("jit(f)/jit(main)/forward/conv1/conv_general_dilated", "forward", "conv1"),
        ("jit(f)/jit(main)/transpose(jvp(forward))/conv1/dot_general", "backward", "conv1"),
        ("jit(f)/jit(main)/jvp(forward)/conv1/dot_general", "forward", "conv1"),
        # Flax: the model's class is dropped, its modules are layers, named or not
        ("jit(step)/jvp(Transformer)/layers_0/attention/query/dot_general", "forward", "layers_0/attention/query"),
        ("jit(step)/transpose(jvp(Transformer))/layers_0/mlp/wi/dot_general", "backward", "layers_0/mlp/wi"),
        ("jit(step)/jit(main)/jvp(CNN)/Dense_0/dot_general", "forward", "Dense_0"),
        ("jit(predict)/CNN/Conv_0/conv_general_dilated", "forward", "Conv_0"),
        ("jit(step)/jvp(Transformer)/add", "forward", "Transformer"),
        ("jit(step)/jvp(Model)/token_embedder.attend/dot_general", "forward", "token_embedder"),
        ("jit(step)/jvp(loss)/Model/layers_0/ln/div", "forward", "layers_0/ln"),
        ("jit(step)/jvp(Model)/cross_entropy/sub", "loss", "cross_entropy"),
        # transformations that name no scope, or the function that they are applied to
        (
            "jit(step)/jvp(jit(main))/decoder/layers/self_attention/out/dot_general",
            "forward",
            "decoder/layers/self_attention/out",
        ),
        ("jit(step)/transpose(jvp(jit(main)))/loss/reduce_sum", "backward", "loss"),
        ("jit(step)/transpose(jvp())/mul", "backward", None),
        ("jit(step)/jvp(vmap(mlp))/dot_general", "forward", "mlp"),
        ("jit(step)/pjit/shard_map/psum", None, None),
        # loops, calls and checkpoints are no layers; what is computed again is backward
        (
            "jit(step)/jit(main)/while/body/checkpoint/rematted_computation/layers/mlp/dot_general",
            "backward",
            "layers/mlp",
        ),
        ("jit(step)/jvp(Model)/checkpoint/layers_1/mlp/dot_general", "forward", "layers_1/mlp"),
        ("jit(step)/jvp(Model)/decoder/while/body/closed_call/layers/mlp/add", "forward", "decoder/layers/mlp"),
        ("jit(step)/jvp(Model)/act/custom_vjp_call/mul", "forward", "act"),
        ("jit(step)/jvp(Model)/cond/branch_1_fun/experts/dot_general", "forward", "experts"),
        (
            "jit(step)/transpose(jvp(loss))/Model/jvp(loss)/Model/checkpoint/rematted_computation/layers_1/ln/mul",
            "backward",
            "layers_1/ln",
        ),
        # the specification of an einsum
        ("jit(step)/jvp(M)/attention/...qhd,...khd->...hqk/dot_general", "forward", "attention"),
        ("jit(step)/jvp(M)/moe/btd,edf->btef/dot_general", "forward", "moe"),
        # Haiku's methods
        ("jit(step)/jvp(mlp)/~/linear_0/dot_general", "forward", "mlp/linear_0"),
        ("jit(step)/transpose(jvp(net))/~encode/linear/dot_general", "backward", "net/linear"),
        # Keras on JAX: its first scope is the layer
        ("jit(train_step)/jvp(conv2d_1)/conv_general_dilated", "forward", "conv2d_1"),
        ("jit(train_step)/jvp(sequential)/dense/dot_general", "forward", "dense"),
        (
            "jit(train_step)/jvp(compile_loss)/sparse_categorical_crossentropy/jit(log_softmax)/sub",
            "loss",
            "compile_loss",
        ),
        ("jit(train_step)/adam/add", "optimizer", "adam"),
        # optax
        ("jit(step)/adamw/mul", "optimizer", "adamw"),
        ("jit(step)/scale_by_adam/sqrt", "optimizer", "scale_by_adam"),
        # what XLA merged keeps the first name
        ("jit(step)/transpose(jvp(loss))/mul;jit(step)/other/broadcast_in_dim", "backward", "loss"),
        ("jit(step)/add", None, None),
        ("p['params']['head']['bias']", None, None),
        ("jit(step", None, None),
        ("MatMul", None, None),
        ("Identity_2", None, None),
        ("", None, None),
    ],
)
def test_a_path_tells_phase_and_layer(path: str, phase: str | None, layer: str | None) -> None:
    where = place(path)
    assert (where.phase, where.layer) == (phase, layer)


def test_a_product_without_a_bias_beside_it_stays_a_product() -> None:
    scopes = Scopes(["forward/a/MatMul", "forward/b/BiasAdd"])
    assert refine(Operator("MatMul"), "forward/a/MatMul", scopes) == Operator("MatMul")
    assert refine(Operator("MatMul"), "forward/b/MatMul", scopes) == Operator("Gemm")

"""oneDNN's verbose lines of three generations, as real processes printed them, and the reasons they give."""

from __future__ import annotations

from dlprof.analysis.explain import primitives, verbose

MXNET = """
some framework chatter
dnnl_verbose,info,oneDNN v2.4.4 (commit 5818c40f07bdb6307f9bc64e929836fe036da644)
dnnl_verbose,info,cpu,runtime:OpenMP
dnnl_verbose,info,cpu,isa:Intel AVX-512 with Intel DL Boost and bfloat16 support
dnnl_verbose,info,gpu,runtime:none
dnnl_verbose,info,prim_template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,attributes,auxiliary,problem_desc,exec_time
dnnl_verbose,exec,cpu,convolution,x64:gemm:jit,forward_training,src_f32::blocked:abcd:f0 wei_f32::blocked:abcd:f0 bia_f32::blocked:a:f0 dst_f32::blocked:abcd:f0,,alg:convolution_direct,mb200_ic1oc6_ih28oh24kh5sh1dh0ph0_iw28ow24kw5sw1dw0pw0,5.25
dnnl_verbose,exec,cpu,eltwise,jit:avx512_common,forward_training,data_f32::blocked:abcd:f0 diff_undef::undef::f0,,alg:eltwise_relu alpha:0 beta:0,200x6x24x24,0.25
dnnl_verbose,exec,cpu,pooling_v2,jit:avx512_core,forward_training,src_f32::blocked:abcd:f0 dst_f32::blocked:abcd:f0 ws_undef::undef::f0,,alg:pooling_avg_include_padding,mb200ic6_ih24oh12kh2sh2dh0ph0_iw24ow12kw2sw2dw0pw0,0.75
dnnl_verbose,exec,cpu,reorder,jit:uni,undef,src_f32::blocked:abcd:f0 dst_f32::blocked:Acdb16a:f0,,,16x6x3x3,0.5
dnnl_verbose,exec,cpu,inner_product,x64:gemm:jit,backward_weights,src_f32::blocked:ab:f0 wei_f32::blocked:ab:f0 bia_f32::blocked:a:f0 dst_f32::blocked:ab:f0,,,mb200ic84oc10,0.125
"""  # noqa: E501

TENSORFLOW = """
onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)
onednn_verbose,v1,info,cpu,runtime:threadpool,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with Intel DL Boost and bfloat16 support
onednn_verbose,v1,info,experimental functionality for sparse domain is enabled
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,attributes,auxiliary,problem_desc,exec_time
onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core,forward_training,src:f32::blocked:acdb::f0 wei:f32:ap:blocked:Adcb16a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb200_ic1oc6_ih28oh24kh5sh1dh0ph0_iw28ow24kw5sw1dw0pw0,2.25
onednn_verbose,v1,primitive,exec,cpu,pooling,jit:avx512_core,forward_training,src:f32::blocked:acdb::f0 dst:f32::blocked:acdb::f0,,alg:pooling_avg_exclude_padding,mb200ic6_ih24oh12kh2sh2dh0ph0_iw24ow12kw2sw2dw0pw0,0.5
onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_f32::blocked:ba:f0 wei_f32::blocked:ab:f0 dst_f32::blocked:ab:f0,,,84x200:200x10,0.0625
"""  # noqa: E501

OLDEST = (
    "mkldnn_verbose,info,Intel MKL-DNN v0.21.0 (commit abc)\n"
    "mkldnn_verbose,create,convolution,jit:avx2,forward_training,fsrc:nchw fwei:Ohwi8o fbia:x fdst:nChw8c,"
    "alg:convolution_direct,mb200_ic1oc6,0.5\n"
    "mkldnn_verbose,exec,convolution,jit:avx2,forward_training,fsrc:nchw fwei:Ohwi8o fbia:x fdst:nChw8c,"
    "alg:convolution_direct,mb200_ic1oc6,1.5\n"
)


def test_lines_of_oneDNN_2_give_primitive_implementation_layout_problem_and_time():
    found = verbose.parse(MXNET.splitlines())
    assert (found.version or "").startswith("oneDNN v2.4.4")
    assert (found.isa, found.runtime) == ("Intel AVX-512 with Intel DL Boost and bfloat16 support", "OpenMP")
    row = found.primitives.to_pylist()[0]
    assert (row["primitive"], row["implementation"], row["prop"]) == ("convolution", "x64:gemm:jit", "forward_training")
    assert row["layouts"] == "src:abcd wei:abcd bia:a dst:abcd"
    assert (row["problem"], row["ns"]) == ("mb200_ic1oc6_ih28oh24kh5sh1dh0ph0_iw28ow24kw5sw1dw0pw0", 5_250_000.0)
    assert (found.primitives.num_rows, found.unread) == (5, 0)


def test_lines_of_oneDNN_3_are_read_with_threads_and_fused_operations():
    found = verbose.parse(TENSORFLOW.splitlines())
    assert (found.threads, found.runtime) == (2, "threadpool,nthr:2")
    row = found.primitives.to_pylist()[0]
    assert (row["implementation"], row["layouts"]) == (
        "brg_conv_fwd:avx512_core",
        "src:acdb wei:Adcb16a bia:a dst:acdb",
    )
    assert "eltwise_relu" in row["attributes"]
    assert found.unread == 0


def test_lines_of_MKL_DNN_0_without_an_engine_are_read_and_creations_are_counted_apart():
    found = verbose.parse(OLDEST.splitlines())
    (row,) = found.primitives.to_pylist()
    assert (row["primitive"], row["implementation"], row["ns"]) == ("convolution", "jit:avx2", 1_500_000.0)
    assert row["layouts"] == "fsrc:nchw fwei:Ohwi8o fbia:x fdst:nChw8c"
    assert found.created == 1


def test_time_stamps_and_a_line_cut_short_do_not_derail_the_reading():
    stamped = TENSORFLOW.replace("v1,primitive,exec", "v1,1700000000000.25,primitive,exec").splitlines()
    found = verbose.parse([*stamped, "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_co"])
    assert (found.primitives.num_rows, found.unread) == (3, 1)


def test_the_gap_splits_by_reason():
    found = primitives.explain(verbose.parse(TENSORFLOW.splitlines()), verbose.parse(MXNET.splitlines()))
    by_problem = {(p.primitive, p.problem): p for p in found.primitives}
    conv = next(p for p in found.primitives if p.primitive == "convolution")
    assert (conv.reason, conv.a_implementation, conv.b_implementation) == (
        "other implementation",
        "brg_conv_fwd:avx512_core",
        "x64:gemm:jit",
    )
    assert conv.delta_ns == 3_000_000.0
    pooling = next(p for p in found.primitives if p.primitive == "pooling")
    assert (pooling.reason, pooling.delta_ns) == ("same implementation", 250_000.0)
    assert by_problem["reorder", "16x6x3x3"].reason == "reorder"
    assert by_problem["eltwise", "200x6x24x24"].reason == "only in B"
    assert sum(found.by_reason.values()) == sum(p.delta_ns for p in found.primitives)
    assert "convolution forward" in found.statement


def test_a_dense_layers_gradient_is_the_same_product_whichever_primitive_computes_it():
    found = primitives.explain(verbose.parse(TENSORFLOW.splitlines()), verbose.parse(MXNET.splitlines()))
    product = next(p for p in found.primitives if p.primitive == "product")
    assert (product.problem, product.a_calls, product.b_calls) == ("200 over 10×84", 1, 1)


def test_a_side_that_prints_nothing_is_said_to_be_silent_and_nothing_is_claimed_of_it():
    quiet = verbose.parse(["no such lines"])
    assert quiet.silent
    found = primitives.explain(quiet, verbose.parse(MXNET.splitlines()))
    assert found.absent == ("A",)
    assert "nothing can be said" in found.statement


def test_the_spelling_of_an_instruction_set_is_no_other_algorithm():
    renamed = MXNET.replace("jit:avx512_core", "jit:avx512_common").replace("x64:gemm:jit", "gemm:jit")
    found = primitives.explain(verbose.parse(MXNET.splitlines()), verbose.parse(renamed.splitlines()))
    assert {p.reason for p in found.primitives} == {"same implementation", "reorder"}
    assert all(p.delta_ns == 0 for p in found.primitives)

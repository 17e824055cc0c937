"""A framework is found by its name or alias; one that does not exist is answered with those that do."""

from __future__ import annotations

import pytest

from dlprof import frameworks, schema
from dlprof.errors import UsageError
from dlprof.plugin import Framework


def test_the_built_in_frameworks_are_what_a_plugin_must_be() -> None:
    known = frameworks.registry()
    assert {"tf", "mxnet", "torch", "jax"} <= set(known)
    assert all(isinstance(framework, Framework) for framework in known.values())


@pytest.mark.parametrize(
    ("said", "meant"), [("tf", "tf"), ("tensorflow", "tf"), ("mxnet", "mxnet"), ("mx", "mxnet"), ("pytorch", "torch")]
)
def test_a_name_and_an_alias_mean_the_same_framework(said: str, meant: str) -> None:
    assert frameworks.get(said) is frameworks.registry()[meant]


def test_a_misspelt_framework_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="unknown framework 'mxnt'") as error:
        frameworks.get("mxnt")
    assert error.value.hint == "did you mean mxnet?"
    with pytest.raises(UsageError) as error:
        frameworks.get("tenserflow")
    assert error.value.hint == "did you mean tensorflow?"


def test_a_framework_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(UsageError) as error:
        frameworks.get("caffe")
    assert error.value.hint is not None
    assert error.value.hint.startswith("known: ")
    assert {"mxnet", "tf"} <= set(error.value.hint.removeprefix("known: ").split(", "))


@pytest.mark.parametrize("name", ["tf", "mxnet", "torch", "jax"])
def test_a_framework_ships_the_child_adapter_and_the_lock_of_its_default_version(name: str) -> None:
    framework = frameworks.get(name)
    assert framework.adapter.is_file()
    spec = framework.env(framework.default_version, "cpu")
    assert spec.requirements is not None
    assert "--hash=" in spec.requirements.read_text()
    assert framework.default_version in framework.versions


def test_every_producer_of_a_trace_has_a_vocabulary() -> None:
    found = frameworks.vocabularies()
    assert {"tensorflow", "mxnet", "jax", "pytorch", "xla"} <= set(found)
    assert len(found) == len(set(found))
    assert "pytorch" in found
    assert "nobody" not in found
    assert found.get("nobody") is None


def test_a_vocabulary_is_found_without_its_framework_and_is_the_one_that_the_framework_tells() -> None:
    found = frameworks.vocabularies()
    assert {one.producer for one in frameworks.registry().values()} <= set(found)
    for framework in frameworks.registry().values():
        assert dict(found[framework.producer]) == dict(framework.operators), framework.name
    assert dict(found["xla"]) == dict(frameworks.get("jax").operators)


@pytest.mark.parametrize(
    ("producer", "raw", "op", "phase"),
    [
        ("mxnet", "Convolution", "Conv", "forward"),
        ("mxnet", "_backward_Convolution", "Conv", "backward"),
        ("tensorflow", "Conv2D", "Conv", None),
        ("tensorflow", "Conv2DBackpropFilter", "Conv", "backward"),
        ("pytorch", "aten::addmm", "Gemm", "forward"),
        ("pytorch", "AddmmBackward", "Gemm", "backward"),
    ],
)
def test_frameworks_call_one_operator_by_names_of_their_own(
    producer: str, raw: str, op: str, phase: str | None
) -> None:
    found = frameworks.vocabularies()[producer].get(raw)
    assert found is not None
    assert (found.op, found.phase) == (op, phase)


@pytest.mark.parametrize("producer", ["tensorflow", "mxnet", "jax", "pytorch"])
def test_a_vocabulary_holds_only_levels_and_phases_that_the_event_table_has(producer: str) -> None:
    table = frameworks.vocabularies()[producer]
    assert {operator.level for operator in table.values()} <= set(schema.LEVELS)
    assert {operator.phase for operator in table.values()} <= {None, *schema.PHASES}
    assert all(operator.op or operator.level == "marker" for operator in table.values())
    assert all(operator.calls >= 0 for operator in table.values())


@pytest.mark.parametrize(
    ("producer", "label"),
    [
        ("tensorflow", "TensorFlow"),
        ("tf", "TensorFlow"),
        ("jax", "JAX"),
        ("pytorch", "PyTorch"),
        ("xla", "XLA"),
        ("?", "?"),
    ],
)
def test_a_producer_and_a_framework_are_called_by_one_label(producer: str, label: str) -> None:
    assert frameworks.label_of(producer) == label

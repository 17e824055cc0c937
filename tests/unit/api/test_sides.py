"""SIDE texts: what they resolve to, and what is refused before anything starts."""

from __future__ import annotations

import pytest

from dlprof.api.sides import on_one_python, parse_side
from dlprof.errors import UsageError


@pytest.mark.parametrize(
    ("text", "slug", "python"),
    [
        ("tf", "tf-2.21.0-graph", "3.11"),
        ("tensorflow:eager", "tf-2.21.0-eager", "3.11"),
        ("tf@2.15", "tf-2.15.1-graph", "3.11"),
        ("tf@2.1.0:xla", "tf-2.1.0-xla", "3.7"),
        ("mxnet@1.5.1:imperative", "mxnet-1.5.1-imperative", "3.7"),
    ],
)
def test_a_side_names_framework_release_and_mode(text: str, slug: str, python: str) -> None:
    side = parse_side(text)
    assert (side.slug, side.env.python) == (slug, python)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("tf:quick", "no mode 'quick'", "its modes: graph, eager"),
        ("tf@2.0:xla", "TensorFlow 2.0.0 has no mode 'xla': it came with 2.1", "its modes: graph"),
        ("caffe", "unknown framework 'caffe'", "mxnet"),
        ("tf@", "not a side", "write it like"),
    ],
)
def test_what_cannot_be_is_answered_with_what_can(text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_side(text)
    assert says in error.value.message
    assert error.value.hint is not None
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("a", "b", "environments"),
    [
        ("tf", "mxnet", ("tf-2.21.0-cpu", "mxnet-1.9.1-cpu")),
        ("tf@1.12.2", "mxnet@1.4.1", ("tf-1.12.2-cpu", "mxnet-1.4.1-cpu-py3.6")),
        ("mxnet@1.5.1", "tf@1.12.2", ("mxnet-1.5.1-cpu-py3.6", "tf-1.12.2-cpu")),
        ("tf@2.1.0", "mxnet", ("tf-2.1.0-cpu", "mxnet-1.9.1-cpu-py3.7")),
        ("tf@2.10", "mxnet", ("tf-2.10.1-cpu", "mxnet-1.9.1-cpu-py3.10")),
        ("tf@2.10", "mxnet@1.5", ("tf-2.10.1-cpu-py3.7", "mxnet-1.5.1-cpu")),
        ("tf@2.21", "mxnet@1.5.1", ("tf-2.21.0-cpu", "mxnet-1.5.1-cpu")),
    ],
)
def test_two_sides_get_one_python_where_there_is_one_for_both(a: str, b: str, environments: tuple[str, str]) -> None:
    sides = on_one_python([parse_side(a), parse_side(b)])
    assert tuple(side.env.name for side in sides) == environments
    assert [side.slug for side in sides] == [parse_side(a).slug, parse_side(b).slug]


def test_several_sides_get_one_python_where_there_is_one_for_all_and_else_what_each_gets_alone() -> None:
    named = [parse_side(text) for text in ("mxnet@1.5.1", "tf@1.12.2", "mxnet@1.4.1")]
    assert {side.env.python for side in on_one_python(named)} == {"3.6"}
    strangers = [parse_side(text) for text in ("tf@2.21", "tf@1.12.2", "mxnet@1.5.1")]
    assert on_one_python(strangers) == tuple(strangers)


@pytest.mark.parametrize("mode", ["tensorflow", "jax", "torch"])
def test_a_backend_of_keras_has_an_environment_of_its_own_with_a_lock(mode: str) -> None:
    side = parse_side(f"keras:{mode}")
    assert side.env.name == f"keras-{mode}-3.15.1-cpu"
    assert side.env.environ == {"KERAS_BACKEND": mode}
    assert side.env.requirements is not None
    assert "keras==3.15.1" in side.env.requirements.read_text()
    assert mode in side.env.network_modes
    other = parse_side(f"keras@3.12.0:{mode}")
    assert other.env.resolve[0] == "keras==3.12.0"
    assert any(mode in requirement for requirement in other.env.resolve[1:]), "the backend beside it"

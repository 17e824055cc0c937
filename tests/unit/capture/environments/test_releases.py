"""Every release with a shipped lock file: its environment is made from it, and the framework imports."""

from __future__ import annotations

import pytest
from places import ROOT

from dlprof.capture.environments.env_store import EnvStore
from dlprof.errors import EnvironmentFailed
from dlprof.frameworks.jax import Jax
from dlprof.frameworks.mxnet import MXNet
from dlprof.frameworks.tensorflow import TensorFlow
from dlprof.plugin import EnvSpec, Framework

FRAMEWORKS: tuple[Framework, ...] = (TensorFlow(), MXNet(), Jax())
RELEASES = [
    (spec, version)
    for framework in FRAMEWORKS
    for version in framework.versions
    for locked in [framework.env(version, "cpu")]
    for spec in (locked, *locked.alternatives)
]

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]


@pytest.mark.parametrize(("spec", "version"), RELEASES, ids=[spec.name for spec, _ in RELEASES])
def test_a_release_is_made_from_its_lock_and_imports(spec: EnvSpec, version: str) -> None:
    made = EnvStore().ensure(spec)
    assert (made.version, made.locked) == (version.partition(".post")[0], True)  # 1.7.0.post2 says of itself 1.7.0
    assert made.python_version.startswith(spec.python + ".")


def test_the_studys_pair_lives_in_one_environment() -> None:
    lock = ROOT / "dlprof/api/published/published-tf-2.1.0-mxnet-1.5.1-cpu.txt"
    made = EnvStore().ensure(EnvSpec(lock.stem, "mxnet", "1.5.1", "cpu", "3.7", lock, module="mxnet,tensorflow"))
    assert (made.packages["mxnet"], made.packages["tensorflow-cpu"]) == ("1.5.1", "2.1.0")


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_a_version_that_never_was_names_those_that_are(framework: Framework) -> None:
    with pytest.raises(EnvironmentFailed, match=r"==9\.9") as error:
        EnvStore().ensure(framework.env("9.9", "cpu"), known_versions=framework.versions)
    assert framework.default_version in str(error.value.hint)

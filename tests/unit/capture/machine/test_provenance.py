"""Provenance and devices: facts of this machine, no secrets, a GPU only where the driver names one."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from dlprof.capture.environments.env_store import Environment
from dlprof.capture.machine import command_words, devices, disturbance, provenance
from dlprof.errors import Unsupported


def test_the_machine_is_described_in_json_terms() -> None:
    facts = msgspec.to_builtins(provenance.machine())
    assert json.loads(json.dumps(facts)) == facts
    assert {"cores_logical", "memory_bytes", "os", "kernel", "load", "threads", "gpus"} <= set(facts)
    assert 1 <= facts["cores_usable"] <= facts["cores_logical"]


def test_thread_settings_are_recorded_and_nothing_else_of_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("MY_PASSWORD", "hush-hush")
    facts = msgspec.to_builtins(provenance.machine())
    assert facts["threads"]["OMP_NUM_THREADS"] == "5"
    assert "hush-hush" not in json.dumps(facts)


def test_the_command_line_is_kept_but_for_what_looks_secret() -> None:
    command = command_words.command_line(["/usr/bin/dlprof", "compare", "lenet", "--set", "x=1", "--api-token=abc"])
    assert command == ["dlprof", "compare", "lenet", "--set", "x=1", "--api-token=…"]


def test_packages_tell_version_and_contents() -> None:
    environment = Environment(
        "e", "tf", Path("p"), "1", "3.11.7", {"numpy": "2.0", "six": "1"}, "d", contents={"six": "c"}
    )
    assert msgspec.to_builtins(provenance.packages(environment)) == {
        "environment": "e", "python": "3.11.7", "locked": True, "digest": "d",
        "packages": {"numpy": {"version": "2.0"}, "six": {"version": "1", "contents_sha256": "c"}},
    }  # fmt: skip


def test_nvidia_smi_is_parsed_and_its_messages_are_no_gpus() -> None:
    text = "0, NVIDIA H200, 143771, 570.1\n1, NVIDIA H200, 143771, 570.1\nNo devices were found\n"
    assert devices.parse_smi(text)[1] == devices.Gpu(1, "NVIDIA H200", "143771", "570.1")
    assert len(devices.parse_smi(text)) == 2


def test_without_a_gpu_the_error_says_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "nvidia_gpus", list)
    with pytest.raises(Unsupported, match=r"no NVIDIA GPU found .*nvidia-smi, libcuda") as error:
        devices.require_gpu()
    assert "leave --device gpu away" in str(error.value.hint)


def test_a_gpu_is_chosen_by_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "nvidia_gpus", lambda: [devices.Gpu(0, "one"), devices.Gpu(1, "two")])
    assert devices.require_gpu(1).name == "two"
    with pytest.raises(Unsupported, match="no GPU 2") as error:
        devices.require_gpu(2)
    assert error.value.hint == "there are: 0 (one), 1 (two)"


def test_disturbance_is_what_others_used() -> None:
    before = disturbance.Snapshot(0, 10.0, 1.0, 1000, 0.5, None, None)
    after = disturbance.Snapshot(4_000_000_000, 13.0, 1.4, 5000, 0.7, 2000.0, None)
    facts = disturbance.between(before, after, own_cpu_s=2.0)
    cores = provenance.machine().cores_logical
    assert facts.other_cpu == round(1.0 / (4 * cores), 4)
    assert facts.steal == round(0.4 / (4 * cores), 4)
    assert facts.context_switches_per_s == 1000
    assert facts.frequency_mhz is None

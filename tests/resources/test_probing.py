from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from asbuilt.resources import probing
from asbuilt.resources.machines import GIB, MACHINES
from asbuilt.resources.probing import Speed, measure_speed, probe

HOST = psutil.virtual_memory().total


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for PATH; what is written to nvidia-smi in it runs."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "nvidia-smi"


def install(command: Path, script: str) -> None:
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = probe(speed=Speed(20.0, 0.1))
    assert (machine.unified, machine.bandwidth_gbs, machine.compute_tflops) == (True, 20.0, 0.1)
    assert 0 < machine.memory_bytes <= HOST
    assert machine.budget_bytes < machine.usable_bytes
    assert probe().bandwidth_gbs is None


def test_a_known_card(gpu: Path) -> None:
    install(gpu, "echo 'NVIDIA GeForce RTX 4090, 24564'; echo 'NVIDIA GeForce RTX 3060, 12288'")
    machine = probe()
    assert (machine.name, machine.unified, machine.bandwidth_gbs) == ("this-machine", False, 1008)
    assert machine.memory_bytes == 24_564 * 2**20
    assert machine.host_bytes is not None
    assert machine.host_bytes <= HOST


def test_a_card_that_is_not_in_the_catalogue(gpu: Path) -> None:
    install(gpu, "echo 'NVIDIA GeForce RTX 9999, 65536'")
    machine = probe()
    assert (machine.device, machine.memory_bytes) == ("NVIDIA GeForce RTX 9999", 64 * GIB)
    assert (machine.bandwidth_gbs, machine.compute_tflops) == (None, None)


def test_a_gpu_that_shares_the_memory_of_its_host(gpu: Path) -> None:
    install(gpu, "echo 'NVIDIA GB10, [N/A]'")
    machine = probe()
    assert (machine.unified, machine.bandwidth_gbs) == (True, MACHINES["dgx-spark"].bandwidth_gbs)
    assert machine.memory_bytes <= HOST
    assert machine.host_bytes is None


@pytest.mark.parametrize("script", ["exit 9", "echo", "echo 'No devices were found'"])
def test_a_driver_that_does_not_answer_counts_as_no_gpu(gpu: Path, script: str) -> None:
    install(gpu, script)
    assert probe().device == "CPU"


@pytest.mark.parametrize(("text", "limit"), [("max\n", HOST), ("1073741824\n", GIB), ("x", HOST)])
def test_a_container_limits_memory(tmp_path: Path, text: str, limit: int) -> None:
    file = tmp_path / "memory.max"
    file.write_text(text)
    assert probing._memory_limit(HOST, file) == limit


def test_speed_is_measured() -> None:
    speed = measure_speed(seconds=0.02, threads=1)
    assert 0.5 < speed.bandwidth_gbs < 5000
    assert 0.001 < speed.compute_tflops < 100

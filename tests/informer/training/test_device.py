"""Devices, processes and precision are chosen in one place, and what is missing is named."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from informer.config import TrainingConfig
from informer.errors import ConfigError
from informer.training.device import for_processes, generator_devices, make_fabric, starts_processes
from tests.informer.training.tiny import make_network


def test_all_devices_of_a_machine_without_a_gpu_are_one_process():
    fabric = make_fabric(TrainingConfig(accelerator="cpu", devices="auto"))
    assert (fabric.world_size, fabric.device.type) == (1, "cpu")
    assert not starts_processes(fabric)


def test_several_devices_are_several_processes_to_start():
    fabric = make_fabric(TrainingConfig(accelerator="cpu", devices=2))
    assert fabric.world_size == 2
    assert starts_processes(fabric)


@pytest.mark.parametrize(("devices", "world_size"), [("auto", 4), (1, 1)])
def test_processes_that_torchrun_started_join_unless_one_device_is_asked_for(
    monkeypatch, devices, world_size
):
    started = {"RANK": 1, "LOCAL_RANK": 1, "GROUP_RANK": 0, "WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 2}
    for name, value in started.items():
        monkeypatch.setenv(name, str(value))
    fabric = make_fabric(TrainingConfig(accelerator="cpu", devices=devices))
    assert fabric.world_size == world_size
    assert not starts_processes(fabric)


def test_more_gpus_than_there_are_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match="devices is 3, but this machine has 2 CUDA devices"):
        make_fabric(TrainingConfig(devices=3))


def test_numbered_gpus_are_those_that_fabric_gets(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    asked = {}
    monkeypatch.setattr("lightning_fabric.Fabric", lambda **options: asked.update(options))
    make_fabric(TrainingConfig(devices=(3, 1)))
    assert (asked["devices"], asked["strategy"]) == ([3, 1], "ddp_spawn")
    make_fabric(TrainingConfig(devices=(2,)))
    assert (asked["devices"], asked["strategy"]) == ([2], "auto")


def test_a_gpu_of_a_number_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"devices is \[0, 2\], but this machine has 2 CUDA"):
        make_fabric(TrainingConfig(devices=(0, 2)))


def test_numbers_of_gpus_mean_nothing_to_a_cpu_and_it_says_so(caplog):
    fabric = make_fabric(TrainingConfig(accelerator="cpu", devices=(1, 2)))
    assert fabric.world_size == 1
    assert "no GPU is used" in caplog.text


@pytest.mark.parametrize("devices", [(), (-1,), (0, 0), 0, "some"])
def test_devices_that_cannot_be_are_refused(devices):
    with pytest.raises(ConfigError, match="devices is"):
        TrainingConfig(devices=devices)


@pytest.mark.parametrize(("capability", "n_warnings"), [("AVX2", 1), ("AVX512", 0)])
def test_bf16_on_a_cpu_that_is_slow_at_it_is_logged(monkeypatch, caplog, capability, n_warnings):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    make_fabric(TrainingConfig(accelerator="cpu", precision="bf16"))
    assert len(caplog.records) == n_warnings


@pytest.mark.parametrize(
    ("device", "kind"), [("cuda:1", nn.SyncBatchNorm), ("cpu", nn.BatchNorm1d)]
)
def test_batch_norms_are_synchronised_between_gpus(device, kind):
    model = make_network()
    names = list(model.state_dict())
    fabric = SimpleNamespace(world_size=2, device=torch.device(device))
    prepared = for_processes(model, fabric)
    assert type(prepared.norm) is kind
    assert list(prepared.state_dict()) == names


def test_the_generators_kept_are_those_that_dropout_draws_from():
    assert generator_devices(torch.device("cuda", 1)) == [1]
    assert generator_devices(torch.device("cpu")) == []


@pytest.mark.slow
def test_a_forecast_does_not_pay_for_the_import_of_fabric():
    code = "import sys, informer.training.loop; sys.exit('lightning_fabric' in sys.modules)"
    repository = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, check=False).returncode == 0

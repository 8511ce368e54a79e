"""Processes that torchrun or SLURM starts: how many there are, and that they train one network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from aptv2.errors import InputError
from aptv2.training.launch import Launch, launch, refuse_launchers
from aptv2.training.report import read_curves
from aptv2.weights import read_weights

TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
BATCH_SCRIPT = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}
SLURM = {**BATCH_SCRIPT, "SLURM_STEP_NUM_TASKS": "8"}
# Nothing hangs on which pictures share a device: batch norms rest.
RECIPE = {
    "model": {"name": "vitpose_s", "drop_path": 0, "frozen_norms": True},
    "init": "random",
    "precision": "32-true",
    "workers": 0,
    "data": {"pose_train": "train.json", "pose_val": "val.json"},
    "stages": [
        {
            "name": "pose",
            "epochs": 2,
            "warmup": 0,
            "gradient_clip_norm": None,
            "ema_decay": None,
            "tasks": {"pose": {"batch": 6, "size": 64}},
        }
    ],
}


class TestCount:
    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (*TORCHRUN, *SLURM):
            monkeypatch.delenv(name, raising=False)

    def test_nobody_started_it(self) -> None:
        assert launch() == Launch(1, 1)
        assert launch(3, 2) == Launch(3, 2)

    @pytest.mark.parametrize("environment", [TORCHRUN, SLURM], ids=["torchrun", "SLURM"])
    def test_what_was_started(
        self, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert launch() == launch(4) == launch(nodes=2) == launch(4, 2) == Launch(4, 2)
        with pytest.raises(InputError, match="started 4 processes on each of 2 machines, not 3 on"):
            launch(devices=3)
        with pytest.raises(InputError, match="not 4 on each of 1; leave --devices and --nodes out"):
            launch(nodes=1)

    def test_a_slurm_job_without_srun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in BATCH_SCRIPT.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(InputError, match="put srun before the command"):
            launch()
        monkeypatch.setenv("SLURM_NTASKS", "1")
        monkeypatch.setenv("SLURM_NNODES", "1")
        assert launch() == Launch(1, 1)

    def test_a_slurm_job_in_which_commands_are_typed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**SLURM, "SLURM_JOB_NAME": "bash"}.items():
            monkeypatch.setenv(name, value)
        assert launch(2) == Launch(2, 1)


class TestRefusedLaunchers:
    @pytest.mark.parametrize(
        ("launcher", "environment"),
        [("torchrun", TORCHRUN), ("srun", SLURM)],
    )
    def test_a_command_that_starts_its_own_processes(
        self, launcher: str, environment: dict[str, str]
    ) -> None:
        command = [sys.executable, "-m", "aptv2", "test", "lite", "--data", "nowhere"]
        done = subprocess.run(
            command, env=alone() | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        said = " ".join(done.stderr.split())
        assert f"{launcher} started 8 processes, but aptv2 test starts its own: " in said
        assert said.endswith(f"run it once, without {launcher}, with --devices 8")

    @pytest.mark.parametrize(
        "environment",
        [
            {},
            BATCH_SCRIPT,
            {"SLURM_STEP_NUM_TASKS": "1"},
            {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "1"},
        ],
        ids=["by hand", "a batch script", "one task", "one process"],
    )
    def test_one_process_is_none_of_several(
        self, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in (*TORCHRUN, *SLURM):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        refuse_launchers("test")


def alone() -> dict[str, str]:
    """The environment of a process that nobody started beside others."""
    of_launchers = {*TORCHRUN, *SLURM}
    return {name: value for name, value in os.environ.items() if name not in of_launchers}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def of_slurm(rank: int, port: int) -> dict[str, str]:
    """What srun tells the second of two processes, beside where they meet."""
    return {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODELIST": "localhost",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


@pytest.mark.slow
def test_one_two_by_torchrun_and_two_by_slurm_train_the_same(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    plain = {**alone(), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}

    def start(name: str, launcher: list[str], more: dict[str, str]) -> subprocess.Popen[str]:
        arguments = ["train", str(recipe), "--data", str(data), "-o", str(tmp_path / name)]
        command = [sys.executable, *launcher, "-m", "aptv2", *arguments]
        return subprocess.Popen(command, env=plain | more, stderr=subprocess.PIPE, text=True)

    def end(*processes: subprocess.Popen[str]) -> None:
        for process in processes:
            _, said = process.communicate(timeout=500)
            assert process.returncode == 0, said

    end(start("one", [], {}))
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_addr=127.0.0.1"]
    end(start("torchrun", [*launcher, f"--master_port={free_port()}"], {}))
    port = free_port()
    end(*(start("slurm", [], of_slurm(rank, port)) for rank in range(2)))
    files = [tmp_path / name / "vitpose_s.safetensors" for name in ("one", "torchrun", "slurm")]
    one, torchrun, slurm = (
        torch.cat(
            [tensor.flatten().double() for _, tensor in sorted(read_weights(file)[0].items())]
        )
        for file in files
    )
    assert torch.equal(torchrun, slurm)
    # A sixtieth of what a step moves a weight of the backbone by; found are 5e-7.
    torch.testing.assert_close(torchrun, one, rtol=0, atol=1e-5)
    for name in ("torchrun", "slurm"):
        run = json.loads((tmp_path / name / "run.json").read_text())
        assert (run["devices"], run["nodes"]) == (2, 1)
        assert (tmp_path / name / "report" / "index.html").is_file()
        curves = [read_curves(tmp_path / each / "0-pose")["loss/pose"] for each in ("one", name)]
        np.testing.assert_allclose(*curves, rtol=1e-4)

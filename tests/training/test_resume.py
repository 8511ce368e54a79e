"""A run that is killed and resumed gives what it would have given in one go, bit for bit."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from aptv2.errors import InputError
from aptv2.training import Recipe
from aptv2.training.checkpoints import AtomicCheckpoints, read_position
from aptv2.training.runs import locked
from aptv2.training.trainer import train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

# A ViT at a tiny size: drop path and augmentation are both random.
CONTENT: dict[str, Any] = {
    "model": {"name": "vitpose_s", "drop_path": 0.3},
    "init": "random",
    "precision": "32-true",
    "workers": 0,
    "save_minutes": 0,
    "data": {"pose_train": "train.json", "pose_val": "val.json"},
    "stages": [
        {
            "name": "pose",
            "epochs": 3,
            "warmup": 2,
            "gradient_clip_norm": 1.0,
            "ema_decay": 0.9,
            "validate_every": 2,
            "tasks": {"pose": {"batch": 4, "per_device": 2, "size": [64, 32]}},
        }
    ],
}
RECIPE = Recipe.model_validate(CONTENT)

# Trains, and kills itself with SIGKILL when a given sample is asked for.
SCRIPT = """
import json, os, signal, sys
from pathlib import Path
import torch
from aptv2.training import Recipe
from aptv2.training.trainer import train
from aptv2.training.data.pose import PoseCrops

torch.set_num_threads(1)
recipe, data, output, kill_at = json.loads(sys.argv[1])
whole, asked = PoseCrops.__getitem__, 0

def sample(samples, key):
    global asked
    asked += 1
    if asked == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(samples, key)

PoseCrops.__getitem__ = sample
train(Recipe.model_validate(recipe), Path(data), Path(output), resume=Path(output).exists())
"""


def start(data: Path, output: Path, kill_at: int, **changes: Any) -> subprocess.Popen[str]:
    arguments = json.dumps([CONTENT | changes, str(data), str(output), kill_at])
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint's network, averaged network and what the optimizer remembers."""
    content = torch.load(run / "0-pose" / "last.ckpt", weights_only=True)
    memory = content["optimizer_states"][0]["state"]
    remembered = {f"{k}.{name}": v for k, values in memory.items() for name, v in values.items()}
    return {**content["state_dict"], **remembered}


def assert_same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    different = [name for name, tensor in first.items() if not torch.equal(tensor, second[name])]
    assert not different


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "run"
    train(RECIPE, data, output)
    return output


@pytest.mark.slow
def test_killed_at_five_places(uninterrupted: Path, data: Path, tmp_path: Path) -> None:
    """One run, killed five times, each time a few samples further."""
    run = tmp_path / "run"
    for kill_at in (3, 8, 5, 11, 7):
        process = start(data, run, kill_at)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL
    process = start(data, run, 0)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    assert_same_bits(weights(uninterrupted), weights(run))
    assert (run / "vitpose_s.safetensors").read_bytes() == (
        uninterrupted / "vitpose_s.safetensors"
    ).read_bytes()


def test_killed_once(uninterrupted: Path, data: Path, tmp_path: Path) -> None:
    """In the middle of the second epoch; the loader runs in a process of its own."""
    run = tmp_path / "run"
    process = start(data, run, 19)
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    train(RECIPE.model_copy(update={"workers": 1}), data, run, resume=True)
    assert_same_bits(weights(uninterrupted), weights(run))


# The command line, which is asked to stop when a given sample is asked for.
TERMINATED = """
import os, signal, sys
import torch
from aptv2.cli.main import app
from aptv2.training.data.pose import PoseCrops

torch.set_num_threads(1)
whole, asked = PoseCrops.__getitem__, 0

def sample(samples, key):
    global asked
    asked += 1
    if asked == int(sys.argv[1]):
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    return whole(samples, key)

PoseCrops.__getitem__ = sample
app(["train", *sys.argv[3:]])
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_asked_to_stop(
    uninterrupted: Path, data: Path, tmp_path: Path, name: str, code: int
) -> None:
    """The step is finished and saved, however long ago the last checkpoint was."""
    recipe, run = tmp_path / "tiny.yaml", tmp_path / "run"
    recipe.write_text(json.dumps(CONTENT | {"save_minutes": 60}))
    arguments = [str(recipe), "--data", str(data), "-o", str(run)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TERMINATED, "18", name, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr
    said = done.stderr.splitlines()[-1]
    last = run / "0-pose" / "last.ckpt"
    assert said == f"Stopped by {name}: {last} holds all steps so far; --resume continues."
    # Samples 1 to 12 are the first epoch's; 18 is in the second step of the next.
    assert read_position(last) == (1, 2)
    train(RECIPE.model_copy(update={"save_minutes": 60}), data, run, resume=True)
    assert_same_bits(weights(uninterrupted), weights(run))


def test_other_parts_of_a_batch(data: Path, tmp_path: Path) -> None:
    """As after moving to more devices: what is done is not done again, nor left out.

    With tiny rates the network stays as it is, so that the optimizer's mean gradient says which
    batches it has seen.
    """
    tasks = {"pose": {"batch": 4, "per_device": 1, "size": [64, 32]}}
    rates = {"backbone_lr": 1e-7, "head_lr": 1e-7, "gradient_clip_norm": None}
    stage = {**CONTENT["stages"][0], **rates, "tasks": tasks, "epochs": 2}
    network = {"name": "vitpose_s", "drop_path": 0.0, "frozen_norms": True}
    changes = {"stages": [stage], "model": network}
    run = tmp_path / "run"
    start(data, run, 20, **changes).communicate(timeout=300)  # in the second of three steps
    tasks["pose"]["per_device"] = 4
    recipe = Recipe.model_validate(CONTENT | changes)
    for output in (run, tmp_path / "whole"):
        train(recipe, data, output, resume=True)
    found, wanted = (weights(output) for output in (run, tmp_path / "whole"))
    assert found["0.step"] == wanted["0.step"] == 6
    means = [name for name in found if name.endswith("exp_avg")]
    assert means
    for name in means:
        assert (found[name] - wanted[name]).norm() <= 1e-3 * wanted[name].norm(), name


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"number": torch.ones(3)}, path)
    before = path.read_bytes()

    def full(file: Path, content: bytes) -> int:
        with file.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"last\.ckpt cannot be written: No space left"):
        AtomicCheckpoints().save_checkpoint({"number": torch.zeros(3)}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_in_use_is_refused_until_its_process_dies(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from aptv2.training.runs import locked\n"
        "with locked(Path(sys.argv[1]), False): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with (
        pytest.raises(InputError, match=f"process {process.pid} on .*, is training into it"),
        locked(tmp_path / "run", True),
    ):
        pass
    process.kill()
    process.wait()
    time.sleep(0.05)
    with locked(tmp_path / "run", True):
        pass


def test_a_refused_run_leaves_nothing(data: Path, tmp_path: Path) -> None:
    content = RECIPE.model_dump()
    for task in content["stages"][0]["tasks"].values():
        task["batch"] = 500
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new"):
        with pytest.raises(InputError, match="500 is more than the"):
            train(Recipe.model_validate(content), data, tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_another_recipe_is_refused(uninterrupted: Path, data: Path) -> None:
    other = RECIPE.model_copy(update={"seed": 5})
    with pytest.raises(InputError, match=r"started with seed 1, not 5"):
        train(other, data, uninterrupted, resume=True)


def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "run" / "0-pose" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match=r"last\.ckpt: is damaged.*delete it"):
        train(RECIPE, data, tmp_path / "run", resume=True)

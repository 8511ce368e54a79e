"""Samples a second of a training step, against a plain loop of the same network.

    python perf/train_speed.py

Ours is what `aptv2 train` runs for a batch: crops from the data set with the recipe's augmentation,
the step of Lightning's trainer with the recipe's optimizer, channels-last, and the recipe's number
type (bfloat16 on a processor that computes with it). The plain loop is what one writes first: the
same network in float32, contiguous, the same samples from a default DataLoader, the same loss,
torch's AdamW. Both take turns in one process; ratios are of the same turn: median, least and most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning
import numpy as np
import torch
from common import machine, markdown, parser
from torch.utils.data import DataLoader

from aptv2.models import registry
from aptv2.models.devices import best_device, fast_dtype
from aptv2.models.network import Objective
from aptv2.training import Recipe, read_recipe
from aptv2.training.data.loaders import ALONE, stage_data
from aptv2.training.data.pose import PoseCrops
from aptv2.training.data.sources import Sources
from aptv2.training.module import StageTraining
from aptv2.training.networks import build_network, codec_of

RECIPES = Path(__file__).parents[1] / "aptv2" / "recipes"


class Epochs(torch.utils.data.Dataset):
    """The samples of the first epoch, by number."""

    def __init__(self, samples: PoseCrops) -> None:
        self.samples = samples

    def __getitem__(self, index: int) -> dict:
        return self.samples[0, index]

    def __len__(self) -> int:
        return len(self.samples)


def plain_steps(recipe: Recipe, sources: Sources) -> Iterator[None]:
    """A step a turn of the plain loop."""
    stage = recipe.stages[0]
    task = stage.tasks["pose"]
    network = registry.build(recipe.model.name, input_size=task.size).to(best_device())
    samples = sources.samples("pose", task, stage.augmentation)
    assert isinstance(samples, PoseCrops)
    optimizer = torch.optim.AdamW(network.parameters(), lr=stage.head_lr)
    while True:
        for batch in DataLoader(Epochs(samples), batch_size=task.batch, shuffle=True):
            batch = {name: value.to(best_device()) for name, value in batch.items()}
            loss = network.loss("pose", batch, Objective(codec_of(recipe)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield


class _Turns(lightning.Callback):
    """Hands the processor over after every step."""

    def __init__(self, turn: Callable[[], None]) -> None:
        self.turn = turn

    def on_train_batch_end(self, *_: object) -> None:
        self.turn()


def measure(recipe: Recipe, sources: Sources, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (rounds,) of our steps and of the plain ones, taken in turns."""
    data = stage_data(recipe, 0, sources, ALONE)
    module = StageTraining(
        build_network(recipe, sources.poses[0].skeleton), recipe, recipe.stages[0],
        data.epoch_steps, data.accumulate,
    )  # fmt: skip
    plain = plain_steps(recipe, sources)
    ours, theirs, clock = [], [], [time.perf_counter()]

    def turn() -> None:
        ours.append(time.perf_counter() - clock[0])
        start = time.perf_counter()
        next(plain)
        theirs.append(time.perf_counter() - start)
        clock[0] = time.perf_counter()

    trainer = lightning.Trainer(
        max_steps=rounds + 2, max_epochs=-1, precision=recipe.precision, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, gradient_clip_val=recipe.stages[0].gradient_clip_norm,
        callbacks=[_Turns(turn)],
    )  # fmt: skip
    trainer.fit(module, data.loaders)
    return np.array(ours[2:]), np.array(theirs[2:])  # the first two fill caches


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--networks", default="res50,hrnet_w32,vitpose_b")
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=7)
    options = arguments.parse_args()
    fast = fast_dtype(best_device()) == torch.bfloat16
    rows = []
    for name in options.networks.split(","):
        changes = (
            # The images of val are enough, and every network holds its own in memory.
            "init=random", "data.pose_train=val", "workers=1",
            f"stages.0.tasks.pose.batch={options.batch}",
            f"precision={'bf16-mixed' if fast else '32-true'}",
        )  # fmt: skip
        recipe = read_recipe(RECIPES / f"{name}.yaml", changes)
        sources = Sources(recipe, options.data / "animal_pose")
        ours, theirs = measure(recipe, sources, options.rounds)
        ratio = theirs / ours
        rows.append(
            [
                name,
                f"{options.batch / np.median(ours):.2f}",
                f"{options.batch / np.median(theirs):.2f}",
                f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
            ]
        )
    print(markdown(["", "ours, samples/s", "plain loop, samples/s", "ratio"], rows))
    print(f"\nBatches of {options.batch}, {options.rounds} turns each. {machine()}")


if __name__ == "__main__":
    main()

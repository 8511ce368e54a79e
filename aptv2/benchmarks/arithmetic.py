"""The numbers of a cell's training before it runs: samples, batch, steps, warm-up, peak rate.

Nothing is trained or read here. A cell that could not fill a batch or never left its warm-up is
found in a second, at the full size of the data, also where a miniature is all that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aptv2.benchmarks.cells import Plan, Training
from aptv2.benchmarks.few import for_few_animals
from aptv2.benchmarks.options import RECIPES
from aptv2.benchmarks.tracks import tracking
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.benchmarks.weights import network_recipe
from aptv2.datasets.check.published import SPLITS, TRAIN, WITHOUT_KEYPOINTS
from aptv2.errors import InputError
from aptv2.species import FAMILIES
from aptv2.training.optimizers import lr_factor
from aptv2.training.recipes import Recipe

# Of APTv2's training animals no easy and hard counts are published: their share in val and test.
_EASY = (SPLITS["val_easy"] + SPLITS["test_easy"]) / (SPLITS["val"] + SPLITS["test"])
_USABLE = 1 - WITHOUT_KEYPOINTS["train"] / SPLITS["train"]
_AP10K = round(0.7 * 13_028)  # AP-10K's animals, 7:1:2


@dataclass(frozen=True)
class Arithmetic:
    """The numbers of one training.

    Parameters
    ----------
    samples
        Animals, or a tracker's pairs, of an epoch.
    batch
        Samples of an optimizer step.
    epochs, steps
        Length of the training; optimizer steps in all.
    warmup
        Of these, the steps in which the rate rises.
    peak
        Largest share of the recipe's learning rate that a step gets, 0 to 1.
    """

    samples: int
    batch: int
    epochs: int
    steps: int
    warmup: int
    peak: float

    def check(self, name: str) -> None:
        """Refuse a training that would fail or learn at a fraction of its rate.

        Raises
        ------
        InputError
            If a batch is larger than the data or the training ends within its warm-up.
        """
        if self.batch > self.samples:
            raise InputError(
                f"{name}: a batch of {self.batch} is more than its {self.samples} samples; lower "
                "stages.0.tasks.pose.batch in its recipe."
            )
        if self.peak < 1:
            raise InputError(
                f"{name}: its {self.steps} steps end within a warm-up of {self.warmup}; lower "
                "stages.0.warmup in its recipe or train for longer."
            )


def arithmetic(recipe: Recipe, samples: int) -> Arithmetic:
    """The numbers of a recipe's first stage.

    Parameters
    ----------
    recipe
        What trains.
    samples
        Animals that it learns poses from; a tracker's recipe says itself how many pairs it draws.
    """
    stage = recipe.stages[0]
    sizes = {
        name: (samples if name == "pose" else task.samples or samples, task.batch)
        for name, task in stage.tasks.items()
    }
    count, batch = min(sizes.values(), key=lambda size: size[0] // size[1])
    epoch_steps = count // batch
    steps = stage.epochs * epoch_steps
    # After the warm-up the rate only falls.
    peak = max(
        (lr_factor(stage, step, epoch_steps) for step in range(min(steps, stage.warmup + 1))),
        default=0.0,
    )
    return Arithmetic(count, batch, stage.epochs, steps, stage.warmup, peak)


def published_samples(training: Training) -> int:
    """Animals with keypoints that a training sees in the whole data, by the published counts.

    The part of easy clips is estimated from val and test, and a left-out family by its own
    animals; those beside them in its clips are not counted.
    """
    if training.data == "ap10k":
        return _AP10K
    left_out = FAMILIES[training.leave_out] if training.leave_out else ()
    kept = {name: count * _USABLE for name, count in TRAIN.items() if name not in left_out}
    if training.subset == "easy":
        kept = {name: count * _EASY for name, count in kept.items()}
    if training.few is not None:
        return sum(min(training.few, int(count)) for count in kept.values())
    return round(sum(kept.values()))


def check_track(track: str, plan: Plan, recipes: Path = RECIPES) -> dict[Training, Arithmetic]:
    """The numbers of every training that a track's cells need, at the full size of the data.

    Parameters
    ----------
    track
        Its name.
    plan
        What the cells depend on.
    recipes
        Folder of the networks' recipes.

    Returns
    -------
    dict
        The trainings and their numbers: those of the cells, then those of the trackers.

    Raises
    ------
    InputError
        If a training could not fill a batch or would end within its warm-up.
    """
    cells = TRACKS[track].cells(plan)
    needed = [cell.training for cell in cells]
    needed += [tracking.training(cell.tracker) for cell in cells if cell.tracker]
    found = {}
    for training in dict.fromkeys(needed):
        samples = published_samples(training)
        recipe = network_recipe(training, recipes)
        if training.few is not None:
            recipe = for_few_animals(recipe, samples)
        found[training] = arithmetic(recipe, samples)
        found[training].check(training.name)
    return found

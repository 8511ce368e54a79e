"""Batch, steps, warm-up and peak learning rate of every cell's training, at full size."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from aptv2.benchmarks.arithmetic import arithmetic, check_track, published_samples
from aptv2.benchmarks.cells import Plan, Training
from aptv2.benchmarks.few import BATCH, STEPS, WARMUP, for_few_animals
from aptv2.benchmarks.options import RECIPES
from aptv2.benchmarks.tracks import tracking
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.benchmarks.weights import network_recipe
from aptv2.cli.main import app
from aptv2.errors import InputError
from aptv2.training.optimizers import lr_factor


def test_all_115_cells() -> None:
    """Each fills its batch, leaves its warm-up and trains most of its steps at the full rate."""
    cells = [(track, cell) for track, each in TRACKS.items() for cell in each.cells(Plan())]
    assert len(cells) == 115
    numbers = {track: check_track(track, Plan()) for track in TRACKS}
    for track, cell in cells:
        needed = [cell.training, *([tracking.training(cell.tracker)] if cell.tracker else [])]
        for training in needed:
            found = numbers[track][training]
            assert found.batch <= found.samples
            assert found.steps == found.epochs * (found.samples // found.batch) > found.warmup
            assert found.peak == 1
            assert found.warmup <= found.steps / 10


def test_samples_of_the_whole_data() -> None:
    """58,029 animals of the training split, less the 4,725 without keypoints."""
    assert published_samples(Training("name", "res50", "in1k")) == 53_304
    easy = Training("name", "hrnet_w32", "in1k", subset="easy")
    assert published_samples(easy) == pytest.approx(53_304 * 8_180 / 26_582, abs=1)
    without = Training("name", "hrnet_w32", "in1k", leave_out="Hominidae")
    # Orangutan 2,167, gorilla 1,803 and chimpanzee 1,703.
    assert published_samples(without) == pytest.approx(53_304 * (1 - 5_673 / 58_029), abs=1)
    few = Training("name", "hrnet_w32", "ap10k", few=40)
    assert published_samples(few) == 1_200


@pytest.mark.parametrize("shots", [5, 10, 20, 40, 80])
@pytest.mark.parametrize("network", ["hrnet_w32", "vitpose_b", "vitpose_l"])
def test_few_animals_train_for_as_many_steps(shots: int, network: str) -> None:
    """The rate rises for a tenth of the training and falls at the recipe's shares of its length."""
    training = Training("name", network, "ap10k", few=shots)
    recipe = for_few_animals(network_recipe(training, RECIPES), 30 * shots)
    found = arithmetic(recipe, 30 * shots)
    assert found.batch == BATCH == 32
    assert STEPS <= found.steps <= 1.02 * STEPS
    assert found.warmup == WARMUP == STEPS / 10
    (stage,) = recipe.stages
    assert stage.epochs / stage.validate_every <= 20
    epoch_steps = 30 * shots // BATCH
    at = [lr_factor(stage, round(share * found.steps), epoch_steps) for share in (0.5, 0.88, 0.99)]
    assert at == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize("animals", [1, 7, 31])
def test_fewer_animals_than_a_batch(animals: int) -> None:
    training = Training("name", "hrnet_w32", "ap10k", few=1)
    found = arithmetic(for_few_animals(network_recipe(training, RECIPES), animals), animals)
    assert (found.batch, found.steps, found.peak) == (animals, STEPS, 1)


def test_a_schedule_that_could_not_learn_is_refused() -> None:
    """As the whole data's schedule is for five animals a species."""
    whole = network_recipe(Training("name", "hrnet_w32", "ap10k", few=5), RECIPES)
    with pytest.raises(InputError, match="five: a batch of 256 is more than its 150 samples"):
        arithmetic(whole, 150).check("five")
    stage = whole.stages[0]
    task = stage.tasks["pose"].model_copy(update={"batch": 128})
    stage = stage.model_copy(update={"tasks": {"pose": task}})
    found = arithmetic(whole.model_copy(update={"stages": [stage]}), 150)
    assert (found.steps, found.warmup) == (210, 500)
    assert found.peak == pytest.approx(0.001 + 0.999 * 209 / 500)
    with pytest.raises(InputError, match="five: its 210 steps end within a warm-up of 500"):
        found.check("five")


def test_the_command_shows_them() -> None:
    result = CliRunner().invoke(app, ["bench", "low-data", "--check", "--shots", "5"])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 9
    assert result.stdout.splitlines()[0] == (
        "aptv2-low-hrnet_w32-k5-seed0: HRNet-w32, 150 samples, batch 32, 1250 epochs, 5000 steps, "
        "warm-up 500, peak 100% of the rate"
    )

"""Running a recipe: its stages one after the other, on any number of devices, and resumed."""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities import CombinedLoader, rank_zero_only

from aptv2.errors import InputError, Stopped
from aptv2.evaluation import score_keypoints
from aptv2.files import atomic_write, write_json
from aptv2.inference.interrupt import postponed_interrupt
from aptv2.models import registry
from aptv2.models.network import Network
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.predict import predict_poses
from aptv2.training.checkpoints import (
    AtomicCheckpoints,
    SaveLast,
    StoppedTraining,
    read_position,
)
from aptv2.training.data.loaders import Place, StageData, stage_data
from aptv2.training.data.sources import Sources
from aptv2.training.module import BrokenLossError, StageTraining
from aptv2.training.networks import build_network, pose_size
from aptv2.training.progress import StageProgress
from aptv2.training.recipes import Recipe, Stage
from aptv2.training.report import write_report
from aptv2.training.runs import BEST, Run, check_same_data, describe, locked, start_or_resume
from aptv2.training.validation import Validation
from aptv2.weights import write_weights

_EXPECTED = (
    r"Found \d+ module\(s\) in eval mode",  # frozen norms, and the average of the weights
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own
)
"""Beginnings of warnings that training gives and that say nothing to its user."""


def train(
    recipe: Recipe,
    data: Path,
    output: Path,
    resume: bool = False,
    *,
    devices: int = 1,
    nodes: int = 1,
    repeats: Run | None = None,
    progress: bool = False,
) -> Path:
    """Run every stage of a recipe.

    Each stage starts from the weights of the one before, averaged ones where the stage averages,
    and keeps `last.ckpt` in its folder. A run that was stopped at any moment, also killed, and is
    resumed gives the weights that it would have given in one go.

    Parameters
    ----------
    recipe
        What to train.
    data
        Folder that the recipe's data paths are relative to.
    output
        Run folder: `run.json` says what the run was made of, `report/` how it went.
    resume
        Resume the run in `output`.
    devices, nodes
        GPUs of each machine, or processes where there is none; and machines. A step's batch stays
        the recipe's.
    repeats
        A run whose data must be the same.
    progress
        Show a progress bar.

    Returns
    -------
    Path
        The trained weights, `output/NAME.safetensors`.

    Raises
    ------
    InputError
        Where data is missing, does not fit, or makes the loss undefined; or `output` is in use, or
        holds a run and `resume` is off, or holds one of another recipe.
    Stopped
        Where Ctrl-C or a signal to end came: the current step was finished and saved.
    """
    place = Place(getattr(rank_zero_only, "rank", 0), devices * nodes)
    # The other processes of a run leave the folder to the first.
    guard = locked(output, resume) if place.rank == 0 else contextlib.nullcontext()
    with guard:
        sources = Sources(recipe, data)
        skeleton = sources.skeleton
        network = build_network(recipe, skeleton)
        folders = [output / f"{number}-{stage.name}" for number, stage in enumerate(recipe.stages)]
        unfinished = [
            number for number, folder in enumerate(folders) if not _finished(folder).exists()
        ]
        # Every stage's data is opened now: what is missing is reported before hours of training.
        prints = sources.fingerprints()
        stages = {number: stage_data(recipe, number, sources, place) for number in unfinished}
        run = describe(recipe, data, prints, devices, nodes)
        if repeats is not None:
            check_same_data(repeats, run)
        if place.rank == 0:
            start_or_resume(output, run, resume)
        for number, folder in enumerate(folders):
            if number in stages:
                job = _Job(run, recipe.stages[number], stages[number], folder, place, progress)
                job.run(network, sources)
            network.load_state_dict(torch.load(_finished(folder), weights_only=True))
        final = output / f"{recipe.model.name}.safetensors"
        if place.rank == 0:
            metadata = {
                "network": recipe.model.name,
                "skeleton": asdict(skeleton),
                "recipe": recipe.model_dump(mode="json"),
            }
            exact = not registry.spec(recipe.model.name).compact
            write_weights(final, network.state_dict(), metadata, exact)
            if stages or not (output / "report" / "index.html").exists():
                truth = sources.truth if pose_size(recipe) else None
                write_report(output, recipe, network, truth)
    return final


def _finished(folder: Path) -> Path:
    """What a stage writes last."""
    return folder / "network.pt"


@dataclass(frozen=True)
class _Job:
    """One stage of a run on one device."""

    of: Run
    stage: Stage
    data: StageData
    folder: Path
    place: Place
    progress: bool

    def run(self, network: Network, sources: Sources) -> None:
        """Train the stage, and write its scores and its network."""
        module = StageTraining(
            network, self.of.recipe, self.stage, self.data.epoch_steps, self.data.accumulate
        )
        last = self.folder / "last.ckpt"
        if last.exists():
            self.data.start_at(*read_position(last))
        with postponed_interrupt() as stopped:
            trainer = self._trainer(sources, stopped)
            try:
                self._fit(trainer, module, last)
            except StoppedTraining:
                name = signal.Signals(stopped() or signal.SIGTERM).name
                raise Stopped(
                    stopped() or signal.SIGTERM,
                    f"Stopped by {name}: {last} holds all steps so far; --resume continues.",
                ) from None
        network.load_state_dict(module.result.state_dict())
        network.to("cpu")
        if self.place.rank == 0:
            self._write_scores(network, sources)
            with atomic_write(_finished(self.folder)) as temporary:
                torch.save(network.state_dict(), temporary)
        trainer.strategy.barrier()

    def _fit(self, trainer: lightning.Trainer, module: StageTraining, last: Path) -> None:
        try:
            with warnings.catch_warnings():
                for text in _EXPECTED:
                    warnings.filterwarnings("ignore", text)
                trainer.fit(
                    module,
                    CombinedLoader(self.data.loaders, "min_size"),
                    ckpt_path=last if last.exists() else None,
                    weights_only=True,
                )
        except BrokenLossError as error:
            names = self.data.names(error.task, error.samples)
            kept = f"{last} is good" if last.exists() else "there is no checkpoint yet"
            raise InputError(
                f"{error} in a batch of {', '.join(names)}; look at these images or lower the "
                f"learning rate; {kept}"
            ) from None
        except torch.OutOfMemoryError:
            raise InputError(self._too_large()) from None

    def _trainer(self, sources: Sources, stopped: Callable[[], int]) -> lightning.Trainer:
        recipe, stage = self.of.recipe, self.stage
        last = SaveLast(self.folder / "last.ckpt", recipe.save_minutes, stopped)
        callbacks: list[Callback] = [last]
        if stage.validate_every and "pose" in stage.tasks:
            best = self.folder / BEST
            size = stage.tasks["pose"].size
            callbacks.append(
                Validation(sources.truth, size, stage.validate_every, best, self.place)
            )
        if self.progress:
            steps = stage.epochs * self.data.epoch_steps
            callbacks.append(StageProgress(stage.name, steps))
        loggers: list[Logger] = [CSVLogger(self.folder, name="log")]
        if find_spec("tensorboard") or find_spec("tensorboardX"):
            loggers.append(TensorBoardLogger(self.folder, name="tensorboard"))
        return lightning.Trainer(
            max_epochs=stage.epochs,
            precision=recipe.precision,
            accelerator="auto",
            devices=self.of.devices,
            num_nodes=self.of.nodes,
            strategy="ddp" if self.place.devices > 1 else "auto",
            sync_batchnorm=recipe.model.sync_norms and torch.cuda.is_available(),
            use_distributed_sampler=False,
            accumulate_grad_batches=self.data.accumulate,
            gradient_clip_val=stage.gradient_clip_norm,
            logger=loggers,
            callbacks=callbacks,
            plugins=[AtomicCheckpoints()],
            enable_checkpointing=True,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=min(20, self.data.epoch_steps),
        )

    def _write_scores(self, network: Network, sources: Sources) -> None:
        """Write the validation scores of pose, with and without flip test."""
        if "pose" not in self.stage.tasks:
            return
        truth = sources.truth
        model = network.pose_model(self.stage.tasks["pose"].size).eval()
        boxes = annotated_boxes(truth)
        scores: dict[str, Any] = {
            name: score_keypoints(truth, predict_poses(model, boxes, flip))
            for name, flip in (("flip", True), ("single", False))
        }
        network.train()
        write_json(self.folder / "scores.json", scores)

    def _too_large(self) -> str:
        number = self.folder.name.split("-")[0]
        fitting = [
            f"stages.{number}.tasks.{task}.per_device={max(1, (loader.batch_size or 2) // 2)}"
            for task, loader in self.data.loaders.items()
        ]
        return (
            "the GPU's memory does not hold a batch; go on with --resume and "
            f"{' '.join(fitting)}, which trains the same in more parts"
        )

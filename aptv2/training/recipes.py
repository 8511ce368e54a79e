"""Recipes: YAML files that say what a run trains, with what. Read strictly."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from aptv2.datasets.records import read_bytes
from aptv2.datasets.splits import Subset
from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.recipes import find_recipe
from aptv2.yaml_files import MOST_BYTES, parse_yaml

Positive = Annotated[float, Field(gt=0)]
Whole = Annotated[int, Field(gt=0, lt=2**31)]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(gt=0, multiple_of=32)]
TaskName = registry.Task


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Strict):
    """How pose crops are varied. Lengths are shares of the crop, angles degrees."""

    flip: Share = 0.5
    rotation: Annotated[float, Field(ge=0, le=180)] = 40  # largest angle, normal with half of it
    rotation_chance: Share = 0.6
    scale: Annotated[float, Field(ge=1, le=4)] = 1.5  # largest factor
    scale_law: Literal["log-uniform", "normal"] = "log-uniform"  # see scale_limits
    shift: Share = 0.1
    shift_chance: Share = 1.0
    half_body: Share = 0.3
    half_body_upper: Share | None = None  # chance of the upper half; default: even chances
    colour: Share = 0.4  # strength of brightness, contrast, saturation and hue changes
    blur: Share = 0.1
    erase: Share = 0.4
    # Tracking pairs are varied in colour and blur alone, beside OSTrack's jitter of the search.
    distractors: Share = 0.7  # chance that another animal is pasted into the search picture


class Network(_Strict):
    """The network. What is None is as the network's authors have it."""

    name: str
    drop_path: Share | None = None  # chance to skip a transformer's last block; 0 at its first
    sigma: Positive | None = None  # of the target Gaussians, in heatmap pixels
    frozen_norms: bool = False  # batch norms keep their statistics: for very small batches
    sync_norms: bool = False  # batch norms count the batches of all GPUs

    @model_validator(mode="after")
    def _is_known(self) -> Network:
        if self.name not in registry.names():
            known = ", ".join(f"'{name}'" for name in registry.names())
            raise ValueError(f"model.name: must be one of {known}, not '{self.name}'")
        codec = registry.spec(self.name).codec
        if self.sigma is not None and (codec is None or codec.kind != "gaussian"):
            raise ValueError(f"model.sigma: {self.name} has targets of its own; leave it out")
        return self


class Task(_Strict):
    """One head's part in a stage: its data, batch and weight in the loss."""

    batch: Whole = 32  # of one step, over all devices
    per_device: Whole | None = None  # the most a device takes at once; the rest waits its turn
    # Height and width in pixels; one number for a square.
    size: Annotated[
        tuple[Side, Side], BeforeValidator(lambda v: (v, v) if isinstance(v, int) else v)
    ] = (256, 256)
    weight: Positive = 1.0
    # Of the poses that a ViTPoseTrack reads from search pictures; default: that of the pose task.
    fused_weight: Positive | None = None
    samples: Whole | None = None  # tracking pairs of an epoch


class Stage(_Strict):
    """A stretch of training with one input size and one learning-rate schedule."""

    name: str
    epochs: Whole  # of the task with the fewest batches
    tasks: Annotated[dict[TaskName, Task], Field(min_length=1)]
    optimizer: Literal["adamw", "adam"] = "adamw"
    backbone_lr: Annotated[float, Field(ge=0)] = 6e-4  # 0 keeps the backbone of lite as it is
    head_lr: Positive = 2e-3
    # lite: blocks of the backbone, from the first, that rest with its stem; 0: none does
    resting: Annotated[int, Field(ge=0, le=7)] = 0
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None  # ViT: rate of block n by n + 1
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    vector_decay: bool = False  # whether norms and biases decay too
    schedule: Literal["cosine", "steps"] = "cosine"
    warmup: Annotated[int, Field(ge=0)] = 200  # optimizer steps
    warmup_from: Share | None = None  # share of the rate at the first step; default: 1 / warmup
    steps: tuple[Whole, ...] = ()  # "steps": after these epochs the rate falls to a tenth
    final_lr_fraction: Share = 0.01  # "cosine" ends at this share of the rate
    gradient_clip_norm: Positive | None = 5.0  # None: gradients are not clipped
    ema_decay: Share | None = 0.998  # of the weights' moving average, per step; None for none
    validate_every: Annotated[int, Field(ge=0)] = 0  # epochs; 0: only when the stage ends
    augmentation: Augmentation = Augmentation()


class MorePoses(_Strict):
    """Poses that lite learns from beside `pose_train`."""

    path: str  # annotations, relative to `--data`
    share: Annotated[float, Field(gt=0, lt=1)]  # of the crops
    partial: bool = False  # whether a keypoint without a label may well be in sight


class Scenes(_Strict):
    """Pictures that lite's detection learns from."""

    path: str  # annotations, or with `background` a folder of images; relative to `--data`
    share: Positive  # of the pictures
    complete: bool = True  # every animal has a box; else sure detections elsewhere go unpunished
    background: bool = False  # images without any animal
    held_out: Annotated[int, Field(ge=2)] | None = None  # of so many background images, the last
    animals: tuple[str, ...] | None = None  # object classes that are animals; None: all are
    teacher: str | None = None  # COCO results of another detector: boxes that annotators left out


class Data(_Strict):
    """Where the data lies: paths relative to `--data`, or the splits "train", "val" and "test"."""

    pose_train: str = "train"
    # Which animals of pose_train are learnt from; see aptv2.datasets.splits.
    subset: Subset = "all"
    leave_out: str | None = None  # a family; every clip that shows it is left out
    few: Whole | None = None  # animals a species
    few_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    pose_pack: str | None = None  # crops of pose_train that `aptv2 data pack` wrote
    pose_more: tuple[MorePoses, ...] = ()
    pose_val: str = "val"
    scenes: tuple[Scenes, ...] = ()  # what lite's detection learns from
    # Tracking pairs: file or folder of any format -> its share of the pairs.
    pairs: dict[str, Positive] = {}


def _name_alone(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Recipe(_Strict):
    """What a run trains."""

    model: Annotated[Network, BeforeValidator(_name_alone)]
    # What training starts from: in1k, coco, ap10k, embedded (lite's own weights), random, a path.
    init: str = "in1k"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    workers: Annotated[int, Field(ge=0)] = 1  # processes that read pixels, for each device
    own_labels: str | None = None  # recipe for labels that have none of this one's data
    save_minutes: Annotated[float, Field(ge=0)] = 10  # between checkpoints within an epoch
    data: Data = Data()
    stages: list[Stage] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        data, spec = self.data, registry.spec(self.model.name)
        if data.pose_pack and (data.subset != "all" or data.leave_out or data.few):
            raise ValueError("data.pose_pack: holds all animals; train on some without a pack")
        if data.pose_more and not spec.parts:
            raise ValueError(f"data.pose_more: {self.model.name} learns from pose_train alone")
        if sum(more.share for more in data.pose_more) >= 1:
            raise ValueError("data.pose_more: the shares must leave some for pose_train")
        for number, stage in enumerate(self.stages):
            where = f"stages.{number}"
            known = spec.tasks
            if strange := sorted(stage.tasks.keys() - known):
                learns = " and ".join(known) if len(known) > 1 else f"{known[0]} alone"
                raise ValueError(f"{where}.tasks.{strange[0]}: {self.model.name} learns {learns}")
            if "detection" in stage.tasks and not data.scenes:
                raise ValueError(f"data.scenes: {where} trains detection, which needs pictures")
            if "tracking" in stage.tasks and not data.pairs:
                raise ValueError(f"data.pairs: {where} trains tracking, which needs pairs")
            if "tracking" in stage.tasks and stage.tasks["tracking"].samples is None:
                raise ValueError(f"{where}.tasks.tracking.samples: say how many pairs an epoch has")
            if stage.resting and not spec.parts:
                raise ValueError(
                    f"{where}.resting: blocks of {self.model.name} cannot rest; leave it out"
                )
            fused = {name for name, task in stage.tasks.items() if task.fused_weight}
            if fused and (fused != {"tracking"} or "pose" not in stage.tasks):
                place = f"{where}.tasks.{min(fused)}.fused_weight"
                raise ValueError(f"{place}: is one of tracking, beside a pose task")
            if stage.layer_decay and not spec.layer_decay:
                raise ValueError(f"{where}.layer_decay: {self.model.name} is no ViT")
            if list(stage.steps) != sorted(set(stage.steps)):
                raise ValueError(f"{where}.steps: epochs must rise, found {list(stage.steps)}")
            for task, (height, width) in spec.fixed_sizes.items():
                if task in stage.tasks and stage.tasks[task].size != (height, width):
                    raise ValueError(
                        f"{where}.tasks.{task}.size: {spec.name} takes {height} x {width}"
                    )
            square = stage.tasks.get("detection")
            if square and square.size[0] != square.size[1]:
                raise ValueError(f"{where}.tasks.detection.size: must be square")
        return self


def read_recipe(path: Path | str, overrides: tuple[str, ...] = ()) -> Recipe:
    """A recipe with `key.key=value` overrides.

    Parameters
    ----------
    path
        The path of a YAML file, or the name of a recipe in the package.
    overrides
        Changes of single values, applied in turn.

    Raises
    ------
    InputError
        There is no such recipe, the file is not YAML, or a key or value does not belong.
    """
    path = find_recipe(path)
    content = parse_yaml(read_bytes(path, MOST_BYTES + 1), path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: a recipe is a YAML mapping, this is a {type(content).__name__}.")
    for override in overrides:
        _apply(content, override)
    return check_recipe(content, path)


def check_recipe(content: Any, path: Path | str) -> Recipe:
    """A recipe from parsed content.

    Raises
    ------
    InputError
        Where a key or value does not belong; it names `path`.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error).rstrip('.')}.") from None


def _apply(content: dict[str, Any], override: str) -> None:
    dotted, separator, text = override.partition("=")
    if not separator or not dotted:
        raise InputError(f"override '{override}': write it as key=value, e.g. seed=2.")
    *parents, last = dotted.split(".")
    place: Any = content
    value = parse_yaml(text, f"override '{override[:80]}'")
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (IndexError, ValueError, TypeError, AttributeError):
        raise InputError(f"override '{override}': no such place in the recipe.") from None


def _explain(error: ValidationError) -> str:
    problems = error.errors()
    # A misspelt key says more than that the right one is missing.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg'].lower()} (found {_shown(problem['input'])})"
    *parents, key = problem["loc"]
    near = difflib.get_close_matches(str(key), _known_keys(tuple(parents)), n=1)
    hint = f"; the nearest known key is '{near[0]}'" if near else ""
    return f"{where}: there is no such key{hint}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]} …"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    classes: dict[str, type[_Strict]] = {
        "data": Data,
        "scenes": Scenes,
        "pose_more": MorePoses,
        "model": Network,
        "augmentation": Augmentation,
        "stages": Stage,
        "tasks": Task,
    }
    named = [classes[part] for part in place if isinstance(part, str) and part in classes]
    return list((named[-1] if named else Recipe).model_fields)

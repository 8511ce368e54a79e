"""Recipes: YAML files that say what a run trains, with what. Read strictly."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aptv2.errors import InputError

Positive = Annotated[float, Field(gt=0)]
TaskName = Literal["pose", "detection", "tracking"]
Share = Annotated[float, Field(ge=0, le=1)]


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
    half_body: Share = 0.3
    colour: Share = 0.4  # strength of brightness, contrast, saturation and hue changes
    blur: Share = 0.1
    erase: Share = 0.4


class Task(_Strict):
    """One head's part in a stage: its data, batch and weight in the loss."""

    batch: Annotated[int, Field(gt=0)] = 32
    size: Annotated[int, Field(gt=0, multiple_of=32)] = 256
    weight: Positive = 1.0


class Stage(_Strict):
    """A stretch of training with one input size and one learning-rate schedule."""

    name: str
    epochs: Annotated[int, Field(gt=0)]  # of the task with the fewest batches
    tasks: Annotated[dict[TaskName, Task], Field(min_length=1)]
    body_rate: Annotated[float, Field(ge=0)] = 6e-4  # 0 keeps the body as it is
    head_rate: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup: Annotated[int, Field(ge=0)] = 200  # steps
    final_rate: Share = 0.01  # the cosine ends at this share of the rate
    clip: Positive = 5.0
    average: Share = 0.998  # decay of the exponential moving average of the weights, per step
    augmentation: Augmentation = Augmentation()


class Data(_Strict):
    """Where the data lies, relative to `--data`."""

    pose_train: str
    pose_pack: str | None = None  # crops of pose_train that `aptv2 data pack` wrote
    pose_val: str
    clips_train: str
    animals: tuple[str, ...]  # object classes of the clips that are animals


class Recipe(_Strict):
    """What a run trains."""

    model: Literal["lite"]
    seed: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    workers: Annotated[int, Field(ge=0)] = 1
    data: Data
    stages: list[Stage] = Field(min_length=1)


def read_recipe(path: Path | str, overrides: tuple[str, ...] = ()) -> Recipe:
    """A recipe file, with `key.key=value` overrides.

    Raises
    ------
    InputError
        Where the file is missing, is not YAML, or holds a key or value that does not belong.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such recipe") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: not a readable YAML file ({_first_line(error)})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: a recipe is a YAML mapping, this is a {type(content).__name__}")
    for override in overrides:
        _apply(content, override)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None


def _apply(content: dict[str, Any], override: str) -> None:
    dotted, separator, text = override.partition("=")
    if not separator or not dotted:
        raise InputError(f"override '{override}': write it as key=value, e.g. seed=2")
    *parents, last = dotted.split(".")
    place: Any = content
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        value = yaml.safe_load(text)
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (IndexError, ValueError, TypeError, AttributeError, yaml.YAMLError):
        raise InputError(f"override '{override}': no such place in the recipe") from None


def _explain(error: ValidationError) -> str:
    problems = error.errors()
    # A misspelt key says more than that the right one is missing.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg'].lower()} (found {problem['input']!r})"
    *parents, key = problem["loc"]
    near = difflib.get_close_matches(str(key), _known_keys(tuple(parents)), n=1)
    hint = f"; the nearest known key is '{near[0]}'" if near else ""
    return f"{where}: there is no such key{hint}"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    classes: dict[str, type[_Strict]] = {
        "data": Data,
        "augmentation": Augmentation,
        "stages": Stage,
        "tasks": Task,
    }
    named = [classes[part] for part in place if isinstance(part, str) and part in classes]
    return list((named[-1] if named else Recipe).model_fields)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

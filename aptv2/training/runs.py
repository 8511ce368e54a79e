"""Run folders: what a run was made of, and a lock so that no two processes write one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.locks import LOCK_FILES, held
from aptv2.resuming import check_same_settings
from aptv2.tables import PoseTable
from aptv2.training.recipes import Recipe

RUN_FILE = "run.json"
BEST = "best.safetensors"  # in a stage's folder: its weights with the highest AP
# Of a recipe, without changing what comes out by more than rounding.
_MAY_CHANGE = ("workers", "save_minutes", "per_device")
_PACKAGES = (
    "aptv2",
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "numpy",
    "opencv-python-headless",
)


class Run(BaseModel):
    """What a run was made of: with it, `aptv2 train --from` repeats it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: Recipe
    data: Path  # the folder that the recipe's paths start from
    fingerprints: dict[str, str]  # of the data, by the recipe's key
    devices: int
    nodes: int
    versions: dict[str, str]
    git: str | None  # commit of the source, "+" where files were changed; None for an installation


def describe(
    recipe: Recipe, data: Path, fingerprints: dict[str, str], devices: int, nodes: int
) -> Run:
    """A run that is about to start."""
    return Run(
        recipe=recipe,
        data=data.resolve(),
        fingerprints=fingerprints,
        devices=devices,
        nodes=nodes,
        versions=versions(),
        git=git_state(),
    )


def read_run(folder: Path) -> Run:
    """What a run folder says of its run.

    Raises
    ------
    InputError
        Where it is no run folder.
    """
    path = folder / RUN_FILE
    try:
        return Run.model_validate_json(path.read_bytes())
    except OSError:
        raise InputError(
            f"{folder}: is no folder of a run, it has no {RUN_FILE}; give an output folder of "
            "aptv2 train."
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{path}: {where}: {problem['msg'].lower()}; restore the file.") from None


def start_or_resume(folder: Path, run: Run, resume: bool) -> None:
    """Write what the run is made of, or check that it is the run to be resumed.

    Raises
    ------
    InputError
        Where the folder holds a run of other data; an OtherRunError where of another recipe.
    """
    if not (resume and (folder / RUN_FILE).is_file()):
        with atomic_write(folder / RUN_FILE) as temporary:
            content = run.model_dump_json(indent=2)
            temporary.write_text(content, encoding="utf-8")
        return
    before = read_run(folder)
    check_same_settings(folder, _settings(before), _settings(run))
    check_same_data(before, run)


def check_same_data(before: Run, now: Run) -> None:
    """Refuse data that has changed since a run began.

    Raises
    ------
    InputError
        Where it has.
    """
    for key, fingerprint in before.fingerprints.items():
        if now.fingerprints.get(key) != fingerprint:
            raise InputError(
                f"{now.data}: data.{key} is not what the run was trained on; train anew into "
                "another folder."
            )


@contextmanager
def locked(folder: Path, resume: bool) -> Iterator[None]:
    """Hold the folder of a training run for this process only.

    Raises
    ------
    InputError
        Where the folder is a file, holds a run already and `resume` is off, or is in use.
    """
    if folder.is_dir() and not resume and any(p.name not in LOCK_FILES for p in folder.iterdir()):
        raise InputError(
            f"{folder}: holds a run already; add --resume to continue it, or give another folder."
        )
    with held(folder, "training into"):
        yield


def fingerprint(table: PoseTable) -> str:
    """Of a table's annotations and of the names and sizes of its image files.

    Raises
    ------
    InputError
        Where images are missing; it says how many and which first.
    """
    root = Path(table.root or ".")
    names = [table.frames.names[frame] for frame in np.unique(table.frame)]
    sizes, missing = [], []
    for name in names:
        try:
            sizes.append((root / name).stat().st_size)
        except OSError:
            missing.append(name)
    if missing:
        raise InputError(
            f"{root}: {len(missing)} of the {len(names)} images that the annotations name are not "
            f"there, e.g. {missing[0]}; give the folder that holds them."
        )
    digest = hashlib.sha256(orjson.dumps([names, sizes]))
    for array in (table.frame, table.boxes, table.keypoints, table.species, table.tracks):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _settings(run: Run) -> dict[str, Any]:
    """Settings of a recipe that a resumed run must share, with dotted names."""
    flat = _flat(run.recipe.model_dump(mode="json"))
    return {name: value for name, value in flat.items() if not name.endswith(_MAY_CHANGE)}


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dict with dotted keys."""
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list) and content and isinstance(content[0], dict):
        items = {str(number): item for number, item in enumerate(content)}.items()
    else:
        return {prefix: content}
    flat = [_flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in items]
    return {key: value for each in flat for key, value in each.items()}


def versions() -> dict[str, str]:
    """Of Python and of the packages that numbers depend on."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in _PACKAGES}}


def git_state() -> str | None:
    """Commit of the source, "+" where files were changed; None for an installation."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changes else "")

"""Every network by its name: what it is, what it does, how it is built and recognised.

A network is one file in `aptv2/models/networks/`, whose `SPECS` are found here, and one recipe.
Those files import torch only when a network is built, so that names, titles and tasks are known at
once.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from aptv2.codecs import Codec
from aptv2.errors import InputError
from aptv2.models import networks
from aptv2.skeleton import ANIMAL17, Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network

Task = Literal["pose", "detection", "tracking"]
Size = tuple[int, int]
DEFAULT = "lite"  # what detects, follows and poses where nothing else is asked for


class Shaped(Protocol):
    """What is looked at of a tensor."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sides."""


@dataclass(frozen=True)
class Signature:
    """How the tensors of a checkpoint show which network they are of, with a head or without.

    Attributes
    ----------
    present, absent
        Names that must be there, and that must not.
    sides
        The side that tensors must have along an axis: name -> (axis, length).
    """

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sides: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def matches(self, tensors: Mapping[str, Shaped]) -> bool:
        """True where named tensors have all of it."""
        return (
            all(name in tensors for name in (*self.present, *self.sides))
            and not any(name in tensors for name in self.absent)
            and all(
                len(tensors[name].shape) > axis and tensors[name].shape[axis] == length
                for name, (axis, length) in self.sides.items()
            )
        )


class Builder(Protocol):
    """Makes an untrained network, in training mode."""

    def __call__(self, *, skeleton: Skeleton, input_size: Size, drop_path: float) -> Network:
        """See :func:`build`."""


@dataclass(frozen=True)
class NetworkSpec:
    """One network.

    Attributes
    ----------
    name
        What users call it, and its recipe.
    title
        What its paper calls it.
    tasks
        What it has heads for.
    build
        Makes it, untrained.
    signature
        How its checkpoints are recognised.
    label
        What the tables of the APTv2 paper call it; the title where that is empty.
    input_size
        Height and width of its pose crops in pixels.
    codec
        Of its pose; None where it has none.
    keypoint_layer
        The tensor of its checkpoints with one row a keypoint; None where it has no pose head.
    embedded
        Its weights in this package.
    initial
        What its training can start from by name: `--init` -> the published weights' name, or ""
        where the network itself knows where they are.
    backbone_of
        The network that has the same backbone, whose weights a training can start from too.
    drop_path
        The authors' chance that training skips the last block; None where nothing is skipped.
    layer_decay
        True where a learning rate that falls from layer to layer is known for it.
    pretrained
        Beginnings of the names of those parameters that do not start afresh, and learn at
        `backbone_lr`.
    fixed_sizes
        Tasks whose pictures have one size only.
    two_templates
        True where a tracking sample has two templates, an animal's and a distractor's.
    parts
        Task -> the first task that the same part of the network serves; empty where all tasks
        share one backbone.
    compact
        True where trained weights are written as float16, half as large.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    build: Builder
    signature: Signature
    label: str = ""
    input_size: Size = (256, 256)
    codec: Codec | None = None
    keypoint_layer: str | None = None
    embedded: Path | None = None
    initial: Mapping[str, str] = field(default_factory=dict)
    backbone_of: str | None = None
    drop_path: float | None = None
    layer_decay: bool = False
    pretrained: tuple[str, ...] = ("backbone.",)
    fixed_sizes: Mapping[Task, Size] = field(default_factory=dict)
    two_templates: bool = False
    parts: Mapping[Task, Task] = field(default_factory=dict)
    compact: bool = False

    @property
    def fused(self) -> bool:
        """True where one pass both follows animals and reads their poses."""
        return {"pose", "tracking"} <= set(self.tasks) and not self.parts


@lru_cache(maxsize=1)
def specs() -> dict[str, NetworkSpec]:
    """Every network by its name, those with weights in this package first."""
    found: list[NetworkSpec] = []
    for module in pkgutil.iter_modules(networks.__path__):
        found += import_module(f"{networks.__name__}.{module.name}").SPECS
    return {each.name: each for each in sorted(found, key=lambda each: each.embedded is None)}


def names(task: Task | None = None) -> tuple[str, ...]:
    """The networks that have a head for a task; all where it is None."""
    return tuple(name for name, each in specs().items() if task is None or task in each.tasks)


def spec(name: str, task: Task | None = None) -> NetworkSpec:
    """The network of a name.

    Raises
    ------
    InputError
        Where there is none with a head for the task; it names the nearest.
    """
    known = names(task)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        raise InputError(f"there is no network '{name}'; {hint}")
    return specs()[name]


def recognise(tensors: Mapping[str, Shaped]) -> NetworkSpec | None:
    """The network that tensors under this package's names are of; None where it is unknown."""
    return next((each for each in specs().values() if each.signature.matches(tensors)), None)


def build(
    name: str,
    skeleton: Skeleton = ANIMAL17,
    input_size: Size | None = None,
    drop_path: float | None = None,
) -> Network:
    """An untrained network, in training mode.

    Parameters
    ----------
    name
        One of :func:`names`.
    skeleton
        The keypoints, one heatmap each.
    input_size
        Height and width of the pose crops in pixels; default: the authors'.
    drop_path
        Chance that training skips the last block; default: the authors'.

    Raises
    ------
    InputError
        Where the name is unknown, or `drop_path` is given for a network that has none.
    """
    wanted = spec(name)
    if drop_path is not None and wanted.drop_path is None:
        raise InputError(f"{name} has no drop path; leave it out.")
    network = wanted.build(
        skeleton=skeleton,
        input_size=input_size or wanted.input_size,
        drop_path=(wanted.drop_path or 0.0) if drop_path is None else drop_path,
    )
    network.name = name
    return network

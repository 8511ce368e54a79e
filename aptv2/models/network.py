"""What every network can do: be filled, be made ready for its tasks, and be trained."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from aptv2.codecs import Codec

if TYPE_CHECKING:
    from aptv2.models.pose.base import PoseModel
    from aptv2.models.protocols import Detector, Tracker
    from aptv2.models.registry import Task

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Objective:
    """What a training asks for, beside the data.

    Attributes
    ----------
    codec
        Makes the targets of pose.
    fused_weight
        Weight of the poses that are read from search pictures; None where none are.
    """

    codec: Codec | None
    fused_weight: float | None = None


class Network(nn.Module):
    """What the builder of a :class:`aptv2.models.registry.NetworkSpec` makes.

    A subclass gives a method for each task of its spec: `pose_model`, `detector`, `tracker`, and
    `loss` where it can be trained.

    Attributes
    ----------
    name
        The spec's.
    channels_last
        True where its convolutions are faster on channels-last pictures, and as exact.
    """

    name: str
    channels_last = True

    def fill(self, source: str | Path, expert: str | None = None) -> None:
        """Take trained weights; every tensor must have its place.

        Parameters
        ----------
        source
            A file, a folder of a Hugging Face model, or a name of the registry of weights.
        expert
            Which network of a ViTPose++ is meant.

        Raises
        ------
        InputError
            Where they are of another network; it says of which.
        """
        from aptv2.models.checkpoints import load_trained_weights

        load_trained_weights(self, self.name, source, expert)

    def start_from(self, source: str | Path) -> None:
        """Take what training starts from; `source` as for :meth:`fill`, or a key of `initial`.

        Raises
        ------
        InputError
            Where it does not fit.
        """
        from aptv2.models.checkpoints import load_initial_weights

        load_initial_weights(self, self.name, source)

    def keep(self, task: Task) -> None:
        """Drop what a task does not need, in place, before :meth:`fill`."""

    def prepare(self) -> None:
        """Be made ready for use, in place, once the weights are there and will not change."""

    def pose_model(self, input_size: tuple[int, int] | None = None) -> PoseModel:
        """The network as one that poses animals in crops of a size; both share their weights."""
        raise NotImplementedError

    def detector(self) -> Detector:
        """The network as one that finds animals in frames."""
        raise NotImplementedError

    def tracker(self, pose: bool = False) -> Tracker:
        """The network as one that follows animals, and with `pose` poses them in the same pass."""
        raise NotImplementedError

    def learn(self, tasks: Collection[Task], backbone: bool, resting: int = 0) -> None:
        """Let only the heads of some tasks learn, and the backbone where it is asked for.

        `resting` blocks of the backbone, from the first, stay as they are.
        """

    def loss(self, task: Task, batch: Batch, objective: Objective) -> Tensor:
        """The loss of a batch of a task's data set, a scalar."""
        raise NotImplementedError

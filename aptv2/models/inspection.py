"""What a file of weights holds, which network it is nearest to, and which tensors do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.checkpoints import Checkpoint, read_checkpoint
from aptv2.weights import huggingface
from aptv2.weights.cache import locate
from aptv2.weights.checkpoints import layouts, without_copies
from aptv2.weights.files import read_stored

Shape = tuple[int, ...]
_LISTED = 5  # names of each kind in a sentence


@dataclass(frozen=True)
class Fit:
    """How the tensors of a file fit a network.

    Attributes
    ----------
    network
        The network's name.
    layout
        Whose names the tensors were read by: `aptv2` (this package's), `OSTrack`, ...
    fitting
        Tensors that have their place and shape.
    missing
        Names of the network that the file lacks.
    unexpected
        Names of the file that the network lacks.
    misshapen
        Names of the file with the file's shape and the network's.
    """

    network: str
    layout: str
    fitting: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[tuple[str, Shape, Shape], ...]

    @property
    def whole(self) -> bool:
        """True where every tensor has its place."""
        return not (self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        title = registry.spec(self.network).title
        shapes = [f"{name} {own}, not {wanted}" for name, own, wanted in self.misshapen]
        parts = [
            f"{len(names)} {what}: {', '.join(names[:_LISTED])}"
            + (", …" if len(names) > _LISTED else "")
            for what, names in (
                ("missing", self.missing),
                ("left over", self.unexpected),
                ("of another shape", shapes),
            )
            if names
        ]
        return f"{self.fitting} tensors fit {title} by the names of {self.layout}; " + (
            "; ".join(parts) or "none is missing or left over"
        )


@dataclass(frozen=True)
class Inspection:
    """What a file of weights holds.

    Attributes
    ----------
    path
        The file.
    tensors
        Name, shape and dtype of each tensor, as stored.
    said
        What the file looks like, a sentence.
    fit
        The network that it is nearest to; None where no tensor fits any.
    """

    path: Path
    tensors: tuple[tuple[str, Shape, str], ...]
    said: str
    fit: Fit | None


def inspect_weights(source: str | Path, network: str | None = None) -> Inspection:
    """Read what a file holds, whether or not any network here can use it.

    Parameters
    ----------
    source
        A file, a folder of a Hugging Face model, or a name of the registry of weights.
    network
        The network to compare it with; None for the nearest.

    Raises
    ------
    InputError
        Where the file cannot be read, holds more than weights, or there is no such network.
    """
    path = locate(source)
    if path.is_dir():
        path = huggingface.weights_file(path)
    tensors = read_stored(path)[0]
    names = (network,) if network is not None else registry.names()
    fits = [found for name in names if (found := fit_of(tensors, name)) is not None]
    fit = max(fits, key=_closeness, default=None)
    try:
        said = _recognised(read_checkpoint(source))
    except InputError as error:
        said = str(error).removeprefix(f"{path}: ")
    listed = tuple(
        (name, tuple(each.shape), str(each.dtype).removeprefix("torch."))
        for name, each in tensors.items()
    )
    return Inspection(path, listed, said, fit)


def fit_of(tensors: Mapping[str, Tensor], network: str) -> Fit | None:
    """The best of the ways in which the tensors of a file can be read as a network.

    Parameters
    ----------
    tensors
        As the file names them.
    network
        The network's name.

    Returns
    -------
    Fit or None
        None where no tensor fits.

    Raises
    ------
    InputError
        Where the file holds several networks, or there is no such network.
    """
    with torch.device("meta"):
        own = {n: tuple(t.shape) for n, t in registry.build(network).state_dict().items()}
    plain = without_copies(tensors)
    given = {id(tensor): name for name, tensor in plain.items()}
    fits = []
    for layout, read in layouts(plain).items():
        # By the names that the user knows, the file's, where renaming kept the tensor whole.
        called = {name: given.get(id(tensor), name) for name, tensor in read.items()}
        common = [name for name in read if name in own]
        wrong = [name for name in common if tuple(read[name].shape) != own[name]]
        fits.append(
            Fit(
                network,
                layout,
                fitting=len(common) - len(wrong),
                missing=tuple(name for name in own if name not in read),
                unexpected=tuple(called[name] for name in read if name not in own),
                misshapen=tuple((called[n], tuple(read[n].shape), own[n]) for n in wrong),
            )
        )
    best = max(fits, key=_closeness)
    return best if best.fitting else None


def _closeness(fit: Fit) -> tuple[int, int]:
    apart = len(fit.missing) + len(fit.unexpected) + len(fit.misshapen)
    return fit.fitting - apart, fit.fitting


def _recognised(checkpoint: Checkpoint) -> str:
    title, network = checkpoint.spec.title, checkpoint.network
    origin = checkpoint.metadata["origin"]
    if checkpoint.is_backbone:
        return f"the backbone of {title} ({network}) by the names of {origin}, without a pose head"
    head = f", {checkpoint.keypoints} keypoints" if checkpoint.keypoints is not None else ""
    return f"{title} ({network}) by the names of {origin}{head}"

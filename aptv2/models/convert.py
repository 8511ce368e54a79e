"""Checkpoints of other projects -> files of this package; published weights -> the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from aptv2.errors import InputError
from aptv2.files import write_json
from aptv2.models.checkpoints import Checkpoint, fill, read_checkpoint, start
from aptv2.models.inspection import fit_of
from aptv2.models.registry import build, spec
from aptv2.weights import registry
from aptv2.weights.cache import cache_folder, hub_folder, is_hub_name, locate, weights_path
from aptv2.weights.download import Progress, download, file_checksum
from aptv2.weights.files import read_stored, write_weights
from aptv2.weights.unknown import UnknownNetworkError

HUB = "https://huggingface.co"


def convert_weights(
    source: str | Path,
    destination: str | Path | None = None,
    expert: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a checkpoint as a `.safetensors` file of this package, every number as it was.

    Parameters
    ----------
    source
        A file, a folder of a Hugging Face model, or OWNER/REPO of the Hugging Face hub, which is
        fetched where it is not here yet.
    destination
        Where to; None with a `name` puts it where :func:`aptv2.weights.find_weights` looks.
    expert
        Which network of a ViTPose++ is meant.
    name
        A name of the registry: what these weights are.
    progress
        Called while bytes arrive, where the source has to be fetched.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    InputError
        Where the source cannot be read, does not fit its network, or is not what `name` says.
    """
    known = registry.entry(name) if name else None
    if destination is None and name is None:
        raise InputError("say where to write: DST, or --as with a name of aptv2 weights list.")
    if is_hub_name(source) and not hub_folder(str(source)).is_dir():
        pull_hub(str(source), progress)
    try:
        checkpoint = read_checkpoint(source, expert or (known.expert if known else None))
    except UnknownNetworkError as error:
        raise _misfit(source, known, error) from None
    if known and spec(known.network).signature == checkpoint.spec.signature:
        checkpoint = replace(checkpoint, network=known.network)
    if known and known.network != checkpoint.network:
        raise InputError(
            f"{checkpoint.path}: holds a {checkpoint.network}, but '{name}' is a {known.network}"
        )
    network = build(checkpoint.network)
    metadata: dict[str, Any] = {
        **checkpoint.metadata,
        "network": checkpoint.network,
        "kind": _kind(checkpoint),
        "source": str(source) if is_hub_name(source) else checkpoint.path.name,
        "source_sha256": file_checksum(checkpoint.path),
    }
    if known:
        metadata |= {"name": name, "data": known.data, "start": known.start}
    try:
        if checkpoint.is_backbone or (known and known.data == "COCO"):  # only for training
            start(network, checkpoint)
        else:
            fill(network, checkpoint)
    except InputError as error:
        raise _misfit(source, known, error) from None
    tensors = checkpoint.tensors if checkpoint.is_backbone else network.state_dict()
    target = Path(destination) if destination is not None else weights_path(str(name))
    write_weights(target, tensors, metadata, exact=True)
    return target


def _misfit(source: str | Path, known: registry.Entry | None, error: InputError) -> InputError:
    """What does not fit the network that a file was said to be of."""
    if known is None:
        return error
    path = locate(source)
    fit = None if path.is_dir() else fit_of(read_stored(path)[0], known.network)
    if fit is None or fit.whole:
        return error
    return InputError(
        f"{path}: {fit}; aptv2 weights inspect {path} --network {known.network} lists all."
    )


def _kind(checkpoint: Checkpoint) -> str:
    if "tracking" in checkpoint.spec.tasks:
        return "tracker"
    return "backbone" if checkpoint.is_backbone else "pose"


def pull(name: str, progress: Progress | None = None) -> Path:
    """Bring published weights into the cache, unless they are there.

    Parameters
    ----------
    name
        A name of the registry, or OWNER/REPO of the Hugging Face hub.
    progress
        Called while bytes arrive.

    Returns
    -------
    Path
        The file, or the folder of a model of the hub.

    Raises
    ------
    InputError
        Where there are no such weights, they cannot be fetched, or no program can fetch them; it
        says what to download and what to do with it.
    """
    if is_hub_name(name):
        return pull_hub(name, progress)
    known = registry.entry(name)
    target = weights_path(name)
    if target.is_file():
        return target
    if not known.url:
        raise InputError(
            f"{name}: no program can follow its link; open {known.page} in a browser, save the "
            f"file, then run: aptv2 weights convert FILE --as {name}"
        )
    original = cache_folder() / "downloads" / unquote(Path(urlsplit(known.url).path).name)
    _fetch(known.url, original, known.sha256, progress)
    convert_weights(original, name=name)
    original.unlink()
    return target


def pull_hub(name: str, progress: Progress | None = None) -> Path:
    """Bring a model OWNER/REPO of the Hugging Face hub into the cache; its folder."""
    folder = hub_folder(name)
    for file in ("config.json", "model.safetensors"):
        if not (folder / file).is_file():
            _fetch(f"{HUB}/{name}/resolve/main/{file}", folder / file, "", progress)
    return folder


def _fetch(url: str, path: Path, sha256: str, progress: Progress | None) -> None:
    """Download a file that must stay the one that came the first time."""
    ledger = cache_folder() / "checksums.json"
    seen = _noted(ledger)
    checksums = {"its publisher": sha256, f"the first download, noted in {ledger},": seen.get(url)}
    known = {who: checksum for who, checksum in checksums.items() if checksum}
    seen[url] = download(url, path, known, progress)
    write_json(ledger, seen)


def _noted(ledger: Path) -> dict[str, str]:
    """The checksums of earlier downloads by their address."""
    if not ledger.is_file():
        return {}
    try:
        seen = orjson.loads(ledger.read_bytes())
    except orjson.JSONDecodeError:
        seen = None
    if not isinstance(seen, dict) or not all(isinstance(value, str) for value in seen.values()):
        raise InputError(
            f"{ledger}: damaged, it holds no checksums by address; delete it to note them anew."
        )
    return seen

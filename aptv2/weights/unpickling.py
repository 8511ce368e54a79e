"""Torch files whose surroundings hold more than tensors, read without running any of it.

Checkpoints of mmpose carry training scores as NumPy numbers and loss curves as mmengine objects
beside the weights, those of OSTrack settings and means of its losses. Nobody needs them here, so
they are not built at all: while a file is read, each of these names stands for an object that
holds nothing. None of their code is ever called, so allowing the names cannot run anything. Every
other name is still refused.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

_NAMES = (
    "argparse.Namespace",
    "builtins.getattr",
    "easydict.EasyDict",
    "lib.train.admin.local.EnvironmentSettings",
    "lib.train.admin.settings.Settings",
    "lib.train.admin.stats.AverageMeter",
    "lib.train.admin.stats.StatValue",
    "mmcv.utils.config.ConfigDict",
    "mmengine.config.config.ConfigDict",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
)


class _Nothing:
    """Stands for an object that is left out: takes any arguments and keeps none."""

    def __new__(cls, *_: Any, **__: Any) -> _Nothing:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    # Some of the names are dictionaries, whose items are set one by one.
    def __setitem__(self, *_: Any) -> None: ...


def _stand_in(name: str) -> type[_Nothing]:
    """A class that torch's reader finds under `name`."""
    module, _, last = name.rpartition(".")
    return type(last, (_Nothing,), {"__module__": module, "__qualname__": last})


_STAND_INS: list[Any] = [_stand_in(name) for name in _NAMES]


class UnsafeFileError(Exception):
    """A file that wants to build, call or unpack what is not known to be harmless; it says what."""


def load_torch_file(path: Path) -> Any:
    """Content of a torch file, read with `weights_only`; what is no tensor may be a stand-in.

    Raises
    ------
    UnsafeFileError
        Where the file asks for a name that is neither torch's own nor left out here, or unpacks to
        more than it is.
    """
    _refuse_compressed(path)
    with torch.serialization.safe_globals(_STAND_INS):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            # Not the whole text: it says how to load the file all the same.
            if wanted := re.search(r"GLOBAL (\S+)", str(error)):
                raise UnsafeFileError(f"it wants to use {wanted[1]}") from None
            if re.search(r"Trying to call|Can only (build|create)", str(error)):
                raise UnsafeFileError("it wants to call what is no tensor") from None
            raise


def _refuse_compressed(path: Path) -> None:
    """Torch never compresses: an archive that does could fill the memory from a few bytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > (size := path.stat().st_size):
            raise UnsafeFileError(f"its {size} bytes would unpack to {unpacked}")

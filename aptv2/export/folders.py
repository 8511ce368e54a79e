"""Output folders that are either whole or not there, and the images in them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from aptv2.datasets.names import fault_of, is_file
from aptv2.errors import InputError
from aptv2.files import check_name, sweep, temporary_name

IMAGES = ("copy", "link", "none")


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` to fill; it becomes `path` when the block ends well.

    Raises
    ------
    InputError
        Where something stands at `path` already, but for an empty folder, or where it cannot be
        written.
    """
    path = Path(path)
    refuse_used(path)
    check_name(path)
    temporary = path.absolute().with_name(temporary_name(""))
    try:
        temporary.mkdir(parents=True)
        sweep(temporary.parent)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose another place."
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_used(path: Path) -> None:
    """Raise an InputError if a path exists, unless it is an empty folder.

    Raises
    ------
    InputError
        Where that is so.
    """
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} already exists; give the name of a new folder.")


def place_images(root: Path | None, target: Path, names: Mapping[str, str], images: str) -> int:
    """Copy or link image files.

    Parameters
    ----------
    root, target
        Folders that the names are relative to.
    names
        Name in the target -> name in the root, "" for a frame that is no image file.
    images
        "copy"; "link": a second name for the same file, on the same disk; "none".

    Returns
    -------
    int
        The number of images that are not there.

    Raises
    ------
    InputError
        Where a name leads out of its folder, or a file cannot be linked or copied.
    """
    missing = 0
    for new, old in names.items():
        if fault := fault_of(old) or fault_of(new):
            raise InputError(f"{root or 'the table'}: an image name {fault}; correct it.")
        if root is None or not old or not is_file(root / old):
            missing += 1
        elif images != "none":
            place = target / new
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                # A link to a link would break with the first.
                if images == "link":
                    os.link((root / old).resolve(), place)
                else:
                    shutil.copyfile(root / old, place)
            except OSError as error:
                raise InputError(
                    f"{root / old} cannot be {'linked' if images == 'link' else 'copied'}: "
                    f"{error.strerror or error}."
                ) from None
    return missing

"""Checks of a data set: what it holds, what is missing, every kind of dirt in it.

Whether a record can be read at all is the readers' to say (`reading`); the rules of this folder
are on what they let pass: `animals` looks at one file's animals, `images` at the image files, and
`published` holds APTv2's numbers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import track

from aptv2.datasets import FORMATS, annotation_files, json_files
from aptv2.datasets.aptv2 import images_folder, is_aptv2_root
from aptv2.datasets.check.animals import check_animals
from aptv2.datasets.check.images import check_images, check_unnamed, with_image_sizes
from aptv2.datasets.check.published import FILE_SIZES, FOLDERS, compare
from aptv2.datasets.check.reading import UNREADABLE, read_without_broken
from aptv2.datasets.check.report import Contents, Finding, Findings, Kind, Report, Total
from aptv2.datasets.repairs import as_on_disk
from aptv2.errors import InputError
from aptv2.species import SPECIES, canonical
from aptv2.tables import PoseTable

__all__ = ["Contents", "Finding", "Report", "Total", "check_data"]

SHARED_CLIP = Kind("clip in two splits", lost=True)
NO_ANIMALS = Kind("image that no file has an animal in", lost=False)
NO_FOLDER = Kind("annotation folder of APTv2 that is missing", lost=False)
OTHER_SPELLING = Kind("folder that the disk spells otherwise, whose images are found", lost=False)
OTHER_FILE_SIZE = Kind("annotation file of another size than published", lost=False)
_SPLIT = re.compile("train|val|test")


def check_data(
    root: str | Path, *, images: bool = True, workers: int | None = None, progress: bool = False
) -> Report:
    """Report what a data set holds, what is missing and every kind of dirt in it.

    Data are lost (:attr:`Report.lost`) where an animal, an image or a split cannot be used as it
    stands: records that the reader refuses; files that cannot be read; images that are absent,
    damaged or of another size than said; boxes of no area or outside their image; one track
    number on two animals of a frame; clips in two splits; less than APTv2 was published with.
    All else, such as a wrong `num_keypoints`, is reported, and harmless to reading; a tracker stops
    where the images of a clip change size.

    Parameters
    ----------
    root
        Folder of a data set, or one annotation file, of any format read here. An APTv2 release is
        checked in all its files; held against the published totals if it lists the 30 species.
    images
        Whether to decode the images too.
    workers
        Images decoded at once; a thread a core where it is None.
    progress
        Whether to show bars on stderr.

    Raises
    ------
    InputError
        Where `root` does not exist, or is or holds nothing of a known format.
    """
    root = Path(root)
    is_release = root.is_dir() and is_aptv2_root(root)
    files = annotation_files(root) if is_release else _annotation_files(root)
    findings, found = Findings(), _Found()
    contents = []
    bar = track(files.items(), "annotations", console=Console(stderr=True), disable=not progress)
    for name, path in bar:
        try:
            table, document = read_without_broken(path, findings, name)
        except InputError as error:
            if len(files) == 1:
                raise
            findings.add(UNREADABLE, [str(error)], name)
            continue
        release_images = images_folder(root) or root / "data"
        folder = release_images if is_release else table.root or path.parent
        if is_release:
            annotated = table.frames.names
            table = as_on_disk(replace(table, root=folder))
            changed = annotated != table.frames.names
            findings.add(OTHER_SPELLING, _folders_of(annotated[changed]), name)
        if images:
            table = with_image_sizes(table, folder)
        contents.append(check_animals(table, document, findings, name))
        found.add(name, table, folder)

    found.check_splits(findings)
    if root.is_dir():
        for names in found.sizes.values():
            findings.add(NO_ANIMALS, (n for n in names if n not in found.with_animals))
    checked = 0
    for folder, sizes in found.sizes.items() if images else ():
        checked += check_images(folder, sizes, findings, workers=workers, progress=progress)
        if root.is_dir():
            check_unnamed(folder, sizes, findings)
    is_aptv2 = is_release and found.species >= set(SPECIES)
    if is_aptv2:
        in_bytes = {name: path.stat().st_size for name, path in files.items() if name in FILE_SIZES}
        findings.add(
            OTHER_FILE_SIZE,
            (
                f"{name}: {size:,} bytes, not {FILE_SIZES[name]:,}"
                for name, size in in_bytes.items()
                if size != FILE_SIZES[name]
            ),
        )
        missing = (f for f in FOLDERS if not any(name.startswith(f) for name in files))
        findings.add(NO_FOLDER, missing)
    totals = compare(contents) if is_aptv2 else []
    return Report(str(root), contents, findings.sorted(), totals, checked)


class _Found:
    """What the files of a data set say together.

    Attributes
    ----------
    sizes
        Folder of the images -> name of each -> its width and height as said.
    with_animals
        Names of the images that some file has an animal in.
    species
        All that the files list.
    """

    def __init__(self) -> None:
        self.sizes: dict[Path, dict[str, tuple[int, int]]] = {}
        self.with_animals: set[str] = set()
        self.species: set[str] = set()
        self._clips: dict[str, set[str]] = {}

    def add(self, name: str, table: PoseTable, folder: Path) -> None:
        """Take in one file."""
        frames = table.frames
        sizes = self.sizes.setdefault(folder, {})
        for image, (width, height) in zip(frames.names, frames.sizes.tolist(), strict=True):
            if image:
                sizes.setdefault(image, (width, height))
        with_animals = frames[sorted(set(table.frame.tolist()))]
        self.with_animals.update(with_animals.names)
        self.species.update(map(canonical, table.categories.values()))
        self._clips[name] = {
            f"{PurePosixPath(image).parent} (video_id {clip})" if clip != -1 else image
            for image, clip in zip(with_animals.names, with_animals.clips.tolist(), strict=True)
            if image
        }

    def check_splits(self, findings: Findings) -> None:
        """Look for clips in two files whose names differ in train, val and test alone."""
        for first, second in itertools.combinations(self._clips, 2):
            if _SPLIT.sub("*", first) == _SPLIT.sub("*", second):
                shared = sorted(self._clips[first] & self._clips[second])
                findings.add(SHARED_CLIP, (f"{clip} in {first} and {second}" for clip in shared))


def _folders_of(names: Iterable[str]) -> list[str]:
    """The species' folders, `easy/11spidermonkey`, of some images, sorted."""
    return sorted({"/".join(PurePosixPath(name).parts[:2]) for name in names})


def _annotation_files(root: Path) -> dict[str, Path]:
    """The annotation files of a data set, or itself where it is of one file or a folder format."""
    of_folders = root.is_dir() and any(known.recognise(root, None) for known in FORMATS)
    files = {} if of_folders else {path.stem: path for path in json_files(root)}
    return files or {root.name: root}

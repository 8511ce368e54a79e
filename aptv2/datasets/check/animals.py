"""What can be wrong with the animals of one annotation file that the reader takes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from aptv2.boxes import iou
from aptv2.datasets.check.published import SPECIES_FOLDERS
from aptv2.datasets.check.report import Contents, Findings, Kind
from aptv2.datasets.repairs import placeholders
from aptv2.datasets.splits import DIFFICULTIES
from aptv2.species import canonical, family, of_folder
from aptv2.tables import PoseTable

NO_BOX = Kind("animal without a box", lost=False)
NO_AREA = Kind("box of no area", lost=True)
BOX_OUTSIDE = Kind("box wholly outside its image", lost=True)
BOX_OVER_EDGE = Kind("box that reaches more than a pixel over its image's edge", lost=False)
KEYPOINT_OUTSIDE = Kind("animal with keypoints more than a pixel outside its image", lost=False)
SEVERAL_SIZES = Kind("clip with images of several sizes, which no tracker takes", lost=False)
NO_KEYPOINTS = Kind("animal without keypoints", lost=False)
NUM_KEYPOINTS = Kind("wrong num_keypoints, which is never read", lost=False)
VISIBILITY = Kind("animal with a visibility other than 0, 1 and 2", lost=False)
PLACEHOLDER = Kind("placeholder without a box and keypoints, which is left out", lost=False)
REPEATED = Kind("repeated record of a track in a frame, of which one is read", lost=False)
SAME_TRACK = Kind("track number on two animals of a frame", lost=True)
HOLES = Kind("track with holes", lost=False)
SAME_ANIMAL = 0.5  # overlap above which two records of a track show one animal
UNKNOWN_SPECIES = Kind("species that APTv2 does not hold", lost=False)
FOLDER_SPELLINGS = Kind("species whose folders are spelled in several ways", lost=False)
UNKNOWN_FOLDER = Kind("species' folder that APTv2 does not have", lost=False)
OTHER_FOLDER = Kind("animal of another species than its folder", lost=False)


def check_animals(table: PoseTable, document: Any, findings: Findings, file: str) -> Contents:
    """Look for dirt in a table; report what it holds.

    Parameters
    ----------
    table
        What the reader made of a file.
    document
        The parsed JSON, None where there is none.
    findings
        Gets the dirt.
    file
        Name of the file in them.
    """
    notes = _Notes(table, findings, file)
    _check_boxes(table, notes)
    _check_keypoints(table, document, notes)
    _check_sizes(table, notes)
    _check_tracks(table, notes)
    _check_species(table, notes)
    _check_folders(table, notes)
    return _contents(table, file)


class _Notes:
    """Writes findings down by the rows of a table."""

    def __init__(self, table: PoseTable, findings: Findings, file: str) -> None:
        self.table, self.findings, self.file = table, findings, file

    def animals(self, kind: Kind, dirty: np.ndarray, said: np.ndarray | None = None) -> None:
        """Note a mask of animals (N,), with a word (N,) on each."""
        table = self.table
        places = []
        for row in np.flatnonzero(dirty).tolist():
            place = f"annotation {table.ids[row]} of {self.image(table.frame[row])}"
            places.append(place if said is None else f"{place}: {said[row]}")
        self.findings.add(kind, places, self.file)

    def others(self, kind: Kind, places: list[str]) -> None:
        """Note places of another sort."""
        self.findings.add(kind, places, self.file)

    def image(self, frame: int) -> str:
        """What an image is called."""
        return self.table.frames.names[frame] or f"image {self.table.frames.ids[frame]}"


def _check_boxes(table: PoseTable, notes: _Notes) -> None:
    boxes, size = table.boxes, table.frames.sizes[table.frame]
    missing = np.isnan(boxes).any(axis=1)
    unused = placeholders(table)
    empty = ~missing & (boxes[:, 2:] <= 0).any(axis=1) & ~unused
    notes.animals(PLACEHOLDER, unused)
    notes.animals(NO_BOX, missing)
    notes.animals(NO_AREA, empty)
    known = (size > 0).all(axis=1) & ~missing & ~empty & ~unused
    ends = boxes[:, :2] + boxes[:, 2:]
    outside = known & ((ends <= 0) | (boxes[:, :2] >= size)).any(axis=1)
    over = known & ~outside & ((boxes[:, :2] < -1) | (ends > size + 1)).any(axis=1)
    notes.animals(BOX_OUTSIDE, outside)
    notes.animals(BOX_OVER_EDGE, over)


def _check_sizes(table: PoseTable, notes: _Notes) -> None:
    frames = table.frames
    known = (frames.sizes > 0).all(axis=1) & (frames.clips != -1)
    several = []
    for clip in np.unique(frames.clips[known]).tolist():
        rows = np.flatnonzero(known & (frames.clips == clip))
        sizes = frames.sizes[rows].tolist()
        other = next((row for row, size in enumerate(sizes) if size != sizes[0]), 0)
        if other:
            (w, h), (width, height) = sizes[0], sizes[other]
            several.append(f"{notes.image(rows[other])}: {width} x {height} after {w} x {h}")
    notes.others(SEVERAL_SIZES, several)


def _check_keypoints(table: PoseTable, document: Any, notes: _Notes) -> None:
    labelled = table.keypoints[:, :, 2] > 0
    counts = table.num_keypoints
    notes.animals(NO_KEYPOINTS, counts == 0)
    stated = _stated_counts(table, document)
    notes.animals(NUM_KEYPOINTS, (stated != -1) & (stated != counts), stated)
    if np.isnan(table.scores).all():  # The third number of a prediction is a score.
        seen = table.keypoints[:, :, 2]
        odd = (seen != 0) & (seen != 1) & (seen != 2)
        notes.animals(VISIBILITY, odd.any(axis=1))
    size = table.frames.sizes[table.frame][:, None]
    points = table.keypoints[:, :, :2]
    outside = ((points < -1) | (points > size + 1)).any(axis=2) & labelled & (size > 0).all(axis=2)
    notes.animals(KEYPOINT_OUTSIDE, outside.any(axis=1))


def _stated_counts(table: PoseTable, document: Any) -> np.ndarray:
    """int64 (N,): `num_keypoints` of a COCO file; -1 where it is not stated as a number."""
    records = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(records, list) or len(records) != len(table):
        return np.full(len(table), -1)
    stated = (record.get("num_keypoints") for record in records)
    values = [v if isinstance(v, int) and 0 <= v < 2**31 else -1 for v in stated]
    return np.array(values, np.int64)


def _check_tracks(table: PoseTable, notes: _Notes) -> None:
    tracked = np.flatnonzero((table.tracks != -1) & ~placeholders(table))
    again = np.zeros(len(table), bool)
    pairs = np.stack([table.frame[tracked], table.tracks[tracked]])
    again[np.delete(tracked, np.unique(pairs, axis=1, return_index=True)[1])] = True
    copies = again & _overlaps_its_double(table, again)
    notes.animals(REPEATED, copies, table.tracks)
    notes.animals(SAME_TRACK, again & ~copies, table.tracks)

    frames = table.frames
    in_clip = tracked[(frames.indices[table.frame[tracked]] != -1) & ~again[tracked]]
    frame = table.frame[in_clip]
    clip, track, index = frames.clips[frame], table.tracks[in_clip], frames.indices[frame]
    order = np.lexsort((index, track, clip))
    same = (np.diff(clip[order]) == 0) & (np.diff(track[order]) == 0)
    holes = order[:-1][same & (np.diff(index[order]) > 1)]
    notes.others(
        HOLES,
        [f"track {track[row]} of clip {clip[row]}, {notes.image(frame[row])}" for row in holes],
    )


def _overlaps_its_double(table: PoseTable, again: np.ndarray) -> np.ndarray:
    """bool (N,): repeated records whose box is that of another one with their track."""
    found = np.zeros(len(table), bool)
    for row in np.flatnonzero(again).tolist():
        frame = table.rows_of(int(table.frame[row]))
        others = frame[(table.tracks[frame] == table.tracks[row]) & (frame != row)]
        overlaps = iou(table.boxes[[row]], table.boxes[others])
        found[row] = bool((overlaps > SAME_ANIMAL).any())
    return found


def _check_species(table: PoseTable, notes: _Notes) -> None:
    if table.categories:  # Results do not say what their species are called.
        present = np.unique(table.species).tolist()
        names = [table.categories.get(key, "none named") for key in present]
        notes.others(UNKNOWN_SPECIES, [name for name in names if family(name) == "other"])


def _check_folders(table: PoseTable, notes: _Notes) -> None:
    """The folders of APTv2's layout, `easy/11spider-monkey/v1/0000.jpg`."""
    paths = [name.split("/") for name in table.frames.names]
    folders = [path[1] if path[0] in DIFFICULTIES and len(path) > 2 else "" for path in paths]
    spellings: dict[str, set[str]] = {}
    for folder in set(folders) - {""}:
        spellings.setdefault(of_folder(folder), set()).add(folder)
    notes.others(
        FOLDER_SPELLINGS,
        [
            f"{species}: {', '.join(sorted(spelled))}"
            for species, spelled in sorted(spellings.items())
            if len(spelled) > 1
        ],
    )
    notes.others(UNKNOWN_FOLDER, sorted(set(folders) - {""} - SPECIES_FOLDERS))
    named = {key: canonical(name) for key, name in table.categories.items()}
    animals = [named.get(key, "") for key in table.species.tolist()]
    lies_in = [of_folder(folders[frame]) for frame in table.frame.tolist()]
    other = [a != f for a, f in zip(animals, lies_in, strict=True)]
    dirty = np.array(other, bool) & (np.array(lies_in, object) != "")
    notes.animals(OTHER_FOLDER, dirty, np.array(animals, object))


def _contents(table: PoseTable, file: str) -> Contents:
    clip = table.frames.clips[table.frame]
    present, counts = np.unique(table.species, return_counts=True)
    species: Counter[str] = Counter()
    for key, count in zip(present.tolist(), counts.tolist(), strict=True):
        species[canonical(table.categories.get(key, "unknown"))] += count
    tracked = table.tracks != -1
    return Contents(
        name=file,
        images=len(table.frames),
        frames=len(np.unique(table.frame)),
        clips=len(np.unique(clip[clip != -1])),
        tracks=np.unique(np.stack([clip, table.tracks])[:, tracked], axis=1).shape[1],
        animals=len(table),
        without_keypoints=int((table.num_keypoints == 0).sum()),
        species=dict(species),
    )

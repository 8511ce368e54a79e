"""Reading a file that the strict reader refuses: broken records are noted and set aside.

The rules are the reader's own. Where it refuses records, they are taken out of the parsed file and
it reads again, until nothing is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aptv2.datasets import FORMATS, load_document, read_annotations
from aptv2.datasets.check.report import Findings, Kind
from aptv2.datasets.records import RecordError
from aptv2.errors import InputError
from aptv2.tables import PoseTable

UNREADABLE = Kind("annotation file that cannot be read", lost=True)
_LISTS = {"image": "images", "annotation": "annotations", "category": "categories"}
_MOST_RULES = 100  # broken ones in a file; a file with more is no data set


def read_without_broken(path: Path, findings: Findings, name: str) -> tuple[PoseTable, Any]:
    """A table of all that can be read, and the parsed JSON without what cannot.

    Parameters
    ----------
    path
        A file or folder of any known format.
    findings
        Gets the refused records and, of a folder with a file an image, the refused files.
    name
        What the file is called in them.

    Returns
    -------
    tuple
        The second is None where `path` is a folder.

    Raises
    ------
    InputError
        Where the file as a whole cannot be used.
    """
    document = load_document(path)
    known = next((known for known in FORMATS if known.recognise(path, document)), None)
    if known is None:
        return read_annotations(path), None  # It says what is known.
    if known.read_around is not None:

        def note(file: Path, error: InputError) -> None:
            findings.add(UNREADABLE, [str(error)], name)

        return known.read_around(path, note), None
    original: dict[str, list[int]] = {}  # kind -> places in the file of the records that are left
    for _ in range(_MOST_RULES):
        try:
            return known.read(path, document), document
        except RecordError as error:
            left = original.setdefault(error.kind, list(range(len(error.items))))
            places = (f"{name}: {error.kind} {left[i]}{_id(error.items[i])}" for i in error.broken)
            kind = Kind(f"{error.kind} that is refused: {error.problem}", lost=True)
            findings.add(kind, places, name)
            records = _records(document, error)
            for index in reversed(error.broken):
                del records[index], left[index]
    raise InputError(f"{path} breaks more than {_MOST_RULES} rules of its format; get it again.")


def _records(document: Any, error: RecordError) -> list[Any]:
    """The list in the file that the refused records stand in."""
    records = document if isinstance(document, list) else document.get(_LISTS.get(error.kind))
    # A reader may have made other records of those in the file.
    if not isinstance(records, list) or len(records) != len(error.items):
        raise error
    return records


def _id(record: Any) -> str:
    number = record.get("id") if isinstance(record, dict) else None
    return f" (id {str(number)[:40]})" if isinstance(number, int | str) else ""

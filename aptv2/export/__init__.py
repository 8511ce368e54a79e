"""Writers: :class:`aptv2.tables.PoseTable` -> files, one file a format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aptv2.export.coco import write_coco, write_coco_results
from aptv2.export.csv import write_csv
from aptv2.export.mot import write_mot
from aptv2.tables import PoseTable

__all__ = ["FORMATS", "write_coco", "write_coco_results", "write_csv", "write_mot"]

# Name -> file suffix and writer.
FORMATS: dict[str, tuple[str, Callable[[PoseTable, Path], None]]] = {
    "coco": (".results.json", write_coco_results),
    "csv": (".csv", write_csv),
    "mot": (".mot.txt", write_mot),
}

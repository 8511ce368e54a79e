"""Writers: :class:`aptv2.tables.PoseTable` -> files, one file a format."""

from __future__ import annotations

from aptv2.export.coco import write_coco, write_coco_results
from aptv2.export.csv import write_csv
from aptv2.export.formats import FORMATS, Format, check_free, find_format, write
from aptv2.export.mot import write_mot

__all__ = [
    "FORMATS",
    "Format",
    "check_free",
    "find_format",
    "write",
    "write_coco",
    "write_coco_results",
    "write_csv",
    "write_mot",
]

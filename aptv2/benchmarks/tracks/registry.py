"""The five tracks by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aptv2.benchmarks.cells import Cell, Plan, Table
from aptv2.benchmarks.tracks import (
    leave_one_out,
    low_data,
    supervised,
    tracking,
    zero_shot,
)


class Track(NamedTuple):
    """The cells of a track, and its tables."""

    cells: Callable[[Plan], list[Cell]]
    tables: Callable[[Plan], list[Table]]


TRACKS = {
    module.NAME: Track(module.cells, module.tables)
    for module in (supervised, zero_shot, leave_one_out, low_data, tracking)
}

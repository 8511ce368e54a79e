"""Task-aligned assignment, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from aptv2.models.lite.assignment import BEST, Assignment, assign, overlaps
from aptv2.models.lite.detection import cell_centres

ROWS = COLUMNS = 8
MIDDLES = cell_centres(ROWS, COLUMNS).flatten(1).T  # (64, 2)


def cell(row: int, column: int) -> int:
    return row * COLUMNS + column


def assigned(boxes: list[list[float]], found: Tensor, scores: Tensor | None = None) -> Assignment:
    """The assignment of one picture; padded as samples are."""
    padded = torch.zeros(1, len(boxes) + 2, 4)
    padded[0, : len(boxes)] = torch.tensor(boxes).reshape(-1, 4)
    wanted = (torch.arange(len(boxes) + 2) < len(boxes)).float()[None]
    scores = torch.full((1, 64), 0.5) if scores is None else scores
    return assign(scores, found, padded, wanted, MIDDLES)


def nothing_found() -> Tensor:
    return torch.full((1, 64, 4), -100.0)


def test_a_cell_is_to_score_as_its_box_fits() -> None:
    box = [8.0, 8, 40, 40]
    found = nothing_found()
    found[0, cell(2, 2)] = torch.tensor([8.0, 8, 40, 24])  # half of it
    found[0, cell(3, 3)] = torch.tensor([8.0, 8, 40, 40])
    result = assigned([box], found)
    assert result.scores[0, cell(3, 3)] == pytest.approx(1)
    assert result.scores[0, cell(2, 2)] == pytest.approx(0.5**6, rel=1e-3)
    assert (result.scores > 0).sum() == 2
    assert result.boxes[0, cell(3, 3)].tolist() == box
    inside = result.inside.view(ROWS, COLUMNS)
    assert torch.nonzero(inside).tolist() == [[r, c] for r in range(1, 5) for c in range(1, 5)]


def test_the_best_is_to_score_no_more_than_it_fits() -> None:
    found = nothing_found()
    found[0, cell(2, 2)] = torch.tensor([8.0, 8, 40, 32])
    result = assigned([[8.0, 8, 40, 40]], found)
    assert result.scores.max() == pytest.approx(0.75)


def test_what_scores_already_is_preferred() -> None:
    found = nothing_found()
    for each in (cell(2, 2), cell(3, 3)):
        found[0, each] = torch.tensor([8.0, 8, 40, 40])
    scores = torch.full((1, 64), 0.5)
    scores[0, cell(3, 3)] = 0.5 / 4
    result = assigned([[8.0, 8, 40, 40]], found, scores)
    assert result.scores[0, cell(2, 2)] == pytest.approx(1)
    assert result.scores[0, cell(3, 3)] == pytest.approx(0.5)


def test_only_cells_inside_answer() -> None:
    box = [8.0, 8, 40, 40]
    found = torch.tensor(box).expand(1, 64, 4)
    result = assigned([box], found)
    assert (result.scores > 0).sum() == BEST
    assert not (result.scores > 0)[~result.inside].any()


def test_a_cell_answers_for_the_animal_that_it_fits_best() -> None:
    first, second = [0.0, 0, 40, 40], [8.0, 8, 48, 48]
    found = nothing_found()
    found[0, cell(3, 3)] = torch.tensor(second)
    found[0, cell(1, 1)] = torch.tensor(first)
    result = assigned([first, second], found)
    assert result.boxes[0, cell(3, 3)].tolist() == second
    assert result.boxes[0, cell(1, 1)].tolist() == first
    assert result.scores[0, [cell(3, 3), cell(1, 1)]].tolist() == pytest.approx([1, 1])


def test_a_box_smaller_than_a_cell_has_one() -> None:
    box = [18.0, 18, 22, 22]  # between the middles at 11.5 and 19.5, of which the second is inside
    tiny = [14.0, 14, 17, 17]  # in no middle
    result = assigned([box, tiny], torch.tensor(box).expand(1, 64, 4))
    assert result.inside[0, cell(2, 2)]
    assert result.inside.sum() >= 2


def test_no_animals() -> None:
    result = assigned([], torch.rand(1, 64, 4).cumsum(2))
    assert not result.scores.any()
    assert not result.inside.any()


def test_overlaps_are_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(2, n, 4, generator=generator) for n in (3, 5))
    for each in (first, second):
        each[..., 2:] += each[..., :2]
    for found, one, other in zip(overlaps(first, second), first, second, strict=True):
        torch.testing.assert_close(found, box_iou(one, other), atol=1e-5, rtol=1e-4)

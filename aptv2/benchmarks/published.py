"""The numbers that the APTv2 paper publishes: AP in percent, on val. The one place they stand.

Nothing here is computed: the paper's averages are its own. The numbers of its figure of low-data
fine-tuning are not known here.
"""

from __future__ import annotations

# Supervised: network -> weights that training started from -> AP.
SUPERVISED = {
    "res50": {"in1k": 64.1, "coco": 67.8, "ap10k": 66.3},
    "res101": {"in1k": 65.3, "coco": 68.1, "ap10k": 64.6},
    "hrnet_w32": {"in1k": 68.5, "coco": 70.1, "ap10k": 69.8},
    "hrnet_w48": {"in1k": 70.1, "coco": 71.7, "ap10k": 71.2},
    "hrformer_s": {"in1k": 67.0, "coco": 69.5, "ap10k": 67.2},
    "hrformer_b": {"in1k": 69.0, "coco": 69.7, "ap10k": 69.6},
    "vitpose_b": {"in1k": 72.4, "coco": 72.4, "ap10k": 72.4},
}

# Columns of the tables below.
_FAMILIES = ("Canidae", "Felidae", "Hominidae", "Cercopithecidae", "Ursidae", "Bovidae")
AVERAGE = "average"


def _by_family(*numbers: float) -> dict[str, float]:
    return dict(zip(_FAMILIES, numbers, strict=True))


# Trained on AP-10K alone: network -> family -> AP.
ZERO_SHOT = {
    "hrnet_w32": _by_family(59.6, 64.5, 42.2, 38.6, 51.6, 58.7) | {AVERAGE: 52.5},
    "vitpose_b": _by_family(63.9, 65.5, 47.5, 51.0, 59.0, 59.0) | {AVERAGE: 57.7},
    "vitpose_l": _by_family(66.0, 69.1, 59.9, 61.0, 62.4, 61.0) | {AVERAGE: 63.2},
}

# HRNet-w32: training data -> family left out of it -> family tested on -> AP.
LEAVE_ONE_OUT = {
    "all": {
        "Canidae": _by_family(66.1, 77.8, 68.8, 66.3, 75.4, 68.3),
        "Felidae": _by_family(74.4, 68.1, 68.9, 67.8, 76.1, 66.8),
        "Hominidae": _by_family(74.2, 77.4, 49.7, 65.5, 75.9, 67.4),
        "Cercopithecidae": _by_family(75.2, 79.0, 68.6, 45.0, 76.2, 67.7),
        "Ursidae": _by_family(74.2, 77.9, 69.9, 66.4, 51.3, 67.6),
        "Bovidae": _by_family(74.0, 77.4, 69.3, 66.8, 76.9, 59.5),
    },
    "easy": {
        "Canidae": _by_family(55.9, 68.0, 63.2, 60.8, 61.8, 55.9),
        "Felidae": _by_family(62.1, 59.5, 64.6, 60.9, 61.7, 56.0),
        "Hominidae": _by_family(62.6, 70.1, 47.0, 55.3, 61.3, 57.5),
        "Cercopithecidae": _by_family(62.6, 69.1, 62.9, 38.1, 61.9, 56.0),
        "Ursidae": _by_family(62.5, 69.7, 64.6, 60.5, 45.2, 55.7),
        "Bovidae": _by_family(61.8, 69.5, 65.0, 59.9, 63.4, 50.9),
    },
}

_POSE_NETWORKS = (
    "res50",
    "res101",
    "hrnet_w32",
    "hrnet_w48",
    "hrformer_s",
    "hrformer_b",
    "vitpose_b",
    "vitpose_l",
)


def _by_network(*numbers: float) -> dict[str, float]:
    return dict(zip((*_POSE_NETWORKS, AVERAGE), numbers, strict=True))


# On tracked boxes of all of val: tracker -> pose network -> AP.
TRACKING = {
    "vittrack_b": _by_network(65.9, 66.0, 68.2, 69.5, 67.6, 67.7, 70.2, 72.2, 68.4),
    "vitposetrack_b": _by_network(65.3, 65.6, 67.9, 69.1, 66.9, 67.1, 69.7, 71.9, 67.9),
    "vitposetrack_l": _by_network(65.9, 66.0, 68.3, 69.6, 67.5, 67.6, 70.2, 72.4, 68.4),
}
